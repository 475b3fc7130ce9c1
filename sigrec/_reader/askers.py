"""The askers: command line and parent of those who sent
signals that end the process, as the signal handler read them."""

from __future__ import annotations

import os
import struct

from sigrec._tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.format import Header
    from sigrec._reader.source import Source

ASKERS_AT, ASKERS = 2048, 4  # csrc/events/asker.h
_ASKER = struct.Struct("=QQIiiHH16s464s")


class Asker(NamedTuple):
    """A sender. argv: empty if the sender was gone already. cut: its argv was longer than this.
    parent: the pid of its parent; None: the parent is not known, nor its name. at_its_end: it was the
    parent of who got the signal, and the kernel sent that as it ended (PR_SET_PDEATHSIG)."""

    pid: int
    argv: list[str]
    cut: bool
    parent: int | None
    parent_comm: str | None
    at_its_end: bool


def asker(source: Source, header: Header, signum: int, ordinal: int) -> Asker | None:
    """The asker of that signal. None: the handler read
    nothing, or newer ones have taken its place."""
    if header.version == 2:
        return None
    before, raw, after = (source.bytes(ASKERS_AT, ASKERS * _ASKER.size) for _ in range(3))
    for n, entry in enumerate(_ASKER.iter_unpack(raw)):
        sequence, of, number, pid, parent, size, at_its_end, comm, text = entry
        at = n * _ASKER.size
        whole = before[at : at + 8] == raw[at : at + 8] == after[at : at + 8]
        if not sequence or sequence & 1 or not whole or (number, of) != (signum, ordinal):
            continue
        argv = text[: min(size, len(text))].removesuffix(b"\0")
        return Asker(
            pid,
            [os.fsdecode(part) for part in argv.split(b"\0")] if argv else [],
            size >= len(text) - 1,
            parent if parent > 0 else None,
            comm.split(b"\0")[0].decode(errors="replace") or None,
            at_its_end == 1,
        )
    return None
