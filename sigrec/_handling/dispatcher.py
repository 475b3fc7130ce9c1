"""The dispatcher thread: calls the handlers of ``deliver="thread"``, whatever the main thread does.

One for the process, started when it is first needed. It sleeps in futex(2) until a signal
handler wakes it, and takes no signals itself.
"""

from __future__ import annotations

import os
import signal
import threading

from sigrec import _core
from sigrec._errors import SigrecError
from sigrec._recorder import publishing
from sigrec._signals.names import SYNCHRONOUS

LOOK_NS = 3_600_000_000_000  # with nothing to do it looks once an hour
END_S = 5.0  # what a handler that does not return can hold up the end of the interpreter

_lock = threading.Lock()
_thread: threading.Thread | None = None
_hooked = False
_stop = False
_round = threading.Condition()  # guards _rounds
_rounds = 0  # drains that have ended


def start() -> None:
    """Make sure that it runs."""
    if not _core.can_wake():
        raise SigrecError('deliver="thread" needs Linux: futex(2)')
    publishing.start()
    _start()


def _start() -> None:
    global _thread, _hooked, _stop
    with _lock:
        if not _hooked:
            import atexit

            atexit.register(_end)
            os.register_at_fork(after_in_child=_after_fork)
            _hooked = True
        if _thread is not None and _thread.is_alive():
            return
        _stop = False
        _thread = threading.Thread(target=_run, name="sigrec-dispatcher", daemon=True)
        # It inherits this mask: the kernel gives signals to threads that can run Python for them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ASYNCHRONOUS)
        try:
            _thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


_ASYNCHRONOUS = signal.valid_signals() - SYNCHRONOUS


def ident() -> int | None:
    """Of the thread; None where there is none."""
    return None if _thread is None else _thread.ident


def is_current() -> bool:
    return threading.current_thread() is _thread


def finish() -> None:
    """What was delivered before is handled when this returns (called from a handler in the
    dispatcher thread itself: what cannot be handled any more is left)."""
    thread = _thread
    if thread is None or not thread.is_alive() or is_current():
        return
    with _round:
        # The drain that is under way may have looked already: that, and one more.
        wanted = _rounds + 2
        while _rounds < wanted and thread.is_alive():
            _core.wake()
            _round.wait(0.05)


def _run() -> None:
    global _rounds
    while True:
        stop = _stop  # before the last look
        try:
            _core.dispatch_in_thread(0 if stop else LOOK_NS)
        except BaseException as error:
            _report(error)
        with _round:
            _rounds += 1
            _round.notify_all()
        if stop or not is_current():  # a handler forked, and this is the child
            return


def _report(error: BaseException) -> None:
    """As threading does for a thread that ends by it; but this one goes on."""
    import sys

    arguments = threading.ExceptHookArgs(
        (type(error), error, error.__traceback__, threading.current_thread())
    )
    try:
        threading.excepthook(arguments)
    except BaseException as its_own:
        sys.excepthook(type(its_own), its_own, its_own.__traceback__)


def _end() -> None:
    """At exit: handle what was delivered, and end before the interpreter does."""
    global _stop
    thread = _thread
    if thread is None or not thread.is_alive():
        return
    _stop = True
    _core.wake()
    thread.join(END_S)


def _after_fork() -> None:
    """The thread was the parent's; the child has a recording only when it gets work."""
    global _lock, _round, _thread
    _lock, _round = threading.Lock(), threading.Condition()
    _thread = None
    if _core.has_thread_handlers():
        _start()
