"""Missed: what stands for events that a stream has lost."""

from __future__ import annotations

from sigrec import _check
from sigrec._signals.names import name
from sigrec._signals.value import Value


class Missed(Value):
    """Stands in a stream in the place of events that were delivered, but could not be kept for this
    subscriber or had no siginfo."""

    __slots__ = {"count": "How many events.", "si_signo": "The signal's number, as in SignalInfo."}
    _fields = ("si_signo", "count")

    def __init__(self, si_signo: int, count: int) -> None:
        self.si_signo = _check.signal(si_signo, "si_signo must be a signal number")
        self.count = _check.integer("count must be an int from 1 on", count, 1, 1 << 64)

    def __repr__(self) -> str:
        return f"<Missed: {name(self.si_signo)} × {self.count}>"


Missed.__module__ = "sigrec"
