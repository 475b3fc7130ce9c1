"""One recording, held while its process lives, and which of its events have been taken already."""

from __future__ import annotations

import struct

import numpy

from sigrec._lake.intervals import Intervals
from sigrec._reader.format import (
    COUNTERS,
    HEAD_AT,
    LEDGER_COUNT,
    RECENT_BLOCKS,
    RECENT_OWNERS_AT,
    RECENT_SLOTS,
    SLOT_FIELDS,
    SLOT_SIZE,
)
from sigrec._reader.tables import EVENT
from sigrec._serve.watched import Unreadable, Watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SLOT = numpy.dtype(list(SLOT_FIELDS))
_NAMES = [name for name, _ in EVENT]
_LARGEST = 1 << 53  # no process counts so far: a larger number means that the file is damaged
_OWNERS = struct.Struct(f"={RECENT_BLOCKS}I")


class Held:
    """taken: by signal number, the ordinals of the events that are in the lake, or on the way
    there."""

    __slots__ = ("_before", "_head", "header", "recording", "taken", "watched")

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.recording = watched.recording()
        self.header = self.recording._header
        self.taken: dict[int, Intervals] = {}
        self._head = self._before = -1

    @property
    def key(self) -> str:
        return self.watched.key

    def take(self, all_there_is: bool = False) -> Any:
        """The new events, as an array of EVENT; None: there are none. all_there_is: also events
        that have been written for long, and those that are only among the newest of their signal
        any more."""
        source, capacity = self.watched.source, self.header.capacity
        head = source.word(HEAD_AT)
        if head == self._head and not all_there_is:
            return None
        # Events that were being written at the last look are whole by now.
        begin, self._before, self._head = self._before, self._head, head
        if all_there_is or begin < 0 or not 0 <= head - begin < capacity:
            pieces = [self._piece(0, min(head, capacity))]
            if self.header.recent is not None:
                pieces += self._recent()
        else:
            at = begin % capacity
            count = min(head - begin, capacity - at)
            pieces = [self._piece(at, count), self._piece(0, head - begin - count)]
        return self._new(numpy.concatenate(pieces))

    def _piece(self, at: int, count: int) -> Any:
        """The events of so many slots of the history that are whole and in the slot of their
        ticket."""
        if not count:
            return numpy.zeros(0, EVENT)
        slots, whole = self._copy(self.header.ring_at + at * SLOT_SIZE, count)
        ticket = slots["sequence"] // 2 - 1
        here = numpy.arange(at, at + count, dtype="u8")
        return slots[whole & (ticket % self.header.capacity == here)][_NAMES].astype(EVENT)

    def _copy(self, at: int, count: int) -> tuple[Any, Any]:
        """Copies slots. An event is whole if three copies agree on its sequence:
        _reader/history.py."""
        raw = [self.watched.source.bytes(at, count * SLOT_SIZE) for _ in range(3)]
        before, slots, after = (numpy.frombuffer(copy, _SLOT) for copy in raw)
        sequence, signo = slots["sequence"], slots["si_signo"]
        whole = (sequence == before["sequence"]) & (sequence == after["sequence"])
        return slots, whole & (sequence > 0) & (sequence % 2 == 0) & (signo - 1 < 64)

    def _recent(self) -> list[Any]:
        section = self.header.recent
        assert section is not None
        owners = _OWNERS.unpack(self.watched.source.bytes(RECENT_OWNERS_AT, _OWNERS.size))
        found = []
        for block, signum in enumerate(owners[: section.entries // RECENT_SLOTS]):
            if 1 <= signum <= 64:
                at = section.at + block * RECENT_SLOTS * SLOT_SIZE
                slots, whole = self._copy(at, RECENT_SLOTS)
                mine = slots["sequence"] == 2 * slots["ordinal"] + 2
                found.append(slots[whole & mine & (slots["si_signo"] == signum)])
        return [slots[_NAMES].astype(EVENT) for slots in found]

    def _new(self, raw: Any) -> Any:
        raw = raw[(raw["ordinal"] < _LARGEST) & (raw["monotonic_ns"] < _LARGEST << 9)]
        wanted = []
        for number in numpy.unique(raw["si_signo"]).tolist():
            of_signal = raw[raw["si_signo"] == number]
            taken = self.taken.setdefault(number, Intervals())
            ordinals = of_signal["ordinal"].astype("i8")
            _, first = numpy.unique(ordinals, return_index=True)
            first = first[~taken.has(ordinals[first])]
            wanted.append(of_signal[first])
            taken.add(ordinals[first])
        new = numpy.concatenate(wanted) if wanted else raw
        return new[numpy.argsort(new["monotonic_ns"], kind="stable")] if len(new) else None

    def ledger(self) -> dict[int, tuple[int, ...]]:
        """By signal number, the COUNTERS of those that count anything. Raises Unreadable if the
        recording is damaged."""
        section = self.header.ledger
        raw = self.watched.source.bytes(section.at, section.size)
        found = {}
        for number in range(1, LEDGER_COUNT):
            counters = COUNTERS.unpack_from(raw, number * section.entry)
            if counters[0] or counters[-1]:
                if max(counters) >= _LARGEST:
                    raise Unreadable("damaged")
                found[number] = counters
        return found

    def to_list(self) -> list[Any]:
        return [self.watched.path, {n: one.bounds for n, one in self.taken.items()}]

    def restore(self, taken: dict[str, list[int]]) -> None:
        """Takes what to_list() made. Raises ValueError or TypeError for anything else."""
        self.taken = {int(n): Intervals(list(map(int, bounds))) for n, bounds in taken.items()}
