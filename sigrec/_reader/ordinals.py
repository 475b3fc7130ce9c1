"""The ordinals of a signal that were seen, and the holes between them."""

from __future__ import annotations


class Ordinals:
    """The ordinals of one signal. Every one from ``first`` to below ``next`` was seen, unless it is
    in a hole.

    A hole is (from, to, at), where at is what was passed with the event behind it.
    """

    __slots__ = ("first", "holes", "next")

    def __init__(self, first: int | None = 0) -> None:
        """first: from there on, what is missing is a hole; None: from the first that is seen on."""
        self.first = first
        self.next = first or 0
        self.holes: list[tuple[int, int, int]] = []

    def take(self, ordinal: int, at: int = 0) -> bool:
        """Marks the ordinal as seen; returns whether it is new.
        Events of several threads may come out of order."""
        if self.first is None:
            self.first, self.next = ordinal, ordinal + 1
            return True
        if ordinal >= self.next:
            self.fill(ordinal, at)
            self.next = ordinal + 1
            return True
        if ordinal < self.first:
            if ordinal + 1 < self.first:
                self.holes.insert(0, (ordinal + 1, self.first, at))
            self.first = ordinal
            return True
        for n, (low, high, when) in enumerate(self.holes):
            if low <= ordinal < high:
                parts = ((low, ordinal, when), (ordinal + 1, high, when))
                self.holes[n : n + 1] = [part for part in parts if part[0] < part[1]]
                return True
        return False

    def fill(self, end: int, at: int = 0) -> None:
        """Makes a hole of all that is missing up to this ordinal."""
        if end > self.next:
            self.holes.append((self.next, end, at))
            self.next = end
