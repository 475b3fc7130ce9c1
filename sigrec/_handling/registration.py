"""register() and Registration: set the handler of a signal.

The disposition is set once for a signal, however many registrations it has, and restored with its
flags and mask when the last one ends. The core knows which handlers are registered, and makes each
change as a whole: see _core_registrations.pxi.
"""

from __future__ import annotations

import signal
import sys

from sigrec import _check, _core
from sigrec._handling import handlers
from sigrec._handling import intake as intakes
from sigrec._recorder import publishing
from sigrec._signals.names import catchable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, Unpack, overload

    from sigrec._handling.handlers import BatchHandler, Handler, InfoHandler, Options, PlainHandler

# A second Ctrl-C must reach a program that is slow to shut down. A flood of any other signal must
# not nest handlers until the stack is used up.
REENTRANT = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP})
REENTRANT_DEPTH = 8


class Registration(_core.Block):
    """One handler of one signal, as made by :func:`register`. It ends at :meth:`cancel`.

    As a context manager it ends with the block. A signal can have several registrations, of which
    the newest is in force; when that ends, the one before it is in force again.
    """

    __slots__ = {  # noqa: RUF023 - as one reads them
        "signum": "The signal's number.",
        "handler": "The handler that was passed to register().",
        "_core_handler": None,
    }

    signum: int
    handler: Handler

    def __init__(self, signum: int, handler: Handler, core_handler: _core.Handler) -> None:
        self.signum = signum
        self.handler = handler
        self._core_handler = core_handler

    @property
    def active(self) -> bool:
        """Whether it has not been cancelled yet."""
        return self._core_handler.active

    @property
    def intake(self) -> dict[str, int]:
        """What sigrec's intake thread has done, with intake="thread". For this signal: how many
        signals the thread has taken instead of the handler ("taken"), how often it began to take
        them ("switches"), and how much memory those that wait have now ("bytes"). For all signals
        together: how often it paused for moderation= ("naps"), and how often it interrupted a
        thread ("kicks").
        """
        names = ("taken", "switches", "bytes", "naps", "kicks")
        return dict(zip(names, _core.count_intake(self.signum), strict=True))

    def cancel(self) -> None:
        """End this registration; a second call does nothing.

        If it was the signal's last one, the disposition is again what it was before, with its flags
        and mask (sigaction(2)), unless another handler has replaced ours: that one stays. Signals
        that were delivered before are handled before this returns. If this is called within the
        signal's own handler, those that cannot be handled any more count as ``abandoned``.

        Raises WrongThreadError (a ValueError) outside the main thread, unless the handler runs on
        the dispatcher thread. Raises what handlers raise for the signals that were left. Waits
        until the dispatcher thread has handled its signals; but if a handler has not returned there
        for five seconds, and this is called in a signal handler, or in the main thread while
        ``signal.signal`` has a handler, which this might be, it raises SigrecError instead: the
        registration has ended then, too, and the rest is handled later.
        """
        end([self])

    _leave = cancel

    def __repr__(self) -> str:
        state = "" if self.active else ", cancelled"
        return f"<Registration {_describe(self.signum)} -> {self.handler!r}{state}>"


if TYPE_CHECKING:

    @overload
    def register(
        signum: int,
        handler: PlainHandler,
        *,
        siginfo: Literal[False] = False,
        **options: Unpack[Options],
    ) -> Registration: ...
    @overload
    def register(
        signum: int,
        handler: InfoHandler,
        *,
        siginfo: Literal[True],
        **options: Unpack[Options],
    ) -> Registration: ...
    @overload
    def register(
        signum: int,
        handler: BatchHandler,
        *,
        batch: Literal[True],
        **options: Unpack[Options],
    ) -> Registration: ...


def register(
    signum: int,
    handler: Handler,
    *,
    siginfo: bool = False,
    batch: bool = False,
    deliver: Literal["main", "thread"] = "main",
    reentrant: bool | None = None,
    coalesce: bool | None = None,
    propagate: type[BaseException] | None = None,
    intake: Literal["handler", "thread"] = "handler",
    moderation: float = 0.001,
) -> Registration:
    """Call ``handler(signum, frame)``, once for each delivered signal, in the main thread.

    signum: an int or signal.Signals.
    siginfo: whether to call ``handler(signum, info, frame)`` instead, with a :class:`SignalInfo`,
        as sigaction(2) does with SA_SIGINFO; info is None if the signal's queue was full.
    batch: whether to call ``handler(signum, events, frame)`` instead, with all events that wait at
        that moment, 65,536 at most: an array like that of :meth:`Stream.batches`, or a list of
        SignalInfo if NumPy is not installed. A signal whose detail was lost is among them, too:
        with monotonic_ns 0 in an array, as None in a list.
    deliver: "main", or "thread": sigrec's dispatcher thread calls the handler, with None as the
        frame, whatever the main thread is doing; an exception goes to threading.excepthook. Then
        register() and cancel() work in any thread, and signal.getsignal() shows what it showed
        before.
    reentrant: whether the handler may be interrupted by its own signal, to a depth of 8. By default
        this is so for SIGINT, SIGTERM, SIGQUIT and SIGHUP, as with signal.signal; any other signal
        that comes while its handler runs waits for its turn.
    coalesce: whether one call stands for all signals that wait. By default this is so only with
        propagate, and for signal.default_int_handler, which raises at each call.
    propagate: an exception class, for instance KeyboardInterrupt, that is raised in every other
        Python thread of the program, too, before the handler is called
        (PyThreadState_SetAsyncExc()). It surfaces at the thread's next bytecode: a loop of
        time.sleep(1) ends within a second, but a call that blocks for ever, such as Event.wait()
        without a timeout, goes on. It can surface anywhere, also inside a ``finally``. A thread
        that does not catch it ends.
    intake: "handler", or "thread": while the signal comes fast, sigrec's intake thread takes it, so
        that it does not interrupt the program each time. 20 ms after the last one the handler takes
        the signal again. A million signals can wait with their siginfo. While the main thread
        itself blocks the signal (pthread_sigmask), the intake thread does not take it, and no
        handler runs for it.
    moderation: seconds. With intake="thread", a real-time signal that comes fast is taken at most
        once in this time, and then all that wait are. A longer time is less work for the program,
        and the handler runs later.

    An exception from the handler surfaces where one of a signal.signal handler would, and what is
    not handled yet is handled next. If handlers raise again for signals of that number that had
    been delivered before, these exceptions do not surface: how many there were is reported on
    stderr.

    Raises ValueError, with nothing changed, for a signum that is no int or no signal that can be
    caught (SIGKILL, SIGSTOP, those of the C library), for a handler that is not callable, does not
    take these arguments, is an ``async def`` or has a yield in it, and for another bad argument;
    and WrongThreadError (a ValueError too) outside the main thread.
    """
    registration = prepared(
        signum,
        handler,
        siginfo=siginfo,
        batch=batch,
        deliver=deliver,
        reentrant=reentrant,
        coalesce=coalesce,
        propagate=propagate,
        intake=intake,
        moderation=moderation,
    )
    put_in_force([registration])
    return registration


def prepared(
    signum: int,
    handler: Handler,
    *,
    siginfo: bool = False,
    batch: bool = False,
    deliver: Literal["main", "thread"] = "main",
    reentrant: bool | None = None,
    coalesce: bool | None = None,
    propagate: type[BaseException] | None = None,
    intake: Literal["handler", "thread"] = "handler",
    moderation: float = 0.001,
) -> Registration:
    """Makes what register() returns,
    but does not put it in force yet, so that the caller can keep it somewhere first."""
    number = catchable(signum)
    if not isinstance(deliver, str) or deliver not in ("main", "thread"):
        _check.bad('deliver must be "main" or "thread"', deliver)
    for name, value in (("reentrant", reentrant), ("coalesce", coalesce)):
        if value is not None and not isinstance(value, bool):
            _check.bad(f"{name} must be True, False or None", value)
    moderation_ns, backlog = intakes.asked(intake, moderation)
    _check.flag("siginfo", siginfo)
    if _check.flag("batch", batch) and (siginfo or coalesce):
        raise ValueError(
            "batch=True hands out all that wait, with their siginfo: without siginfo= and coalesce="
        )
    handlers.check_form(handler, siginfo, batch)
    if handler is _core.dispatch:
        raise ValueError(
            "signal.getsignal() shows sigrec's own handler, which stands for those that are "
            "registered: it cannot be one of them"
        )
    if propagate is not None and not (
        isinstance(propagate, type) and issubclass(propagate, BaseException)
    ):
        _check.bad("propagate must be an exception class", propagate)
    if reentrant is None:
        reentrant = number in REENTRANT
    if coalesce is None:
        coalesce = not batch and (handler is signal.default_int_handler or propagate is not None)
    thread = deliver == "thread"
    if batch:
        from sigrec._handling import batches

        batches.start()
    called = handler if propagate is None else _propagating(propagate, handler)
    core_handler = _core.Handler(
        number,
        called,
        siginfo,
        coalesce,
        REENTRANT_DEPTH if reentrant else 1,
        thread,
        batch,
        moderation_ns,
        backlog,
    )
    return Registration(number, handler, core_handler)


def put_in_force(registrations: list[Registration], instead_of: Registration | None = None) -> None:
    """Puts these registrations in force, all of them or none: one for the main thread, or any
    number for the dispatcher thread. instead_of: a registration of the same signal, which ends at
    the same moment."""
    ours = tuple(registration._core_handler for registration in registrations)
    if ours[0].thread:
        from sigrec._handling import dispatcher

        dispatcher.start()
    if any(handler.backlog for handler in ours):
        intakes.start()
    capacity = publishing.start()
    before = None if instead_of is None else instead_of._core_handler
    try:
        _core.register(ours, capacity, before)
    except BaseException:
        # Either nothing is in force, or all is, and this
        # exception is one that a handler has raised.
        if before is None:
            _core.cancel(ours)
        raise


def end(registrations: list[Registration]) -> None:
    end_handlers(tuple(registration._core_handler for registration in registrations))


def end_handlers(ours: tuple[_core.Handler, ...]) -> None:
    if not _core.cancel(ours):
        _core.say_that_it_takes_long()


def unregister(signum: int) -> bool:
    """End every registration of the signal. Returns False if it had none.

    Raises what :func:`register` raises for a bad signum, and what :meth:`Registration.cancel`
    raises.
    """
    ours = _core.registered(catchable(signum))
    end_handlers(ours)
    return bool(ours)


def _propagating(exception: type[BaseException], handler: Handler) -> Handler:
    def call(*arguments: Any) -> Any:
        ours = (_core.thread_ident(), _core.dispatcher_ident())
        # Of all threads, also those that threading does not know.
        for ident in sys._current_frames():
            if ident not in ours:
                _core.raise_in_thread(ident, exception)
        return handler(*arguments)

    return call


def _describe(number: int) -> str:
    from sigrec._signals.names import name

    return name(number)


for _public in (Registration, register, unregister):
    _public.__module__ = "sigrec"
del _public
