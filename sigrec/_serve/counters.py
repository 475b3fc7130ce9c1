"""Counters that only rise, each with its birth; how many of them there can be; what they show.

increase() of Prometheus sees a counter from its second sample on: what stands in the first one is lost.
So each shows 0 for a while after it was made, by time, so that every scraper has that sample.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Labels = tuple[str, ...]

PROGRAMS = 200
RESERVED = 50  # of these, for the programs that were asked for
SENDERS = 20
SERIES = 10_000
FOR_OTHER = 400  # of these: 4 counters of 64 signals, and more, of what found no room
OTHER = "other"

# By the name of the metric: its labels.
FAMILIES: dict[str, Labels] = {
    "sigrec_signals_delivered": ("program", "signal"),
    "sigrec_signals_handled": ("program", "signal"),
    "sigrec_signals_overwritten": ("program", "signal"),
    "sigrec_signals_sent": ("program", "signal"),
    "sigrec_signals_from": ("program", "signal", "sender"),
    "sigrec_process_endings": ("program", "cause", "sender"),
}


class Series:
    """One counter. born: when it was made, in seconds since 1970; 0: it shows its total."""

    __slots__ = ("born", "total")

    def __init__(self, total: int, born: float) -> None:
        self.total = total
        self.born = born


class Counters:
    """settle: for so many seconds a new counter shows 0."""

    def __init__(self, settle: float) -> None:
        self.settle = settle
        self.families: dict[str, dict[Labels, Series]] = {name: {} for name in FAMILIES}
        self.programs: dict[str, None] = {}
        self.senders: dict[str, None] = {}

    # --- names, of which there are so many -------------------------------------------------

    def program(self, name: str, asked_for: bool = True) -> str:
        """That name, or ``"other"``: who has a place keeps it, also when its last process is gone."""
        most = PROGRAMS if asked_for else PROGRAMS - RESERVED
        return _placed(self.programs, name, most)

    def sender(self, name: str) -> str:
        return _placed(self.senders, name, SENDERS)

    # --- counting -------------------------------------------------------------------------

    def create(self, family: str, labels: Labels, now: float) -> Series:
        """That counter; made, where it is not there yet."""
        found = self.families[family]
        series = found.get(labels)
        if series is None:
            labels = self._with_room(found, labels)
            series = found.get(labels)
            if series is None:
                series = found[labels] = Series(0, now)
        return series

    def add(self, family: str, labels: Labels, count: int, now: float) -> None:
        if count > 0:
            self.create(family, labels, now).total += count

    def _with_room(self, found: dict[Labels, Series], labels: Labels) -> Labels:
        if sum(map(len, self.families.values())) < SERIES - FOR_OTHER:
            return labels
        return (OTHER, labels[1], *(OTHER for _ in labels[2:]))

    # --- what is shown ----------------------------------------------------------------------

    def shown(self, now: float) -> dict[str, dict[Labels, int]]:
        """What a scrape sees. Who once showed its total goes on, however the clock is set."""
        for of_family in self.families.values():
            for series in of_family.values():
                if series.born and now >= series.born + self.settle:
                    series.born = 0
        return {
            name: {labels: 0 if one.born else one.total for labels, one in of_family.items()}
            for name, of_family in self.families.items()
        }

    # --- what is kept -----------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        return {
            "programs": list(self.programs),
            "senders": list(self.senders),
            "series": {
                name: [[*labels, one.total, one.born] for labels, one in of_family.items()]
                for name, of_family in self.families.items()
            },
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """ValueError, TypeError, KeyError: that is not what to_dict() made."""
        self.programs = dict.fromkeys(map(str, kept["programs"]))
        self.senders = dict.fromkeys(map(str, kept["senders"]))
        for name, labels in FAMILIES.items():
            for row in kept["series"].get(name, ()):
                *words, total, born = row
                if len(words) != len(labels):
                    raise ValueError(f"{row!r} is no series of {name}")
                self.families[name][tuple(map(str, words))] = Series(int(total), float(born))


def _placed(places: dict[str, None], name: str, most: int) -> str:
    if name not in places:
        if len(places) >= most:
            return OTHER
        places[name] = None
    return name
