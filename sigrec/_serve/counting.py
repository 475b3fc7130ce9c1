"""Adds up what the recordings of a host count, by program and signal.

A look adds what is new in a ledger to the counters, which only rise. It counts anew how many signals
are pending at the moment, and for how long the handlers that run have done so.
"""

from __future__ import annotations

import time
from collections import Counter

from sigrec._serve.counters import Counters
from sigrec._serve.ending import KNOWN
from sigrec._serve.watched import ASKED_WHO, BAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable

    from sigrec._reader.counts import Counts
    from sigrec._serve.counters import Labels
    from sigrec._serve.watched import Watched

# In the order of watched.Counted.
_OF_LEDGER = (
    "sigrec_signals_delivered", "sigrec_signals_handled", "sigrec_signals_overwritten",
    "sigrec_signals_sent",
)  # fmt: skip
_MANY = 32  # a process that records more signals records every one, as under `sigrec run`


class Counting:
    """Adds up what recordings count. asked_for: the programs that get a place before others.
    pending: how many signals waited for a handler at the last look. running: for how many seconds a
    handler had run then."""

    def __init__(self, settle: float, asked_for: re.Pattern[str] | None) -> None:
        self._asked_for = asked_for
        self.counters = Counters(settle)
        self.pending: dict[Labels, int] = {}
        self.running: dict[Labels, float] = {}

    def forget(self) -> None:
        """Forgets every counter, as if nothing had been counted."""
        self.counters = Counters(self.counters.settle)

    def program(self, watched: Watched) -> str:
        """The label of the recorded program."""
        asked_for = self._asked_for is None or self._asked_for.search(watched.name) is not None
        return self.counters.program(watched.name, asked_for)

    def begin(self, watched: Watched, is_past: bool) -> None:
        """Begins to count a recording, and makes counters, at 0, of the endings that its program
        may have. is_past: what the recording has counted so far is not added."""
        now, program = time.time(), self.program(watched)
        for cause, sender in KNOWN:
            if sender:
                sender = self.counters.sender(sender)
            self.counters.create("sigrec_process_endings", (program, cause, sender), now)
        self._add_up(watched, is_past)

    def look(self, held: Iterable[Watched]) -> list[Watched]:
        """Counts what is new in all of these recordings; returns those that are damaged."""
        pending: Counter[Labels] = Counter()
        running: dict[Labels, float] = {}
        damaged = []
        for watched in held:
            try:
                program, ledger = self._add_up(watched)
                for number, counts in ledger.items():
                    if watched.is_registered(number):
                        pending[program, watched.signal_name(number)] += counts.pending
                running_now = watched.running_handler()
            except BAD:
                damaged.append(watched)
                continue
            if running_now is not None and watched.is_seen:
                number, since_ns = running_now
                labels = program, watched.signal_name(number)
                seconds = max(0, time.monotonic_ns() - since_ns) / 1e9
                running[labels] = max(running.get(labels, 0.0), seconds)
        self.pending, self.running = dict(pending), running
        return damaged

    def end(self, watched: Watched, cause: str, sender: str) -> str:
        """Counts what is new in the recording, and its process's
        end; returns the label of its program."""
        program, _ = self._add_up(watched)
        if sender:
            sender = self.counters.sender(sender)
        self.counters.add("sigrec_process_endings", (program, cause, sender), 1, time.time())
        return program

    def _add_up(self, watched: Watched, is_past: bool = False) -> tuple[str, dict[int, Counts]]:
        now, program = time.time(), self.program(watched)
        modes = watched.modes
        ledger = watched.now()
        if watched.modes is not modes:
            self._create_counters(watched, program, now)
        for number, counts in ledger.items():
            new = watched.take(number, counts)
            if new is not None and not is_past:
                labels = program, watched.signal_name(number)
                for family, count in zip(_OF_LEDGER, new, strict=True):
                    self.counters.add(family, labels, count, now)
        if watched.senders_are_behind():
            for number, who, count in watched.take_senders(ledger):
                if is_past:
                    continue
                from_whom = program, watched.signal_name(number), self.counters.sender(who)
                self.counters.add("sigrec_signals_from", from_whom, count, now)
        return program, ledger

    def _create_counters(self, watched: Watched, program: str, now: float) -> None:
        """Makes counters, at 0, of the signals that the process records, as soon as it does."""
        recorded = watched.recorded()
        everything = len(recorded) > _MANY  # most of these signals never come
        for number, registered in recorded.items():
            labels = program, watched.signal_name(number)
            if registered or number in ASKED_WHO or not everything:
                self.counters.create("sigrec_signals_delivered", labels, now)
            if registered:
                self.counters.create("sigrec_signals_handled", labels, now)
