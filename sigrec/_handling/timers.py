"""timer(): POSIX timers, of which every expiration is counted."""

from __future__ import annotations

import errno
import os
import signal
import time

from sigrec import _check, _core
from sigrec._errors import SigrecError
from sigrec._handling import dispatcher, handlers
from sigrec._handling import intake as intakes
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

LONGEST_S = 1 << 33  # what timer_settime(2) takes in nanoseconds, and a century more than enough


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
        self._before = _expirations(signum)
        self._ended: int | None = None

    @property
    def signum(self) -> int:
        """The number of the signal that it sends."""
        return self._signum

    @property
    def expirations(self) -> int:
        """How often it expired: for each signal once, and its ``si_overrun``, which is what the
        kernel counted while that signal was pending. Exact, however busy the process is; the
        expirations since the last signal was taken are counted with the next one, or, without a
        call of the handler, at :meth:`cancel`. In a forked child, where it does not run: 0."""
        return self._counted() if self._ended is None else self._ended

    def cancel(self) -> None:
        """Stop it, and give its signal back; a second call does nothing."""
        if self._ended is not None:
            return
        blocked = self._thread is not None and _is_pending_in(self._thread, self.signum)
        if blocked:
            self._by_clock = self._handle.expired()
        over = self._handle.end()
        self._ended = max(self._counted() + self._handle.taken, self._by_clock)
        if not over:
            _core.say_that_it_takes_long()

    def _counted(self) -> int:
        return _expirations(self.signum) - self._before if self._pid == os.getpid() else 0

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
    """A timer that expires every ``interval`` seconds, and calls ``handler(info)`` for each signal
    that it sends, on the dispatcher thread; ``info.si_overrun`` tells of how many more expirations.

    interval, first: seconds, to the nanosecond; first: to the first expiration (default: interval).
    signum: the signal that it sends; it must not be used for anything else. Default: a real-time
        signal that nothing handles.
    clock: of clock_gettime(2), as time.CLOCK_PROCESS_CPUTIME_ID.
    thread: the native id of the thread that shall take the signals; default: any.
    intake, moderation: as with register(); not with thread=, since then that thread takes them. What
        expires within moderation is one signal, whose si_overrun counts the others.

    Raises ValueError for a bad argument, SigrecError where no signal is free or the platform has no
    such timers, OSError for what else the kernel refuses (EPERM for a clock that may wake the
    machine, EAGAIN where RLIMIT_SIGPENDING leaves no room for 0.2 seconds).
    """
    interval_ns = _nanoseconds("interval", interval)
    first_ns = interval_ns if first is None else _nanoseconds("first", first)
    if handler is not None:
        handlers.check(handler, ("info",))
    # Of a process's or a thread's CPU time: a negative one, clock_getcpuclockid(3).
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
            if error.errno != errno.EINVAL:
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


def _is_pending_in(thread: int, signum: int) -> bool:
    """Whether it waits in this thread, which blocks it: proc_pid_status(5), SigPnd."""
    try:
        with open(f"/proc/self/task/{thread}/status", encoding="ascii", errors="replace") as file:
            pending = next((line for line in file if line.startswith("SigPnd:")), ":0")
    except OSError:  # it has ended
        return False
    return bool(int(pending.partition(":")[2], 16) >> (signum - 1) & 1)


def free_signal(remedy: str) -> int:
    """Another thread may be faster: see _core.Timer.begin()."""
    for number in range(signal.SIGRTMAX, signal.SIGRTMIN - 1, -1):
        if not _core.registered(number) and signal.getsignal(number) == signal.SIG_DFL:
            return number
    raise SigrecError(f"every real-time signal has a handler: {remedy}")


for _public in (Timer, timer):
    _public.__module__ = "sigrec"
del _public
