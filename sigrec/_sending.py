"""Sending signals: what the standard library has no function for."""

from __future__ import annotations

from sigrec import _core

_LOWEST, _HIGHEST = -(1 << 63), (1 << 63) - 1


def sigqueue(pid: int, signum: int, value: int = 0) -> None:
    """Send a signal with a value to a process: sigqueue(3).

    value: fits in a pointer; the receiver finds it in ``SignalInfo.si_value``, a C program in
        ``si_value.sival_ptr`` (and its low 32 bits in ``sival_int``).

    Raises ValueError for an argument that is not an int in range, ProcessLookupError if there is
    no such process, PermissionError if it may not be signalled, BlockingIOError (EAGAIN) if the
    receiver's user has as many signals queued as RLIMIT_SIGPENDING allows: setrlimit(2).
    """
    for name, argument in (("pid", pid), ("signum", signum), ("value", value)):
        if not isinstance(argument, int) or isinstance(argument, bool):
            raise ValueError(f"{name} must be an int, not {argument!r}")
    if not 0 < pid < 1 << 31:
        raise ValueError(f"pid must be the id of a process, not {pid!r}")
    if not 0 <= signum <= 64:
        raise ValueError(f"signum must be a signal number, or 0 to test the pid, not {signum!r}")
    if not _LOWEST <= value <= _HIGHEST:
        raise ValueError(f"value must fit in 64 bits, signed, not {value!r}")
    _core.sigqueue(int(pid), int(signum), int(value))


sigqueue.__module__ = "sigrec"
