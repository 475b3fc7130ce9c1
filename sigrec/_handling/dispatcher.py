"""The dispatcher thread: calls the handlers of ``deliver="thread"``, whatever the main thread does.

A process has one, which is started when it is first needed. The core makes it a real thread, also
where gevent or eventlet have replaced the standard library's threads by green ones. It sleeps in
futex(2) until a signal handler wakes it, and blocks all signals itself.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from os import getpid  # also where a program has put something else in the place of os.getpid

from sigrec import _core
from sigrec._errors import SigrecError
from sigrec._recorder import publishing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

LOOK_NS = 3_600_000_000_000  # it wakes up once an hour, also if there is nothing to do
HANDLER_END_S = 5.0  # how long the interpreter's end waits for a handler that does not return

_hooked = False


def start() -> None:
    """Makes sure that the thread runs."""
    global _hooked
    if not _core.can_wake():
        raise SigrecError('deliver="thread" needs Linux: futex(2)')
    publishing.start()
    if not _hooked:
        import atexit

        atexit.register(_end_thread)
        os.register_at_fork(after_in_child=_after_fork)
        _hooked = True
    _core.start_dispatcher(_run_thread)


def _begin_thread() -> None:
    """Does what threading does at the start of a thread; to it, other code has started this."""
    try:
        threading.current_thread().name = "sigrec-dispatcher"
    finally:
        trace, profile = threading.gettrace(), threading.getprofile()
        if trace is not None:
            sys.settrace(trace)
        if profile is not None:
            sys.setprofile(profile)


def _run_thread(first: bool, pid: int) -> None:
    """The thread, of that process. If an exception leaves this (of a trace function, or of an
    excepthook), the core reports it, and calls this again."""
    if first:
        _begin_thread()
    more: dict[int, int] = {}  # by signal, how many exceptions followed the first of a backlog
    goes_on = True
    while True:
        try:
            goes_on = _core.dispatch_in_thread(LOOK_NS)
        except BaseException as error:
            if getpid() != pid:
                _end_child(error)
            signum = _core.failed_signal()
            if signum in more:
                more[signum] += 1
            else:
                more[signum] = 0
                _report_exception(error)
            if not _core.is_thread_idle():
                continue
        if more:
            if any(more.values()):
                _core.tell(sum(more.values()))
            more.clear()
        if not goes_on:
            if getpid() != pid:
                _end_child(None)
            return


def _end_child(error: BaseException | None) -> NoReturn:
    """Ends a child that a handler has forked, and whose only line of execution has now left that
    handler: there is no main thread to go on with, but a dispatcher thread, which would keep the
    process for ever. Its own threads are waited for, as at any exit."""
    status = 1
    try:
        if isinstance(error, SystemExit):
            if error.code is None or isinstance(error.code, int):
                status = (error.code or 0) & 0xFF
            else:
                print(error.code, file=sys.stderr)
        elif error is not None:
            _report_exception(error)
        else:
            status = 0
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, OSError, ValueError):  # it is None, or closed
                stream.flush()
    except BaseException as its_own:
        status = status or 1
        _report_exception(its_own)
    finally:
        os._exit(status)


def _report_exception(error: BaseException) -> None:
    """Reports an exception as threading does for a thread
    that ends by it; but this thread goes on."""
    arguments = threading.ExceptHookArgs(
        (type(error), error, error.__traceback__, threading.current_thread())
    )
    try:
        threading.excepthook(arguments)
    except BaseException as its_own:
        sys.excepthook(type(its_own), its_own, its_own.__traceback__)


def _end_thread() -> None:
    """At exit: handles what was delivered, and ends the thread before the interpreter ends."""
    _core.end_dispatcher(HANDLER_END_S)


def _after_fork() -> None:
    """Starts the thread in the child, too; but the child
    makes a recording only when a signal comes."""
    if _core.has_thread_handlers():
        _core.start_dispatcher(_run_thread)
