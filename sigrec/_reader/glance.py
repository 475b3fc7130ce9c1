"""What a recording's header alone says about the end, for callers that look at hundreds of them."""

from __future__ import annotations

import os
import stat
import struct
from collections import namedtuple  # typing's takes ten times as long to import

from sigrec._reader.format import EXIT_KINDS, EXITED, LEDGER, LEDGER_ENTRY, MAGIC, VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_SIZE = 2048  # so many bytes hold the table of sections, too
_START = struct.Struct("=8sIH")
_OWNER = struct.Struct("=i12xQ8x40s")  # from 80: pid, namespace, boot id
_END = struct.Struct("=I12xIi")  # from 160: state, exit kind and status
_REASON_AT = 608
_SECTIONS = struct.Struct("=I8xII")  # from 20: where they are; how many, and bytes of each
_SECTION = struct.Struct("=I4xQ")

# status: of the file, by fstat(2). exited: the process wrote down that it exits. went_well: it
# called exit(3) with 0, and no exception ended it.
Glance = namedtuple("Glance", "status pid namespace boot_id exited went_well ledger_at")


def glance(fd: int) -> Glance | None:
    """Reads the header of a recording. None: the file is no recording of this version, and must be
    looked at more closely. For an empty file only the status is set."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        return None
    if not status.st_size:
        return Glance(status, 0, 0, "", False, False, 0)
    raw = os.pread(fd, _SIZE, 0)
    if len(raw) < _SIZE or _START.unpack_from(raw) != (MAGIC, 0x01020304, VERSION):
        return None
    at, count, entry = _SECTIONS.unpack_from(raw, 20)
    if at + count * entry > _SIZE or entry < _SECTION.size:
        return None
    sections = (_SECTION.unpack_from(raw, at + n * entry) for n in range(count))
    ledger_at = next((offset for kind, offset in sections if kind == LEDGER), 0)
    pid, namespace, boot = _OWNER.unpack_from(raw, 80)
    state, kind, exit_status = _END.unpack_from(raw, 160)
    well = EXIT_KINDS.get(kind) == "exit" and exit_status == 0 and not raw[_REASON_AT]
    boot_id = boot.split(b"\0")[0].decode("ascii", "replace")
    return Glance(status, pid, namespace, boot_id, state == EXITED, well, ledger_at)


def any_delivered(fd: int, seen: Glance, signums: Iterable[int]) -> bool:
    return any(os.pread(fd, 8, seen.ledger_at + n * LEDGER_ENTRY).strip(b"\0") for n in signums)
