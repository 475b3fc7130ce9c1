"""What a process had its signals do, and who made it so: csrc/disposition.h."""

from __future__ import annotations

import os
import struct

from sigrec._reader.format import LEDGER_COUNT, SLOT, SLOT_SIZE
from sigrec._reader.infos import Infos
from sigrec._signals.disposition import ACTIONS, HOW, Disposition
from sigrec._signals.names import name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.format import Header
    from sigrec._reader.identity import Identity
    from sigrec._reader.source import Source

    _Site = tuple[str, int]

_SITE = struct.Struct("=8xII112s")  # whole, line, text


class Dispositions:
    """Nothing, in a recording that an older sigrec made."""

    def __init__(self, source: Source, header: Header, identity: Identity, here: bool) -> None:
        self._source = source
        self._header = header
        self._program = identity.executable
        self._here = here

    def all(self) -> list[Disposition]:
        """In order: of each signal the newest eight."""
        section = self._header.dispositions
        if section is None or not section.entries:
            return []
        before, copy, after = (self._source.bytes(section.at, section.size) for _ in range(3))
        if not any(copy):
            return []
        of_each = section.entries // LEDGER_COUNT
        infos, sites = Infos(self._source, self._here), self._sites()
        found = []
        for n, (sequence, *event) in enumerate(SLOT.iter_unpack(copy)):
            at = n * SLOT_SIZE
            if (
                sequence == 2 * event[1] + 2
                and n // of_each == event[2]
                and n % of_each == event[1] % of_each
                and 1 <= event[2] < LEDGER_COUNT
                and before[at : at + 8] == copy[at : at + 8] == after[at : at + 8]
            ):
                found.append(self._disposition(event, infos, sites))
        found.sort(key=lambda one: (one.monotonic_ns, one.si_signo, one.ordinal))
        return found

    def _disposition(self, event: list[int], infos: Infos, sites: dict[int, _Site]) -> Disposition:
        at, ordinal, signum, how, action, site, flags, *_ = event
        one = Disposition()
        one.si_signo, one.signal_name = signum, name(signum, self._header.sigrtmin)
        one.action = ACTIONS.get(action, f"action {action}")
        one.how = HOW.get(how, f"call {how}")
        one.file, one.line, one.library = None, None, None
        if site in sites:
            text, line = sites[site]
            if line:
                one.file, one.line = text, line
            else:
                one.library = text or self._program or None
        one.flags = flags
        one.monotonic_ns, one.time_ns = at, at + infos.offset_at(at)
        one.ordinal = ordinal
        return one

    def _sites(self) -> dict[int, _Site]:
        """By number, those that are whole: what is written there stays."""
        section = self._header.sites
        if section is None:
            return {}
        raw = self._source.bytes(section.at, section.size)
        found = {}
        for n in range(section.entries):
            whole, line, text = _SITE.unpack_from(raw, n * section.entry)
            if whole == 1:
                found[n + 1] = os.fsdecode(text.split(b"\0")[0]), line
        return found
