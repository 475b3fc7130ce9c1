"""Flag: tells whether one of some signals has come."""

from __future__ import annotations

import threading

from sigrec import _check, _core
from sigrec._handling.registration import end, prepared, put_in_force
from sigrec._signals.names import catchable, name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._signals.siginfo import SignalInfo


class Flag(threading.Event, _core.Block):
    """A threading.Event that is set when one of these signals comes: ``Flag(signal.SIGTERM)``.

    It gives the signals back at the end of its ``with`` block, by close(), or when nothing refers
    to it any more. Raises what :func:`stream` raises.
    """

    def __init__(self, *signums: int) -> None:
        super().__init__()
        self._bell = _core.Bell()
        numbers = tuple(dict.fromkeys(catchable(signum) for signum in signums))
        if not numbers:
            raise ValueError("which signals? at least one is needed")
        # As long as these registrations are not in force they do no harm, if a handler raises
        # before the rest of this.
        self._registrations = [
            prepared(number, self._bell, siginfo=True, deliver="thread") for number in numbers
        ]
        self._end = _core.EndWhenDropped(tuple(made._core_handler for made in self._registrations))
        put_in_force(self._registrations)

    @property
    def info(self) -> SignalInfo | None:
        """The first signal that came since the flag was made or cleared;
        None: none came, or it had no siginfo."""
        return self._bell.info

    # A flag's methods do not call threading.Event's, which hold a lock. A handler that interrupts
    # code which holds it, and calls one of these or waits for the
    # dispatcher thread, would wait for ever.
    def is_set(self) -> bool:
        """Whether a signal came, or set() was called, since the flag was made or cleared."""
        return self._bell.is_set()

    def set(self) -> None:
        """Set the flag, as if a signal had come of which nothing is known."""
        self._bell.set()

    def clear(self) -> None:
        """Clear the flag, as if no signal had come: it is not set, and ``info`` is None."""
        self._bell.clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is set, for ``timeout`` seconds at most, and return whether it is.
        Raises SigrecError in a handler on the dispatcher thread, which would wait for itself."""
        return self._bell.wait(_check.timeout(timeout))

    def close(self) -> None:
        """Give the signals back; a second call does nothing. A flag that is set stays set."""
        end([registration for registration in self._registrations if registration.active])

    _leave = close

    def __repr__(self) -> str:
        signums = ", ".join(name(registration.signum) for registration in self._registrations)
        return f"<Flag of {signums}: {'set' if self.is_set() else 'unset'}>"


Flag.__module__ = "sigrec"
