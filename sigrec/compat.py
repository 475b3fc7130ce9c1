"""A ``signal`` module that calls a handler for each delivery: ``import sigrec.compat as signal``.

Everything in it is the standard library's, except for two functions: :func:`signal` registers the
handler with sigrec, and :func:`getsignal` knows of it. As in the standard module, a handler may be
interrupted by its own signal, here to a depth of 8, and several Ctrl-C that wait together are one
KeyboardInterrupt. For any other signal the handler is called once for each. :func:`install` puts
both functions into the standard module, for programs and libraries that import that.

After ``set_intake("thread")``, a thread takes a signal that comes fast for the handlers that are
set from then on, as with sigrec.register().

Two things differ. The descriptor of ``set_wakeup_fd`` gets a byte whenever there is something to
handle, and not one for each signal of a burst. Setting a handler that could not be called, or that
would not run (an async def), raises ValueError.
"""

from __future__ import annotations

import signal as _standard

from sigrec import _core
from sigrec._handling import intake as intakes
from sigrec._handling.registration import prepared, put_in_force
from sigrec._signals.names import catchable

TYPE_CHECKING = False
if not TYPE_CHECKING:  # mypy takes the first of two with one name: see the end
    from signal import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary]
else:
    from typing import Literal, TypedDict

    from sigrec._handling.handlers import PlainHandler
    from sigrec._handling.registration import Registration

    class Intake(TypedDict):
        intake: Literal["handler", "thread"]
        moderation: float

    _Handler = PlainHandler | int | _standard.Handlers | None

_standard_signal = _standard.signal
_standard_getsignal = _standard.getsignal
# For each signal the registration that is in force, and others that
# are not in force any more, or not yet.
_registrations: dict[int, list[Registration]] = {}
_options: Intake = {"intake": "handler", "moderation": 0.001}


def signal(signalnum: int, handler: _Handler) -> _Handler:
    """Sets the handler, or SIG_DFL or SIG_IGN, and returns the one before, as signal.signal() does.

    Raises ValueError outside of the main thread and if signalnum is no signal number, TypeError if
    handler is no handler, OSError for a signal that cannot be caught.
    """
    if not callable(handler) or handler is _core.dispatch or not _can_register(signalnum):
        previous = _previous(signalnum)
        if handler is _core.dispatch and previous is not None and _core.is_main_thread():
            # The program gives back what signal() returned: that stands for sigrec.register(), which
            # is in force again without our registration.
            _cancel(signalnum)
            return previous
        # This comes before the old registration ends. Otherwise the signal would have, for a
        # moment, the disposition from before that registration.
        by_standard: _Handler = _standard_signal(signalnum, handler)
        _cancel(signalnum)
        return by_standard if previous is None else previous
    number = int(signalnum)
    before = getsignal(number)
    registration = prepared(
        number,
        handler,
        reentrant=True,
        coalesce=handler is _standard.default_int_handler,
        **_options,
    )
    old = _in_force(number)
    # The registration is listed before it is in force, since an exception may come in between.
    _registrations[number] = [registration] if old is None else [old, registration]
    put_in_force([registration], instead_of=old)
    _standard.siginterrupt(number, True)  # as signal.signal() does: siginterrupt(3)
    return before


def getsignal(signalnum: int) -> _Handler:
    """Returns the handler, SIG_DFL or SIG_IGN, or None for a handler that was set in C, as
    signal.getsignal() does.

    Raises ValueError if signalnum is no signal number.
    """
    previous = _previous(signalnum)
    return _standard_getsignal(signalnum) if previous is None else previous


# The functions name the module that they replace.
signal.__module__ = getsignal.__module__ = "signal"


def _previous(signalnum: int) -> _Handler:
    """The handler in force, if we set it."""
    try:
        if _standard_getsignal(signalnum) is _core.dispatch:
            registration = _in_force(int(signalnum))
            if registration is not None:
                return registration.handler  # type: ignore[return-value]
    except (TypeError, ValueError):
        pass  # the standard function will raise the same
    return None


def _in_force(number: int) -> Registration | None:
    return next((known for known in _registrations.get(number, ()) if known.active), None)


def _cancel(number: int) -> None:
    registration = _in_force(int(number))
    if registration is not None:
        registration.cancel()
    _registrations.pop(int(number), None)


def _can_register(signalnum: int) -> bool:
    try:
        catchable(int(signalnum))
    except (TypeError, ValueError):
        return False
    return _core.is_main_thread()


def set_intake(intake: Literal["handler", "thread"], moderation: float = 0.001) -> None:
    """Handlers that are set from now on have this ``intake=``, and this ``moderation=``: see
    sigrec.register(). Handlers that were set before stay as they are.

    Raises ValueError for a bad argument, SigrecError where there is no intake thread.
    """
    _, backlog = intakes.asked(intake, moderation)
    if backlog:
        intakes.start()
    _options.update({"intake": intake, "moderation": moderation})


def install() -> None:
    """Makes ``signal.signal`` and ``signal.getsignal`` the functions of this module, for all who
    look them up there from now on. Handlers that were set before stay as they are."""
    _standard.signal = signal
    _standard.getsignal = getsignal


def uninstall() -> None:
    """Gives the standard module its own functions back. Handlers
    that were set meanwhile stay as they are."""
    _standard.signal = _standard_signal
    _standard.getsignal = _standard_getsignal


if TYPE_CHECKING:
    from signal import *  # noqa: F403  # pyright: ignore
