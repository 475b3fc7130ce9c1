"""register() and Registration: which handler a signal has.

The OS-level disposition is taken once for a signal, however many registrations it
has, and given back, flags and mask and all, when the last one ends. Who is registered is
known to the core, where each change is made as a whole: see _core_registrations.pxi.
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

# A second Ctrl-C must reach a slow shutdown; a flood of anything else must not
# nest handlers until the stack is used up.
REENTRANT = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP})
DEPTH = 8


class Registration(_core.Block):
    """One handler on one signal, as made by :func:`register`. Ends at :meth:`cancel`.

    As a context manager it ends with the block. Registrations of one signal stack: when the
    newest ends, the one before it is in force again.
    """

    __slots__ = {  # noqa: RUF023 - as one reads them
        "signum": "The signal's number.",
        "handler": "What is called for it, as it was given.",
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
        """Whether it is registered: not cancelled yet."""
        return self._core_handler.active

    @property
    def intake(self) -> dict[str, int]:
        """What sigrec's thread has done for intake="thread": the signals of this number that it has
        taken, and not a handler ("taken"); how often they began to be its own ("switches"); the
        memory that waiting ones have now ("bytes"); and, for all signals, its pauses of
        moderation= ("naps"), and how often it interrupted a thread ("kicks")."""
        names = ("taken", "switches", "bytes", "naps", "kicks")
        return dict(zip(names, _core.count_intake(self.signum), strict=True))

    def cancel(self) -> None:
        """End this registration; a second call does nothing.

        If it was the signal's last, the disposition is again what it was before, flags and mask
        included (sigaction(2)), unless someone else has replaced ours: then theirs stays. What
        was delivered before is handled before this returns (called from inside the signal's own
        handler: what cannot be handled any more counts as ``abandoned``).

        Raises WrongThreadError (a ValueError) off the main thread, unless it is of the dispatcher
        thread; what a handler raises while the rest is handled; and SigrecError, the registration
        having ended, in a signal handler that would wait for one on the dispatcher thread that has
        not returned for five seconds, and in the main thread wherever signal.signal has a handler,
        which this may be. Then the rest is handled later. Elsewhere this waits for it.
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
    siginfo: call ``handler(signum, info, frame)`` instead, with a :class:`SignalInfo`, as
        sigaction(2) does with SA_SIGINFO; info is None where the signal's queue was full.
    batch: call ``handler(signum, events, frame)`` instead, with all that wait just then, 65,536 at
        most: an array as of :meth:`Stream.batches`, or a list of SignalInfo without NumPy. One
        whose detail was lost is there too: with monotonic_ns 0 in an array, None in a list.
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
    intake: "handler", or "thread": while the signal comes fast, a thread of sigrec's takes it, and
        the program is not interrupted for each. 20 ms after the last one it is the handler's
        again. A million wait with their siginfo. What the main thread blocks itself
        (pthread_sigmask) the thread does not take, and no handler of it runs until then.
    moderation: seconds; with intake="thread", a real-time signal that comes fast is taken so often
        at most, all that wait at once: more is less work for the program, and later.

    An exception from the handler surfaces where signal.signal's would; what is not handled yet
    is handled next. What handlers raise for the rest of what had been delivered to that signal does
    not surface as well: it is told on stderr, as a count.

    Raises ValueError, with nothing changed, for a signum that is not an int or not a signal that
    can be caught (SIGKILL, SIGSTOP, the C library's own), for a handler that is not callable,
    does not take these arguments, is an async def or has a yield in it, and for another bad argument; WrongThreadError (a ValueError too) off the main thread.
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
    """As register(), but nothing has changed yet: whoever is to know of the registration can be
    told before it is put in force."""
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
        DEPTH if reentrant else 1,
        thread,
        batch,
        moderation_ns,
        backlog,
    )
    return Registration(number, handler, core_handler)


def put_in_force(registrations: list[Registration], instead_of: Registration | None = None) -> None:
    """All of them, or none: one of the main thread, or any of the dispatcher thread. instead_of: one
    of the same signal, which ends in the same moment."""
    ours = tuple(registration._core_handler for registration in registrations)
    if ours[0].thread:
        from sigrec._handling import dispatcher

        dispatcher.start()
    if any(one.backlog for one in ours):
        intakes.start()
    capacity = publishing.start()
    before = None if instead_of is None else instead_of._core_handler
    try:
        _core.register(ours, capacity, before)
    except BaseException:
        # Nothing of it is in force; or all, and what a signal's handler raised came then.
        if before is None:
            _core.cancel(ours)
        raise


def end(registrations: list[Registration]) -> None:
    end_handlers(tuple(registration._core_handler for registration in registrations))


def end_handlers(ours: tuple[_core.Handler, ...]) -> None:
    if not _core.cancel(ours):
        _core.say_that_it_takes_long()


def unregister(signum: int) -> bool:
    """End every registration of the signal; False if it had none.

    Raises as :func:`register` does for a bad signum, and as :meth:`Registration.cancel`.
    """
    ours = _core.registered(catchable(signum))
    end_handlers(ours)
    return bool(ours)


def _propagating(exception: type[BaseException], handler: Handler) -> Handler:
    def call(*arguments: Any) -> Any:
        ours = (_core.thread_ident(), _core.dispatcher_ident())
        # Of all threads, those that threading knows nothing of too.
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
