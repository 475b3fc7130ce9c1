"""The newest events of each signal, which no other signal's flood can push out."""

from __future__ import annotations

import struct

from sigrec._reader.format import RECENT_BLOCKS, RECENT_OWNERS_AT, RECENT_SLOTS, SLOT, SLOT_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigrec._reader.format import Header
    from sigrec._reader.source import Source

    _Event = tuple[int, ...]

RECENT_OWNERS = struct.Struct(f"={RECENT_BLOCKS}I")


class Recent:
    """The newest events of each signal; none in a recording of version 2."""

    def __init__(self, source: Source, header: Header) -> None:
        self._source = source
        self._section = header.recent

    def events(self) -> dict[tuple[int, int], _Event]:
        """By signal number and ordinal, the payload of each event that is completely written."""
        return {(event[2], event[1]): event for event in self._whole_events()}

    def newest(self) -> dict[int, _Event]:
        """By signal number, the payload of the newest event."""
        found: dict[int, _Event] = {}
        for event in self._whole_events():
            if event[2] not in found or found[event[2]][1] < event[1]:
                found[event[2]] = event
        return found

    def _whole_events(self) -> Iterator[_Event]:
        section = self._section
        if section is None or not section.entries:
            return
        owners = RECENT_OWNERS.unpack(self._source.bytes(RECENT_OWNERS_AT, RECENT_OWNERS.size))
        size = RECENT_SLOTS * SLOT_SIZE
        for block, signum in enumerate(owners[: section.entries // RECENT_SLOTS]):
            if not 1 <= signum <= 64:
                continue
            # As in the history, an event is whole if three copies agree on its sequence.
            at = section.at + block * size
            before, copy, after = (self._source.bytes(at, size) for _ in range(3))
            for n, (sequence, *event) in enumerate(SLOT.iter_unpack(copy)):
                at = n * SLOT_SIZE
                if (
                    sequence == 2 * event[1] + 2
                    and event[1] % RECENT_SLOTS == n
                    and event[2] == signum
                    and before[at : at + 8] == copy[at : at + 8] == after[at : at + 8]
                ):
                    yield tuple(event)
