"""timer(): POSIX timers whose every expiration is counted."""

from __future__ import annotations

import errno
import os
import signal
import time

from sigrec import _check, _core
from sigrec._errors import SigrecError
from sigrec._handling import dispatcher, handlers
from sigrec._handling import intake as intakes
from sigrec._proc.status import is_pending_in
from sigrec._recorder import publishing
from sigrec._recorder.own import stats
from sigrec._signals.names import catchable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Literal

    from sigrec._handling.handlers import Returned
    from sigrec._signals.siginfo import SignalInfo

LONGEST_S = 1 << 33  # some 270 years, which timer_settime(2) still accepts


class Timer(_core.Block):
    """A POSIX timer (timer_create(2)) that runs until :meth:`cancel`, as made by :func:`timer`.

    As a context manager it ends with the block.
    """

    def __init__(self, signum: int, thread: int | None) -> None:
        self._signum = signum
        self._handle = _core.Timer()
        self._thread = thread
        self._by_clock = 0
        self._pid = os.getpid()
        self._expirations_before = _expirations(signum)
        self._ended: int | None = None

    @property
    def signum(self) -> int:
        """The number of the signal that the timer sends."""
        return self._signum

    @property
    def expirations(self) -> int:
        """How often the timer has expired: once for each signal, and ``si_overrun`` more often,
        which the kernel has counted while that signal was pending. This is exact, however busy the
        process is. Expirations since the last signal are counted with the next signal, or at
        :meth:`cancel`, without a call of the handler; Linux may discard one that comes within
        that call. It is 0 in a forked child, where the timer does not run."""
        return self._counted() if self._ended is None else self._ended

    def cancel(self) -> None:
        """Stop the timer, and give its signal back; a second call does nothing."""
        if self._ended is not None:
            return
        blocked = self._thread is not None and is_pending_in(self._thread, self.signum)
        if blocked:
            self._by_clock = self._handle.expired()
        over = self._handle.end()
        self._ended = max(self._counted() + self._handle.taken, self._by_clock)
        if not over:
            _core.say_that_it_takes_long()

    def _counted(self) -> int:
        return (
            _expirations(self.signum) - self._expirations_before if self._pid == os.getpid() else 0
        )

    _leave = cancel

    def __repr__(self) -> str:
        from sigrec._signals.names import name

        state = "" if self._ended is None else ", cancelled"
        return f"<Timer of {name(self.signum)}: {self.expirations} expirations{state}>"


def timer(
    interval: float,
    handler: Callable[[SignalInfo | None], Returned] | None = None,
    *,
    first: float | None = None,
    signum: int | None = None,
    clock: int = time.CLOCK_MONOTONIC,
    thread: int | None = None,
    value: int = 0,
    intake: Literal["handler", "thread"] = "handler",
    moderation: float = 0.001,
) -> Timer:
    """Start a timer that expires every ``interval`` seconds. For each signal that it sends,
    ``handler(info)`` is called on the dispatcher thread; ``info.si_overrun`` tells how many more
    expirations the signal stands for.

    interval, first: seconds, to the nanosecond; first: until the first expiration (default:
        interval). With an interval of a few microseconds the thread that takes the signals does
        nothing else, as with any timer.
    signum: the signal that the timer sends, which must not be used for anything else. Default: a
        real-time signal that nothing handles.
    clock: one of clock_gettime(2), such as time.CLOCK_PROCESS_CPUTIME_ID.
    thread: the native id of the thread that is to take the signals; default: any thread.
    intake, moderation: as in register(); not together with thread=, whose thread takes the signals.
        Expirations within the time of moderation are one signal, whose si_overrun counts the
        others.

    Raises ValueError for a bad argument; SigrecError if no signal is free, or the platform has no
    such timers; and OSError if the kernel refuses it for another reason (EPERM for a clock that may
    wake the machine, EAGAIN if RLIMIT_SIGPENDING leaves no room for 0.2 seconds).
    """
    interval_ns = _nanoseconds("interval", interval)
    first_ns = interval_ns if first is None else _nanoseconds("first", first)
    if handler is not None:
        handlers.check(handler, ("info",))
    # The clock of the CPU time of a process or a thread is a negative number:
    # clock_getcpuclockid(3).
    _check.integer("clock must be a clock's number", clock, -(1 << 31), _check.INT_MAX)
    if thread is not None:
        is_thread = "thread must be the native id of a thread of this process"
        _check.integer(is_thread, thread, 1, _check.INT_MAX)
        if os.path.isdir("/proc/self/task") and not os.path.isdir(f"/proc/self/task/{int(thread)}"):
            _check.bad(is_thread, thread)
    _check.integer("value must be an int of 64 bits, signed", value, -(1 << 63), (1 << 63) - 1)
    if signum is not None:
        catchable(signum)
    moderation_ns, backlog = intakes.asked(intake, moderation)
    if backlog and thread is not None:
        raise ValueError('the thread of thread= takes the signals: without intake="thread"')

    def call(signum: int, info: SignalInfo | None, frame: FrameType | None) -> None:
        if handler is not None:
            handler(info)

    dispatcher.start()
    if backlog:
        intakes.start()
    capacity = publishing.start()
    while True:
        number = free_signal("name the timer's by signum=") if signum is None else int(signum)
        made = Timer(number, thread)
        core_handler = _core.Handler(
            number, call, True, False, 1, True, False, moderation_ns, backlog
        )
        try:
            begun = made._handle.begin(
                core_handler, clock, thread or 0, value, first_ns, interval_ns, capacity
            )
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # the latter: no alarm clock
                raise
            raise ValueError(
                f"there is no timer of clock {clock}"
                + ("" if thread is None else f" for thread {thread}")
                + " here: timer_create(2)"
            ) from None
        if begun:
            return made
        if signum is not None and _core.is_timed(number):
            raise ValueError(f"signal {number} is another timer's")
        if signum is not None:
            raise ValueError(f"signal {number} is registered: a timer needs one of its own")


def _expirations(signum: int) -> int:
    ledger = stats()
    return ledger[signum].delivered + ledger[signum].overruns if signum in ledger else 0


def _nanoseconds(what: str, seconds: float) -> int:
    must_be = f"{what} must be from a nanosecond to {LONGEST_S} seconds"
    return round(_check.seconds(must_be, seconds, 1e-9, LONGEST_S) * 1e9)


def free_signal(remedy: str) -> int:
    """A real-time signal that nothing handles.
    Another thread may take it first: see _core.Timer.begin()."""
    for number in range(signal.SIGRTMAX, signal.SIGRTMIN - 1, -1):
        if not _core.registered(number) and signal.getsignal(number) == signal.SIG_DFL:
            return number
    raise SigrecError(f"every real-time signal has a handler: {remedy}")


for _public in (Timer, timer):
    _public.__module__ = "sigrec"
del _public
