"""Signal names, as people write them."""

from __future__ import annotations

from sigrec import _check

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import Any
else:
    import _signal  # without signal, which makes enums: a megabyte that each fork copies

UNCATCHABLE = frozenset({_signal.SIGKILL, _signal.SIGSTOP})
# People and service managers send these to end a process (csrc/recording/process.c has the same).
ASK_TO_END = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM)
VALID: frozenset[int] = frozenset(_signal.valid_signals())


def name(signum: int, sigrtmin: int | None = None) -> str:
    """``"SIGUSR1"``, ``"SIGRTMIN+2"``; ``"signal 33"`` for one that has no name.

    sigrtmin: SIGRTMIN in the process whose signal it is, since C libraries differ. Default: ours.
    """
    lowest = sigrtmin or int(getattr(_signal, "SIGRTMIN", 65))
    if lowest <= signum <= 64:
        return f"SIGRTMIN+{signum - lowest}" if signum > lowest else "SIGRTMIN"
    try:
        if signum >= 32:  # the C library keeps these for itself; ours may have another lowest
            raise ValueError
        import signal

        return signal.Signals(signum).name
    except ValueError:
        return f"signal {signum}"


def signal_name(signum: int) -> str:
    """The name of a signal as people write it: ``"SIGUSR1"``, ``"SIGRTMIN+2"``.

    ``"signal 33"`` for one that the C library keeps for itself. Raises ValueError for what is not
    a signal number, 1 to 64 here.
    """
    return name(_check.signal(signum))


def signal_number(name: str) -> int:
    """The number of a signal by its name, with or without SIG, in any case, or by its number:
    ``"SIGTERM"``, ``"term"``, ``"15"``, ``"SIGRTMIN+2"``, ``"SIGRTMAX-1"``. As kill(1) reads it.

    Raises ValueError for anything else.
    """
    if isinstance(name, str):
        if len(name) <= 2 and name.isdecimal() and name.isascii() and 1 <= int(name) <= 64:
            return int(name)
        full = name.upper() if name.upper().startswith("SIG") else "SIG" + name.upper()
        rtmin_or_rtmax, sign, distance = full[:8], full[8:9], full[9:]
        if rtmin_or_rtmax in ("SIGRTMIN", "SIGRTMAX"):
            if not sign or (
                sign in "+-" and len(distance) <= 2 and distance.isdecimal() and distance.isascii()
            ):
                number = int(getattr(_signal, rtmin_or_rtmax)) + int(sign + distance or 0)
                if _signal.SIGRTMIN <= number <= _signal.SIGRTMAX:
                    return number
        else:
            import signal

            if full in signal.Signals.__members__:
                return int(signal.Signals[full])
    raise ValueError(f"not a signal: {_check.shown(name)}")


def catchable(signum: Any) -> int:
    """The signal's number, or ValueError for what cannot be caught here."""
    if not _check.is_int(signum):
        _check.bad("signum must be an int or signal.Signals", signum)
    number = int(signum)
    if number in UNCATCHABLE:
        raise ValueError(f"{name(number)} cannot be caught: the kernel does not allow it")
    if number not in VALID:
        if 32 <= number < _signal.SIGRTMIN:
            raise ValueError(f"signal {number} is reserved by the C library")
        _check.bad("signum must be a signal number", signum)
    return number


for _public in (signal_name, signal_number):
    _public.__module__ = "sigrec"
del _public
