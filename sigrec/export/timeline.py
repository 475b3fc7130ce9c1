"""Counts events by time: a lane for each signal, in columns that are as wide as needed."""

from __future__ import annotations

from sigrec._reader.ordinals import Ordinals
from sigrec._reader.stats import worth_showing
from sigrec._signals.names import name
from sigrec._times import exact_duration, utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.ledger import SignalStats
    from sigrec._reader.stats import ProcessStats
    from sigrec._signals.siginfo import SignalInfo
    from sigrec.export.selection import Selection


MOST_COLUMNS = 250  # the timeline has so many at most


MOST_HOLES = 256  # so many gaps of a signal are kept, since late events may still close them


class Lane:
    """What is known about one signal: its ledger, and which of its ordinals were seen."""

    def __init__(self, signum: int, stats: SignalStats | None) -> None:
        self.signum = signum
        self.name = stats.signal_name if stats else name(signum)
        self.stats = stats
        self.shown = 0
        self.before = 0  # how many have no detail before the first that was seen
        self.after = 0  # and after the last one
        self.ordinals = Ordinals(None)
        self.cells: dict[int, list[int]] = {}  # by column: (events, without detail)

    @property
    def missing(self) -> int:
        return self.before + self.after + sum(cell[1] for cell in self.cells.values())


class Timeline:
    """Counts by time, in columns that become wider as the events need it.

    Column n is from n to n + 1 widths after the first event. Times are by CLOCK_MONOTONIC, so that
    a wall clock that is set makes no gap.
    """

    def __init__(self, selection: Selection, process: ProcessStats) -> None:
        self.since = selection.since
        self.lanes = {
            s.signum: Lane(s.signum, s) for s in worth_showing(process) if selection.wants(s.signum)
        }
        self.total = 0
        self.origin = 0
        self.width = 1000
        self._step = 5
        self._low = self._high = 0  # in ns after the origin
        self.first_ns = self.last_ns = 0
        self.wall: dict[int, int] = {}  # by column: the wall clock at its first event

    def add(self, info: SignalInfo) -> None:
        if not self.total:
            self.origin = info.monotonic_ns
            self.first_ns = info.time_ns
        self.last_ns = info.time_ns
        self.total += 1
        at = info.monotonic_ns - self.origin
        if not self._low <= at <= self._high:
            self._low, self._high = min(self._low, at), max(self._high, at)
            while self._high // self.width - self._low // self.width >= MOST_COLUMNS:
                self._widen()
        column = at // self.width
        self.wall.setdefault(column, info.time_ns)
        lane = self.lanes.get(info.si_signo)
        if lane is None:
            lane = self.lanes[info.si_signo] = Lane(info.si_signo, None)
        lane.shown += 1
        lane.cells.setdefault(column, [0, 0])[0] += 1
        lane.ordinals.take(info.ordinal, at)
        if len(lane.ordinals.holes) > MOST_HOLES:
            self._gap(lane)

    def _gap(self, lane: Lane) -> None:
        low, high, at = lane.ordinals.holes.pop(0)
        lane.cells.setdefault(at // self.width, [0, 0])[1] += high - low

    def _widen(self) -> None:
        """Makes the columns wider: 1, 5, 10, 50, 100 ..., so
        that each holds whole ones of the last."""
        by, self._step = self._step, 10 // self._step
        self.width *= by
        for lane in self.lanes.values():
            cells, lane.cells = lane.cells, {}
            for column, (count, missing) in cells.items():
                cell = lane.cells.setdefault(column // by, [0, 0])
                cell[0] += count
                cell[1] += missing
        wall, self.wall = self.wall, {}
        for column in sorted(wall):
            self.wall.setdefault(column // by, wall[column])

    def finish(self) -> None:
        for lane in self.lanes.values():
            ordinals = lane.ordinals
            while ordinals.holes:
                self._gap(lane)
            delivered = lane.stats.delivered if lane.stats else 0
            if self.since is None:  # otherwise, earlier ones may just not be wanted
                lane.before = delivered if ordinals.first is None else ordinals.first
            if ordinals.first is not None:
                lane.after = max(0, delivered - ordinals.next)
        self.lanes = dict(sorted(self.lanes.items()))

    # Where things are, in percent: at the sides there is room for what has no known time.

    @property
    def first(self) -> int:
        return self._low // self.width

    @property
    def columns(self) -> int:
        return self._high // self.width - self.first + 1

    @property
    def left(self) -> float:
        return 7.0 if any(lane.before for lane in self.lanes.values()) else 0.0

    @property
    def right(self) -> float:
        return 93.0 if any(lane.after for lane in self.lanes.values()) else 100.0

    def x(self, columns: float) -> float:
        """The position of so many columns from the left one."""
        return self.left + (self.right - self.left) * columns / self.columns

    def data(self) -> dict[str, object]:
        """The data for the page's script."""
        first = self.first
        labels = []
        for column in range(first, first + self.columns):
            at = column * self.width
            text = f"{elapsed(at)} to {elapsed(at + self.width)}"
            if column in self.wall:
                text += f", from {utc(self.wall[column])} UTC"
            labels.append(text)
        return {
            "labels": labels,
            "left": self.left,
            "right": self.right,
            "lanes": [
                {
                    "name": lane.name,
                    "before": lane.before,
                    "after": lane.after,
                    "cells": {column - first: cell for column, cell in lane.cells.items()},
                }
                for lane in self.lanes.values()
            ],
        }


def elapsed(ns: int) -> str:
    return ("-" if ns < 0 else "+") + exact_duration(abs(ns))
