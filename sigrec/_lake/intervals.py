"""A set of ordinals, kept as intervals, since events of several threads come out of order."""

from __future__ import annotations

import itertools

import numpy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Intervals:
    """A set of ordinals.
    bounds: in order, the begin of each interval, and its end, which is not in the interval."""

    __slots__ = ("bounds",)

    def __init__(self, bounds: list[int] | None = None) -> None:
        """Raises ValueError if these numbers are not the bounds of such intervals."""
        bounds = bounds or []
        if len(bounds) % 2 or any(a >= b for a, b in itertools.pairwise(bounds)):
            raise ValueError(f"not the bounds of intervals: {bounds[:8]}")
        self.bounds = bounds

    def has(self, ordinals: Any) -> Any:
        """For each of these ordinals, whether the set has it."""
        return numpy.searchsorted(numpy.array(self.bounds, "i8"), ordinals, side="right") % 2 == 1

    def add(self, ordinals: Any) -> None:
        new = numpy.unique(ordinals)
        if not len(new):
            return
        cut = numpy.flatnonzero(numpy.diff(new) > 1) + 1
        begins, ends = new[numpy.r_[0, cut]], new[numpy.r_[cut - 1, len(new) - 1]] + 1
        if self.bounds and len(begins) == 1 and begins[0] == self.bounds[-1]:
            self.bounds[-1] = int(ends[0])  # which is nearly always so
            return
        pairs = [*zip(self.bounds[::2], self.bounds[1::2], strict=True)]
        pairs += zip(begins.tolist(), ends.tolist(), strict=True)
        merged: list[int] = []
        for begin, end in sorted(pairs):
            if merged and begin <= merged[-1]:
                merged[-1] = max(merged[-1], end)
            else:
                merged += [begin, end]
        self.bounds = merged

    def missing(self, end: int) -> Iterator[tuple[int, int]]:
        """Begin and end of each range of ordinals below that end that the set does not have."""
        at = 0
        for begin, after in zip(self.bounds[::2], self.bounds[1::2], strict=True):
            if at < min(begin, end):
                yield at, min(begin, end)
            at = max(at, after)
        if at < end:
            yield at, end
