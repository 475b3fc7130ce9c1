"""Disposition: what a signal does in a process, since when, and which call made it so."""

from __future__ import annotations

from sigrec._signals.change import Change


class Disposition(Change):
    """One change of a signal's disposition in a recorded process, or the disposition at first."""

    __slots__ = {  # noqa: RUF023 - as one reads them
        "si_signo": "The signal's number.",
        "signal_name": 'The signal\'s name, as ``"SIGTERM"``.',
        "action": 'What the signal does from then on: ``"default"``, ``"ignore"``, ``"handler"`` (it calls '
        'one of the program or of a library), ``"sigrec"`` (it calls one that is registered with sigrec).',
        "how": 'The call that changed it: ``"sigaction"`` (which signal.signal() makes), ``"signal"``, '
        '``"register"`` (or the end of a registration), ``"reset"`` (the signal came, and its handler '
        'had SA_RESETHAND). Or how it came to be so without one: ``"before"`` (it was so when the '
        'recording began), ``"inherited"`` (it was so when the program began), ``"forked"`` (the parent '
        "had changed it, at the time and place that are given).",
        "file": "The Python file that made the call, or the end of a long name; None: the call was not "
        "made by Python code, or the file is not known.",
        "line": "The line in that file.",
        "library": "The library that made the call, where Python code did not; for a handler that was "
        "there before, the library that it is in. None: not known.",
        "flags": "Its ``sa_flags``: sigaction(2).",
        "time_ns": "When it was changed, in ns since 1970.",
        "monotonic_ns": "When it was changed, by CLOCK_MONOTONIC.",
        "ordinal": "How many changes of this signal's disposition there were before.",
    }
    _fields = tuple(__slots__)

    action: str
    flags: int

    def _what(self) -> str:
        return self.action


Disposition.__module__ = "sigrec"
