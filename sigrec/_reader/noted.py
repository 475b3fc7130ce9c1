"""How a process ended, as a bystander wrote it into its recording: ``sigrec run --report``."""

from __future__ import annotations

from collections import namedtuple  # typing's takes ten times as long to import

from sigrec._proc.pidfd import Ended
from sigrec._reader.format import NOTED, NOTED_AT, NOTED_SOURCES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.format import Header
    from sigrec._reader.source import Source

_SOURCES = {number: name for name, number in NOTED_SOURCES.items()}

# ended: how. kills: how many processes of its cgroup the OOM killer ended since since_ns; probably:
# it was among them.
Noted = namedtuple("Noted", "ended kills since_ns probably")


def noted(source: Source, header: Header) -> Noted | None:
    """None: nobody did."""
    if header.version == 2:
        return None
    monotonic_ns, time_ns, code, number, kills, probably, since_ns = NOTED.unpack(
        source.bytes(NOTED_AT, NOTED.size)
    )
    if number not in _SOURCES:
        return None
    signum = code & 0x7F
    status = None if signum else code >> 8 & 0xFF
    ended = Ended(
        signum or None, status, bool(code & 0x80), time_ns, monotonic_ns, _SOURCES[number]
    )
    return Noted(ended, kills, since_ns, bool(probably))
