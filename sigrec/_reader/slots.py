"""Many slots of a recording at once, with NumPy: the events of the
history, and the newest of each signal."""

from __future__ import annotations

import numpy

from sigrec._reader.format import (
    HEAD_AT,
    RECENT_OWNERS_AT,
    RECENT_SLOTS,
    SLOT_FIELDS,
    SLOT_SIZE,
)
from sigrec._reader.recent import RECENT_OWNERS
from sigrec._reader.tables import EVENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sigrec._reader.format import Header
    from sigrec._reader.source import Source

_SLOT = numpy.dtype(list(SLOT_FIELDS))
_NAMES = [name for name, _ in EVENT]


class Slots:
    """The slots of one recording. Each method returns an array
    of EVENT, of the events that are whole."""

    def __init__(self, source: Source, header: Header) -> None:
        self._source = source
        self._header = header

    def head(self) -> int:
        """How many events the process has put into its history."""
        return self._source.word(HEAD_AT)

    def all(self, head: int) -> Any:
        """The history as it is when its head is there."""
        return self._in_place(0, min(head, self._header.capacity))

    def between(self, begin: int, head: int) -> Any:
        """What was put into the history while its head moved from `begin` to `head`, where that is
        less than all of it."""
        at = begin % self._header.capacity
        count = min(head - begin, self._header.capacity - at)
        return numpy.concatenate(
            [self._in_place(at, count), self._in_place(0, head - begin - count)]
        )

    def newest(self) -> Any:
        """The newest events of each signal, which are kept beside the history."""
        section = self._header.recent
        found = [numpy.zeros(0, EVENT)]
        if section is None:
            return found[0]
        owners = RECENT_OWNERS.unpack(self._source.bytes(RECENT_OWNERS_AT, RECENT_OWNERS.size))
        for block, signum in enumerate(owners[: section.entries // RECENT_SLOTS]):
            if 1 <= signum <= 64:
                at = section.at + block * RECENT_SLOTS * SLOT_SIZE
                slots, whole = self._copied_slots(at, RECENT_SLOTS)
                mine = slots["sequence"] == 2 * slots["ordinal"] + 2
                of_signal = slots[whole & mine & (slots["si_signo"] == signum)]
                found.append(of_signal[_NAMES].astype(EVENT))
        return numpy.concatenate(found)

    def _in_place(self, at: int, count: int) -> Any:
        """Of so many slots of the history: the events that are in the slot of their ticket."""
        if not count:
            return numpy.zeros(0, EVENT)
        slots, whole = self._copied_slots(self._header.ring_at + at * SLOT_SIZE, count)
        ticket = slots["sequence"] // 2 - 1
        here = numpy.arange(at, at + count, dtype="u8")
        return slots[whole & (ticket % self._header.capacity == here)][_NAMES].astype(EVENT)

    def _copied_slots(self, at: int, count: int) -> tuple[Any, Any]:
        """Copies slots. An event is whole if three copies agree on its sequence: history.py."""
        raw = [self._source.bytes(at, count * SLOT_SIZE) for _ in range(3)]
        before, slots, after = (numpy.frombuffer(copy, _SLOT) for copy in raw)
        sequence, signo = slots["sequence"], slots["si_signo"]
        whole = (sequence == before["sequence"]) & (sequence == after["sequence"])
        return slots, whole & (sequence > 0) & (sequence % 2 == 0) & (signo - 1 < 64)
