"""timeout(): ends a block of the main thread that takes longer than so many seconds."""

from __future__ import annotations

from sigrec import _check, _core
from sigrec._handling.registration import register
from sigrec._handling.timers import LONGEST_S, free_signal


class Timeout(_core.Timeout):
    """The time limit of a ``with`` block, as made by :func:`timeout`."""

    __slots__ = ()


# All timeouts use one signal, however deep they nest. It stays taken after the first of them.


def timeout(seconds: float) -> Timeout:
    """A context manager whose block is ended by TimeoutError when it takes longer::

        with sigrec.timeout(5):
            answer = slow()

    seconds: the limit, from 0 to 2**33, counted to the nanosecond from the entry of the block on,
        by CLOCK_MONOTONIC.

    It works in the main thread, where Python's signal handlers run, whatever that waits for. It can
    end a call into C only when that returns, or when it is interrupted (PEP 475). Timeouts nest,
    whichever of them ends first. The signal that it uses is a real-time signal that nothing else
    handles: SIGALRM, which only one user in a process can have, stays free for the program. All
    timeouts together use one POSIX timer (timer_create(2)).

    Inside the block the exception is none that ``except Exception`` or ``except OSError`` would
    catch by mistake; code that catches it there nevertheless is not interrupted a second time. Where
    Python only prints an exception, as in ``__del__`` and weakref callbacks, it is raised again. In a
    coroutine use asyncio.timeout(), which can end an await. In a forked child the parent's blocks
    go on without their timeouts.

    Raises ValueError if ``seconds`` is no such number. The ``with`` statement raises
    WrongThreadError outside the main thread; SigrecError if no real-time signal is free, if the
    platform has no timers, or at a second entry; and OSError (EAGAIN) if RLIMIT_SIGPENDING leaves
    no room for 0.2 seconds.
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
