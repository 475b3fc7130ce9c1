"""The dispatcher thread: calls the handlers of ``deliver="thread"``, whatever the main thread does.

One for the process, started when it is first needed: a real thread, by the core, even where gevent
or eventlet have put green threads in the place of the standard library's. It sleeps in futex(2)
until a signal handler wakes it, and takes no signals itself.
"""

from __future__ import annotations

import os
import sys
import threading

from sigrec import _core
from sigrec._errors import SigrecError
from sigrec._recorder import publishing

LOOK_NS = 3_600_000_000_000  # with nothing to do it looks once an hour
END_S = 5.0  # what a handler that does not return can hold up the end of the interpreter

_hooked = False


def start() -> None:
    """Make sure that it runs."""
    global _hooked
    if not _core.can_wake():
        raise SigrecError('deliver="thread" needs Linux: futex(2)')
    publishing.start()
    if not _hooked:
        import atexit

        atexit.register(_end)
        os.register_at_fork(after_in_child=_after_fork)
        _hooked = True
    _core.start_dispatcher(_run)


def _run() -> None:
    # threading knows it as a thread of somebody else's, as it is.
    threading.current_thread().name = "sigrec-dispatcher"
    trace, profile = threading.gettrace(), threading.getprofile()
    if trace is not None:
        sys.settrace(trace)
    if profile is not None:
        sys.setprofile(profile)
    more: dict[int, int] = {}  # exceptions of the same backlog, by signal, after the first
    goes_on = True
    while True:
        try:
            goes_on = _core.dispatch_in_thread(LOOK_NS)
        except BaseException as error:
            signum = _core.failed_signal()
            if signum in more:
                more[signum] += 1
            else:
                more[signum] = 0
                _report(error)
            if not _core.is_thread_idle():
                continue
        if more:
            if any(more.values()):
                _core.tell(sum(more.values()))
            more.clear()
        if not goes_on:
            return


def _report(error: BaseException) -> None:
    """As threading does for a thread that ends by it; but this one goes on."""
    arguments = threading.ExceptHookArgs(
        (type(error), error, error.__traceback__, threading.current_thread())
    )
    try:
        threading.excepthook(arguments)
    except BaseException as its_own:
        sys.excepthook(type(its_own), its_own, its_own.__traceback__)


def _end() -> None:
    """At exit: handle what was delivered, and end before the interpreter does."""
    _core.end_dispatcher(END_S)


def _after_fork() -> None:
    """The thread was the parent's; the child has a recording only when it gets work."""
    if _core.has_thread_handlers():
        _core.start_dispatcher(_run)
