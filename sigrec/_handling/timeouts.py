"""timeout(): a block of the main thread that may not take longer than so many seconds."""

from __future__ import annotations

from sigrec import _check, _core
from sigrec._handling.registration import register
from sigrec._handling.timers import LONGEST_S, free_signal


class Timeout(_core.Timeout):
    """The time of a ``with`` block, as made by :func:`timeout`."""

    __slots__ = ()


# One signal for all of them, however deep they nest; it stays taken after the first.


def timeout(seconds: float) -> Timeout:
    """A context manager whose block is ended by TimeoutError when it takes longer::

        with sigrec.timeout(5):
            answer = slow()

    seconds: from the entry of the block, 0 to 2**33, to the nanosecond, by CLOCK_MONOTONIC.

    It works in the main thread, where Python's signal handlers run, whatever that waits for, and
    ends a call into C only when that returns or gives EINTR (PEP 475). Timeouts nest, in any
    order of their ends. Its signal is a real-time signal that nothing else handled: SIGALRM, which
    has one user in a process, stays free for the program. One POSIX timer (timer_create(2)) serves
    all of them.

    Inside the block the end is an exception that is no Exception, so that ``except Exception`` or
    ``except OSError`` there does not take it for its own; who catches it there nevertheless is not
    interrupted a second time. In a coroutine use asyncio.timeout(), which ends an await. A forked
    child goes on with its parent's blocks, and without their timeouts.

    Raises ValueError for what is no such number. ``with`` raises WrongThreadError outside the main
    thread, SigrecError where no real-time signal is free or the platform has no timers, or for a
    second entry, and OSError (EAGAIN) where RLIMIT_SIGPENDING leaves no room for 0.2 seconds.
    """
    must_be = f"seconds must be from 0 to {LONGEST_S}"
    return Timeout(_check.seconds(must_be, seconds, 0, LONGEST_S))


def _take_signal() -> int:
    import atexit

    number = free_signal("a timeout needs one")
    register(number, _core.on_alarm, coalesce=True)
    atexit.register(_core.stop_alarm)
    return number


_core.start_timeouts(_take_signal)
for _public in (Timeout, timeout):
    _public.__module__ = "sigrec"
del _public
