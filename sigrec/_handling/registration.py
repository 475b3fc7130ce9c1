"""register(), Registration and SignalManager: which handler a signal has.

The OS-level disposition is taken once for a signal, however many registrations it
has, and given back, flags and mask and all, when the last one ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import MappingProxyType

from sigrec import _check, _core
from sigrec._errors import WrongThreadError
from sigrec._recorder import publishing
from sigrec._signals.names import SYNCHRONOUS, catchable

# The standard ones: sigrec.compat may put its own in their place.
_getsignal, _set_handler = signal.getsignal, signal.signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType, TracebackType
    from typing import Any

    from sigrec._signals.siginfo import SignalInfo

    PlainHandler = Callable[[int, FrameType | None], object]
    InfoHandler = Callable[[int, SignalInfo | None, FrameType | None], object]
    Handler = PlainHandler | InfoHandler

# A second Ctrl-C must reach a slow shutdown; a flood of anything else must not
# nest handlers until the stack is used up.
REENTRANT = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP})
DEPTH = 8


_UNTOUCHED = object()  # the Python-level handler was left alone: nothing to give back


class _Taken:
    """A signal that is ours: the Python-level handler to give back, and who is registered."""

    def __init__(self) -> None:
        self.before: object = _UNTOUCHED  # the Python-level handler that was there
        self.registrations: list[Registration] = []  # the last one is in force

    @property
    def is_ready_for_main(self) -> bool:
        """Whether CPython calls us when the signal comes."""
        return self.before is not _UNTOUCHED


_taken: dict[int, _Taken] = {}
# Registrations may come and go in any thread, and in handlers.
_lock = _core.Quiet(threading.RLock())


def _after_fork() -> None:
    global _lock
    _lock = _core.Quiet(threading.RLock())  # another thread may have held it


os.register_at_fork(after_in_child=_after_fork)


class Registration:
    """One handler on one signal, as made by :func:`register`. Ends at :meth:`cancel`.

    As a context manager it ends with the block. Registrations of one signal stack: when the
    newest ends, the one before it is in force again.
    """

    __slots__ = {  # noqa: RUF023 - as one reads them
        "signum": "The signal's number.",
        "handler": "What is called for it, as it was given.",
        "_core_handler": None,
        "_thread": None,
        "_active": None,
    }

    signum: int
    handler: Handler

    def __init__(
        self, signum: int, handler: Handler, core_handler: _core.Handler, thread: bool
    ) -> None:
        self.signum = signum
        self.handler = handler
        self._core_handler = core_handler
        self._thread = thread
        self._active = True

    @property
    def active(self) -> bool:
        """Whether it has not been cancelled."""
        return self._active

    def cancel(self) -> None:
        """End this registration; a second call does nothing.

        If it was the signal's last, the disposition is again what it was before, flags and mask
        included (sigaction(2)), unless someone else has replaced ours: then theirs stays. What
        was delivered before is handled before this returns (called from inside the signal's own
        handler: what cannot be handled any more counts as ``abandoned``).

        Raises WrongThreadError (a ValueError) off the main thread, unless it is of the dispatcher
        thread; and what a handler raises while the rest is handled.
        """
        with _lock:
            if not self._active:
                return
            if self._thread and len(_taken[self.signum].registrations) == 1:
                wait_until_taken(self.signum)
                if not self._active:  # a handler that ran meanwhile has ended it
                    return
            taken = _taken[self.signum]
            if len(taken.registrations) > 1:
                _take_off(self, taken)
                return
            errors = _give_back(self, taken)
        _finish(self.signum, self._thread, errors)

    def __enter__(self) -> Registration:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()

    def __repr__(self) -> str:
        state = "" if self._active else ", cancelled"
        return f"<Registration {_describe(self.signum)} -> {self.handler!r}{state}>"


def register(
    signum: int,
    handler: Handler,
    *,
    siginfo: bool = False,
    deliver: str = "main",
    reentrant: bool | None = None,
    coalesce: bool | None = None,
    propagate: type[BaseException] | None = None,
) -> Registration:
    """Call ``handler(signum, frame)``, once for each delivered signal, in the main thread.

    signum: an int or signal.Signals.
    siginfo: call ``handler(signum, info, frame)`` instead, with a :class:`SignalInfo`, as
        sigaction(2) does with SA_SIGINFO; info is None where the signal's queue was full.
    deliver: "main", or "thread": sigrec's one dispatcher thread calls the handler, with frame
        None, whatever the main thread is doing; an exception goes to threading.excepthook. Then
        register and cancel work from any thread, and signal.getsignal shows what it showed before.
    reentrant: whether the handler may be interrupted by its own signal, to a depth of 8. By
        default it is for SIGINT, SIGTERM, SIGQUIT and SIGHUP, as with signal.signal; another
        signal that comes while its handler runs waits its turn.
    coalesce: one call stands for all that are waiting. By default only for
        signal.default_int_handler, which raises each time, and with propagate.
    propagate: an exception class, KeyboardInterrupt say, that is raised in every other Python
        thread of the program too, before the handler is called: PyThreadState_SetAsyncExc(). It
        surfaces at that thread's next bytecode. So a loop of time.sleep(1) ends within a second,
        but a call that blocks for ever, as Event.wait() without a timeout, goes on; and it can
        surface anywhere, inside a ``finally`` too. A thread that does not catch it ends.

    An exception from the handler surfaces where signal.signal's would; what is not handled yet
    is handled next.

    Raises ValueError, with nothing changed, for a signum that is not an int or not a signal that
    can be caught (SIGKILL, SIGSTOP, the C library's own), for a handler that is not callable,
    and for another bad argument; WrongThreadError (a ValueError too) off the main thread.
    """
    number = catchable(signum)
    if not callable(handler):
        _check.bad("handler must be callable", handler)
    if not isinstance(deliver, str) or deliver not in ("main", "thread"):
        _check.bad('deliver must be "main" or "thread"', deliver)
    for name, value in (("reentrant", reentrant), ("coalesce", coalesce)):
        if value is not None and not isinstance(value, bool):
            _check.bad(f"{name} must be True, False or None", value)
    _check.flag("siginfo", siginfo)
    if propagate is not None and not (
        isinstance(propagate, type) and issubclass(propagate, BaseException)
    ):
        _check.bad("propagate must be an exception class", propagate)
    if reentrant is None:
        reentrant = number in REENTRANT
    if coalesce is None:
        coalesce = handler is signal.default_int_handler or propagate is not None
    thread = deliver == "thread"
    called = handler if propagate is None else _propagating(propagate, handler)
    core_handler = _core.Handler(number, called, siginfo, coalesce, DEPTH if reentrant else 1)
    registration = Registration(number, handler, core_handler, thread)

    if thread:
        from sigrec._handling import dispatcher

        dispatcher.start()
    else:
        _require_main_thread(number)
    with _lock:
        taken = _taken.get(number)
        if taken is not None and _core.in_place(number) and (thread or taken.is_ready_for_main):
            _core.set_handler(number, core_handler, thread)
        else:
            taken = _take(number, core_handler, taken, thread)
        taken.registrations.append(registration)
    return registration


def unregister(signum: int) -> bool:
    """End every registration of the signal; False if it had none.

    Raises as :func:`register` does for a bad signum, and as :meth:`Registration.cancel`.
    """
    number = catchable(signum)
    taken = _taken.get(number)
    registrations = [] if taken is None else list(taken.registrations)
    for registration in registrations:
        registration.cancel()
    return bool(registrations)


class SignalManager:
    """A set of registrations that end together; as a context manager, with the block.

    >>> import signal, sigrec
    >>> with sigrec.SignalManager() as manager:
    ...     registration = manager.register(signal.SIGUSR1, lambda signum, frame: print("got", signum))
    ...     signal.raise_signal(signal.SIGUSR1)
    got 10
    """

    def __init__(self) -> None:
        self._registrations: dict[int, list[Registration]] = {}

    def register(
        self,
        signum: int,
        handler: Handler,
        *,
        siginfo: bool = False,
        deliver: str = "main",
        reentrant: bool | None = None,
        coalesce: bool | None = None,
        propagate: type[BaseException] | None = None,
    ) -> Registration:
        """As :func:`sigrec.register`; raises ValueError for a signum that is not an int or
        not a signal that can be caught, and for a handler that is not callable."""
        registration = register(
            signum,
            handler,
            siginfo=siginfo,
            deliver=deliver,
            reentrant=reentrant,
            coalesce=coalesce,
            propagate=propagate,
        )
        self._registrations.setdefault(registration.signum, []).append(registration)
        return registration

    def unregister(self, signum: int) -> bool:
        """End this manager's registrations of the signal; False if it has none."""
        number = catchable(signum)
        registrations = self._live().get(number, [])
        for registration in reversed(registrations):
            registration.cancel()
        self._registrations.pop(number, None)
        return bool(registrations)

    @property
    def handlers(self) -> Mapping[int, Handler]:
        """This manager's handlers by signal number; read-only."""
        return MappingProxyType({n: r[-1].handler for n, r in self._live().items()})

    def close(self) -> None:
        """End all of this manager's registrations, the newest first."""
        for number in reversed(list(self._registrations)):
            self.unregister(number)

    def _live(self) -> dict[int, list[Registration]]:
        live = {n: [r for r in rs if r.active] for n, rs in self._registrations.items()}
        return {n: rs for n, rs in live.items() if rs}

    def __enter__(self) -> SignalManager:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SignalManager {', '.join(map(_describe, self.handlers)) or 'empty'}>"


def wait_until_taken(number: int) -> None:
    """Called off the main thread too, and what the process was sent before is perhaps still on
    its way to the main thread, which the kernel prefers: let it arrive while we handle it. Not for
    long: perhaps every thread blocks the signal."""
    if number in SYNCHRONOUS:  # a fault whose signal is blocked kills
        return
    # sigpending(2) shows what the calling thread blocks.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        for _ in range(50):
            if number not in signal.sigpending():
                break
            time.sleep(0.0002)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _propagating(exception: type[BaseException], handler: Handler) -> Handler:
    def call(*arguments: Any) -> object:
        from sigrec._handling import dispatcher

        ours = (threading.get_ident(), dispatcher.ident())
        # Of all threads, those that threading knows nothing of too.
        for ident in sys._current_frames():
            if ident not in ours:
                _core.raise_in_thread(ident, exception)
        return handler(*arguments)

    return call


def _describe(number: int) -> str:
    from sigrec._signals.names import name

    return name(number)


def _take(number: int, core_handler: _core.Handler, taken: _Taken | None, thread: bool) -> _Taken:
    """Take the OS-level disposition; `taken` is ours from before, if someone replaced it."""
    before = _getsignal(number)
    if taken is None or not _core.in_place(number):
        _core.prepare(number, publishing.start())
    take_over = None if thread else (lambda: _set_handler(number, _core.dispatch))
    _core.install(number, core_handler, take_over, thread)
    if taken is None:
        taken = _taken[number] = _Taken()
    if not thread:
        taken.before = before
    return taken


def _take_off(registration: Registration, taken: _Taken) -> None:
    """One of several; if it was in force, the one before is so again."""
    number = registration.signum
    in_force = taken.registrations[-1] is registration
    before = taken.registrations[-2]
    as_it_is = before._thread or taken.is_ready_for_main
    if in_force and not as_it_is:
        _require_main_thread(number)
    taken.registrations.remove(registration)
    registration._active = False
    if in_force and as_it_is:
        _core.set_handler(number, before._core_handler, before._thread)
    elif in_force:
        _take(number, before._core_handler, taken, False)


def _require_main_thread(number: int) -> None:
    if threading.current_thread() is not threading.main_thread():
        raise WrongThreadError(
            f"the handler of {_describe(number)} runs in the main thread and must be set there, "
            f"not in {threading.current_thread().name!r}"
        )


def _give_back(registration: Registration, taken: _Taken) -> list[BaseException]:
    """Ends the last one; returns what handlers raised that ran in there. (Those of the program that
    are not registered with us may: signal.signal() looks for signals first. And they may have
    cancelled it, or registered anew.)"""
    number = registration.signum
    if taken.is_ready_for_main:
        _require_main_thread(number)
    registration._active = False
    taken.registrations.remove(registration)
    errors: list[BaseException] = []

    def give_back() -> None:
        if not taken.is_ready_for_main:
            return
        # None: a C handler that Python knows nothing of; the core puts it back.
        before = signal.SIG_DFL if taken.before is None else taken.before
        while True:
            try:
                _set_handler(number, before)  # type: ignore[arg-type]
                return
            except BaseException as error:
                errors.append(error)

    _core.remove(number, give_back)
    if taken.registrations:
        newest = taken.registrations[-1]
        _take(number, newest._core_handler, taken, newest._thread)
    else:
        _taken.pop(number, None)
    return errors


def _finish(number: int, thread: bool, errors: list[BaseException]) -> None:
    """Handle what was delivered before the signal was given back, and forget the handler."""
    if thread:
        from sigrec._handling import dispatcher

        dispatcher.finish()
    while not thread:
        try:
            _core.drain_now(number, sys._getframe())
            break
        except BaseException as error:  # a handler's own; the rest is handled all the same
            errors.append(error)
    if number not in _taken:
        _core.forget(number)
    if errors:
        raise errors[0]


for _public in (Registration, SignalManager, register, unregister):
    _public.__module__ = "sigrec"
del _public
