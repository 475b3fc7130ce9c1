"""MaskChange: that a thread blocked a signal or let it in, when, and who made it so."""

from __future__ import annotations

from sigrec._signals.change import Change

# By the numbers in the recording: csrc/mask.h.
HOW = {2: "forked", 3: "pthread_sigmask", 4: "sigprocmask", 5: "sighold"}


class MaskChange(Change):
    """One change of what a thread of a recorded process has blocked."""

    __slots__ = {  # noqa: RUF023 - as one reads them
        "si_signo": "The signal's number; 0: nearly all signals at once, as around a fork.",
        "signal_name": 'The signal\'s name, as ``"SIGTERM"``; ``"all signals"``.',
        "blocked": "Whether it is blocked from then on.",
        "main": "Whether that is the process's main thread.",
        "tid": "The thread; None: not known.",
        "how": 'By which call: ``"pthread_sigmask"``, ``"sigprocmask"``, ``"sighold"`` (and the others of '
        'System V). ``"forked"``: the thread that forked this process had it so, since then.',
        "file": "The Python file that made the call; None: it was not Python, or that is not known. "
        "Of a long name the end.",
        "line": "The line there.",
        "library": "The library that made the call, where that was not Python; None: not known.",
        "mask": "The numbers of all signals that the thread has blocked from then on.",
        "time_ns": "When, in ns since 1970.",
        "monotonic_ns": "The same, as CLOCK_MONOTONIC.",
        "ordinal": "How many changes of this signal, of this kind of thread, there were before.",
    }
    _fields = tuple(__slots__)

    blocked: bool
    main: bool
    tid: int | None
    mask: frozenset[int]

    def _what(self) -> str:
        return "blocked" if self.blocked else "let in"


MaskChange.__module__ = "sigrec"
