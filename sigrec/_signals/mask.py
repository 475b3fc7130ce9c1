"""MaskChange: a thread blocked or unblocked a signal; when, and by which call."""

from __future__ import annotations

from sigrec._signals.change import Change


class MaskChange(Change):
    """One change of what a thread of a recorded process has blocked."""

    __slots__ = {  # noqa: RUF023 - as one reads them
        "si_signo": "The signal's number; 0: nearly all signals at once, as around a fork.",
        "signal_name": 'The signal\'s name, as ``"SIGTERM"``; ``"all signals"``.',
        "blocked": "Whether it is blocked from then on.",
        "main_thread": "Whether the thread is the process's main thread.",
        "tid": "The native id of the thread; None: not known.",
        "how": 'The call that changed it: ``"pthread_sigmask"``, ``"sigprocmask"``, ``"sighold"`` (or '
        'another call of System V). ``"forked"``: the thread that forked this process had changed it, at '
        "the time and place that are given.",
        "file": "The Python file that made the call, or the end of a long name; None: the call was not "
        "made by Python code, or the file is not known.",
        "line": "The line in that file.",
        "library": "The library that made the call, where Python code did not; None: not known.",
        "mask": "The numbers of all signals that the thread has blocked from then on.",
        "time_ns": "When it was changed, in ns since 1970.",
        "monotonic_ns": "When it was changed, by CLOCK_MONOTONIC.",
        "ordinal": "How many changes of this signal there were before, in the main thread or, for any "
        "other thread, in all others.",
    }
    _fields = tuple(__slots__)

    blocked: bool
    main_thread: bool
    tid: int | None
    mask: frozenset[int]

    def _what(self) -> str:
        return "blocked" if self.blocked else "unblocked"


MaskChange.__module__ = "sigrec"
