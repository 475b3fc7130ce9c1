"""Counters that only rise: when each was made, how many there can be, and what they show.

increase() of Prometheus does not count what a counter has in its first sample. So each counter
shows 0 for some time after it was made, so that every scraper has such a sample.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Labels = tuple[str, ...]

MOST_PROGRAMS = 200
RESERVED_PROGRAMS = 50  # so many of these places are for the programs that were asked for
MOST_SENDER_LABELS = 20
MOST_SERIES = 10_000
SERIES_FOR_OTHER = 400  # so many of these are for "other": 4 counters of 64 signals, and more
OTHER = "other"

# The labels of each metric, by its name.
FAMILIES: dict[str, Labels] = {
    "sigrec_signals_delivered": ("program", "signal"),
    "sigrec_signals_handled": ("program", "signal"),
    "sigrec_signals_overwritten": ("program", "signal"),
    "sigrec_signals_sent": ("program", "signal"),
    "sigrec_signals_from": ("program", "signal", "sender"),
    "sigrec_process_endings": ("program", "cause", "sender"),
}


class Series:
    """One counter. born: when it was made, in seconds since 1970; 0: it shows its total already."""

    __slots__ = ("born", "total")

    def __init__(self, total: int, born: float) -> None:
        self.total = total
        self.born = born


class Counters:
    """The totals, by their labels. settle: a new counter shows 0 for so many seconds."""

    def __init__(self, settle: float) -> None:
        self.settle = settle
        self.families: dict[str, dict[Labels, Series]] = {name: {} for name in FAMILIES}
        self.programs: dict[str, None] = {}
        self.senders: dict[str, None] = {}

    # --- names, whose number is limited ----------------------------------------------------

    def program(self, name: str, asked_for: bool = True) -> str:
        """The program's name as a label, or ``"other"`` if there is no place. A program keeps its
        place, also when its last process is gone."""
        most = MOST_PROGRAMS if asked_for else MOST_PROGRAMS - RESERVED_PROGRAMS
        return _placed(self.programs, name, most)

    def sender(self, name: str) -> str:
        return _placed(self.senders, name, MOST_SENDER_LABELS)

    # --- counting -------------------------------------------------------------------------

    def create(self, family: str, labels: Labels, now: float) -> Series:
        """The counter of these labels, which is made if it is not there yet."""
        of_family = self.families[family]
        series = of_family.get(labels)
        if series is None:
            labels = self._with_room(labels)
            series = of_family.get(labels)
            if series is None:
                series = of_family[labels] = Series(0, now)
        return series

    def add(self, family: str, labels: Labels, count: int, now: float) -> None:
        if count > 0:
            self.create(family, labels, now).total += count

    def _with_room(self, labels: Labels) -> Labels:
        if sum(map(len, self.families.values())) < MOST_SERIES - SERIES_FOR_OTHER:
            return labels
        return (OTHER, labels[1], *(OTHER for _ in labels[2:]))

    # --- what is shown ----------------------------------------------------------------------

    def shown(self, now: float) -> dict[str, dict[Labels, int]]:
        """What a scrape sees. A counter that has shown its total goes on to do so, even if the
        clock is set back."""
        for of_family in self.families.values():
            for series in of_family.values():
                if series.born and now >= series.born + self.settle:
                    series.born = 0
        return {
            name: {
                labels: 0 if series.born else series.total for labels, series in of_family.items()
            }
            for name, of_family in self.families.items()
        }

    # --- what is kept -----------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        return {
            "programs": list(self.programs),
            "senders": list(self.senders),
            "series": {
                name: [[*labels, series.total, series.born] for labels, series in of_family.items()]
                for name, of_family in self.families.items()
            },
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Takes the counters that to_dict() made in an earlier run. Raises ValueError, TypeError or
        KeyError for anything else."""
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
