"""One recording, held while its process lives, and which of its events have been taken already."""

from __future__ import annotations

import numpy

from sigrec._lake.intervals import Intervals
from sigrec._reader.counts import LARGEST_COUNT, Counts, counts
from sigrec._reader.slots import Slots
from sigrec._serve.watched import Unreadable, Watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Held:
    """A recording that is shipped to the lake. taken: by signal number, the ordinals of the events
    that are in the lake already, or on the way there."""

    __slots__ = ("_head", "_head_before", "_slots", "header", "recording", "taken", "watched")

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.recording = watched.recording()
        self.header = self.recording._header
        self.taken: dict[int, Intervals] = {}
        self._slots = Slots(watched.source, self.header)
        self._head = self._head_before = -1

    @property
    def key(self) -> str:
        return self.watched.key

    def take(self, all_there_is: bool = False) -> Any:
        """The recording's new events, as an array of EVENT; None: there are none. all_there_is:
        also events that have been written for long, and those that are only among the newest of
        their signal any more."""
        head = self._slots.head()
        if head == self._head and not all_there_is:
            return None
        # Events that were being written at the last look are whole by now.
        begin, self._head_before, self._head = self._head_before, self._head, head
        if all_there_is or begin < 0 or not 0 <= head - begin < self.header.capacity:
            return self._new(numpy.concatenate([self._slots.all(head), self._slots.newest()]))
        return self._new(self._slots.between(begin, head))

    def _new(self, raw: Any) -> Any:
        raw = raw[(raw["ordinal"] < LARGEST_COUNT) & (raw["monotonic_ns"] < LARGEST_COUNT << 9)]
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

    def ledger(self) -> dict[int, Counts]:
        """What the ledger counts, by signal number, for the lake's rows. Raises Unreadable if the
        recording is damaged."""
        _, ledger = counts(self.watched.source, self.header.ledger, self.header.version)
        if 0 in ledger or any(max(of_signal) >= LARGEST_COUNT for of_signal in ledger.values()):
            raise Unreadable("damaged")
        return ledger

    def to_list(self) -> list[Any]:
        return [self.watched.path, {n: taken.bounds for n, taken in self.taken.items()}]

    def restore(self, taken: dict[str, list[int]]) -> None:
        """Takes the ordinals that to_list() made in an earlier run.
        Raises ValueError or TypeError for anything else."""
        self.taken = {int(n): Intervals(list(map(int, bounds))) for n, bounds in taken.items()}
