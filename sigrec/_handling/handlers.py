"""Checks whether an object can be a handler, when it is registered, and not only when a signal
comes.

It refuses only what certainly cannot be called; a callable that
does not show its parameters is accepted."""

from __future__ import annotations

import sys
from types import FunctionType, MethodType

from sigrec import _check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import Any, Literal, Protocol, TypedDict

    from sigrec._signals.siginfo import SignalInfo

    class Cancellable(Protocol):
        """What call_soon_threadsafe() and submit() return."""

        def cancel(self) -> object: ...

    # What a handler may return, which is ignored. It is not `object`, since that would allow a
    # coroutine, which nobody would await.
    Returned = int | Cancellable | None
    PlainHandler = Callable[[int, FrameType | None], Returned]
    InfoHandler = Callable[[int, SignalInfo | None, FrameType | None], Returned]
    BatchHandler = Callable[[int, Any, FrameType | None], Returned]
    Handler = PlainHandler | InfoHandler | BatchHandler

    class Options(TypedDict, total=False):
        """The options of register() that do not depend on the handler's form."""

        deliver: Literal["main", "thread"]
        reentrant: bool | None
        coalesce: bool | None
        propagate: type[BaseException] | None
        intake: Literal["handler", "thread"]
        moderation: float


# Bits of a code object's co_flags. The module inspect has them, but takes long to import.
VARARGS = 0x04
GENERATOR = 0x20
COROUTINE = 0x80
ASYNC_GENERATOR = 0x200


def check(handler: Any, parameters: tuple[str, ...], otherwise: str = "") -> None:
    """Raises ValueError if the handler cannot be called with these parameters, or if a call would
    not run it. otherwise: which other parameters it could take, and when, for the message."""
    if not callable(handler):
        _check.bad("handler must be callable", handler)
    function, given, named = _function(handler)
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    if flags & COROUTINE:
        raise ValueError(
            f"{_check.shown(handler)} cannot be a handler: nobody would await what an async def "
            "returns; `async for info in sigrec.stream(...)` is for that"
        )
    if flags & (GENERATOR | ASYNC_GENERATOR):
        raise ValueError(
            f"{_check.shown(handler)} cannot be a handler: it has a yield, so that a call would not "
            "run it"
        )
    if type(function) is FunctionType and not _takes(function, given + len(parameters), named):
        _check.bad(f"handler must take ({', '.join(parameters)}){otherwise}", handler)


def check_form(handler: Any, siginfo: bool, batch: bool) -> None:
    """Checks a handler of register(), which is called in one of three forms."""
    if batch:
        check(handler, ("signum", "events", "frame"), ", as batch=True calls it")
    elif siginfo:
        check(handler, ("signum", "info", "frame"), ", as siginfo=True calls it")
    else:
        check(handler, ("signum", "frame"), ", or (signum, info, frame) with siginfo=True")


def _function(handler: Any) -> tuple[Any, int, frozenset[str]]:
    """The function that a call of the handler runs (None: it is not known), how many arguments come
    before those of the call, and which others are passed by name."""
    given, named = 0, frozenset[str]()
    while True:
        if type(handler) is MethodType:
            handler, given = handler.__func__, given + 1
        elif _is_partial(handler):
            named |= handler.keywords.keys()
            given += sum(one is not _placeholder() for one in handler.args)
            handler = handler.func
        elif _has_flags(handler):
            return handler, given, named
        else:
            classes = type(handler).__mro__
            call = next((vars(c)["__call__"] for c in classes if "__call__" in vars(c)), None)
            return (call if type(call) is FunctionType else None), given + 1, named


def _has_flags(handler: Any) -> bool:
    try:
        return isinstance(handler.__code__.co_flags, int)
    except Exception:  # its __getattr__() can raise anything
        return False


def _is_partial(handler: Any) -> bool:
    # (Another thread may be importing it just now.)
    partial = getattr(sys.modules.get("functools"), "partial", None)
    return partial is not None and type(handler) is partial


def _placeholder() -> object:
    """functools.Placeholder, which the arguments of the call replace, since Python 3.14."""
    return getattr(sys.modules["functools"], "Placeholder", None)


def _takes(function: FunctionType, count: int, named: frozenset[str]) -> bool:
    """Whether the function can be called with so many arguments, and these others by name."""
    code: CodeType = function.__code__
    names = code.co_varnames[: code.co_argcount]
    by_position, left = names[:count], names[count:]
    if count > len(names) and not code.co_flags & VARARGS:
        return False
    if named & set(by_position[code.co_posonlyargcount :]):
        return False  # twice
    optional = set(names[len(names) - len(function.__defaults__ or ()) :])
    only_named = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    optional |= (function.__kwdefaults__ or {}).keys()
    return all(name in optional or name in named for name in (*left, *only_named))
