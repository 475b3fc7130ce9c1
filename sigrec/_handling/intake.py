"""The arguments intake= and moderation= of several
functions: checks them, and starts the thread."""

from __future__ import annotations

from sigrec import _check, _core
from sigrec._errors import SigrecError
from sigrec._recorder import publishing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def asked(intake: Any, moderation: Any) -> tuple[int, int]:
    """Checks both arguments. Returns how long a real-time signal that comes fast may wait, in ns,
    and how many events may wait; 0: handlers take all
    signals. Raises ValueError for a bad argument."""
    if not isinstance(intake, str) or intake not in ("handler", "thread"):
        _check.bad('intake must be "handler" or "thread"', intake)
    pause = _check.seconds("moderation must be seconds from 0 to 1", moderation, 0.0, 1.0)
    return int(pause * 1e9), publishing.backlog() if intake == "thread" else 0


def start() -> None:
    """Starts the intake thread; to be called before the first handler that uses it."""
    if not _core.start_intake():
        raise SigrecError(
            'intake="thread" needs Linux on x86-64 or aarch64: elsewhere the program would see '
            "what is borrowed of its signal masks"
        )
