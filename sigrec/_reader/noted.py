"""How a process ended, as a bystander wrote it into its recording: ``sigrec run --report``."""

from __future__ import annotations

import signal

from sigrec._proc.ended import Ended, ended
from sigrec._proc.status import numbers
from sigrec._reader.format import NOTED, NOTED_AT, NOTED_SEEN_BY
from sigrec._tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.format import Header
    from sigrec._reader.source import Source

_KNOWN = 1 << signal.SIGKILL - 1
_SEEN_BY = {number: name for name, number in NOTED_SEEN_BY.items()}


class Noted(NamedTuple):
    """What a bystander wrote into a recording. ended: how the process ended. kills: how many
    processes of its cgroup the OOM killer has ended since since_ns. probably: whether the process
    was probably one of them."""

    ended: Ended
    kills: int
    since_ns: int
    probably: bool


def noted(source: Source, header: Header) -> Noted | None:
    """What a bystander wrote; None: no bystander did."""
    if header.version == 2:
        return None
    mask, monotonic_ns, time_ns, code, number, kills, probably, since_ns = NOTED.unpack(
        source.bytes(NOTED_AT, NOTED.size)
    )
    if number not in _SEEN_BY:
        return None
    blocked = numbers(mask) - {signal.SIGKILL} if mask & _KNOWN else None
    how = ended(code, _SEEN_BY[number], time_ns, monotonic_ns, blocked)
    return Noted(how, kills, since_ns, bool(probably))
