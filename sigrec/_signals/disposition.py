"""Disposition: what a process had a signal do, since when, and who made it so."""

from __future__ import annotations

from sigrec._signals.change import Change

# By the numbers in the recording: csrc/disposition.h.
ACTIONS = {0: "default", 1: "ignore", 2: "handler", 3: "sigrec"}
HOW = {
    0: "before", 1: "inherited", 2: "forked", 3: "sigaction", 4: "signal", 5: "register", 6: "reset",
}  # fmt: skip


class Disposition(Change):
    """One change of what a recorded process had a signal do, or what that was at first."""

    __slots__ = {  # noqa: RUF023 - as one reads them
        "si_signo": "The signal's number.",
        "signal_name": 'The signal\'s name, as ``"SIGTERM"``.',
        "action": 'From then on: ``"default"``, ``"ignore"``, ``"handler"`` (of the program, or of a '
        'library), ``"sigrec"`` (a handler that is registered with sigrec).',
        "how": 'By which call: ``"sigaction"`` (signal.signal() makes that), ``"signal"``, ``"register"`` (or the end of that), '
        '``"reset"`` (SA_RESETHAND: the signal came). Or it was so: ``"before"`` the recording began; '
        '``"inherited"``: before the program itself did anything; ``"forked"``: the parent made it '
        "so, then and there.",
        "file": "The Python file that made the call; None: it was not Python, or that is not known. "
        "Of a long name the end.",
        "line": "The line there.",
        "library": "The library that made the call, where that was not Python; of a handler that was "
        "there before: the one that it is in. None: not known.",
        "flags": "Its ``sa_flags``: sigaction(2).",
        "time_ns": "When, in ns since 1970.",
        "monotonic_ns": "The same, as CLOCK_MONOTONIC.",
        "ordinal": "How many changes of this signal's disposition there were before.",
    }
    _fields = tuple(__slots__)

    action: str
    flags: int

    def _what(self) -> str:
        return self.action


Disposition.__module__ = "sigrec"
