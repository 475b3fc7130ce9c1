"""Arguments of public functions: a bad one is a ValueError with the value in it."""

from __future__ import annotations

import os

INT_MAX = (1 << 31) - 1  # of C, and so of a pid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


def shown(value: object) -> str:
    """Its repr(), if there is one, cut to about two lines."""
    try:
        its_repr = repr(value)
    except Exception:  # for one, an int of 5,000 digits has none
        return f"<{type(value).__name__}>"
    return its_repr if len(its_repr) <= 200 else f"{its_repr[:200]}..."


def bad(what: str, value: object) -> NoReturn:
    """``what`` says what the argument must be: ``"backlog must be an int from 1 to 16"``."""
    raise ValueError(f"{what}, not {shown(value)}")


def is_int(value: object) -> bool:
    """Whether it is an int, or of a subclass such as signal.Signals, but no bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def integer(what: str, value: Any, lowest: int, highest: int) -> int:
    """Checks an int. ``what``: as in :func:`bad`."""
    if not is_int(value) or not lowest <= int(value) <= highest:
        bad(what, value)
    return int(value)


def signal(value: Any, what: str = "signum must be a signal number") -> int:
    return integer(what, value, 1, 64)


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        bad(f"{name} must be True or False", value)
    return value


def seconds(what: str, value: Any, lowest: float, highest: float) -> float:
    """Checks a number of seconds, which nan is not. ``what``: as in :func:`bad`."""
    if not is_int(value) and not isinstance(value, float):
        bad(what, value)
    try:
        number = float(value)
    except OverflowError:  # an int that no float can hold
        number = float("inf") if value > 0 else float("-inf")
    if not lowest <= number <= highest:
        bad(what, value)
    return number


def timeout(value: Any) -> float | None:
    """Checks how many seconds to wait; None: without end. The
    result is no longer than a lock can wait."""
    if value is None:
        return None
    from threading import TIMEOUT_MAX

    wanted = seconds("timeout must be seconds from 0 on, or None", value, 0.0, float("inf"))
    return min(wanted, TIMEOUT_MAX)


def is_path(text: str) -> bool:
    """Whether the text can be a path: it is not empty, and has no NUL."""
    return bool(text) and "\0" not in text


def path(what: str, value: Any) -> str:
    """Checks a path: a str, or an os.PathLike of one. ``what``: as in :func:`bad`."""
    if not isinstance(value, (str, os.PathLike)):
        bad(what, value)
    try:
        text = os.fspath(value)
    except TypeError:  # its __fspath__() returns something else
        bad(what, value)
    if not isinstance(text, str) or not is_path(text):
        bad(what, value)
    return text
