"""Sending signals: what the standard library has no function for."""

from __future__ import annotations

import errno
import os

from sigrec import _core

_LOWEST, _HIGHEST = -(1 << 63), (1 << 63) - 1


def sigqueue(pid: int, signum: int, value: int = 0, *, thread: int | None = None) -> None:
    """Send a signal with a value to a process: sigqueue(3).

    value: fits in a pointer; the receiver finds it in ``SignalInfo.si_value``, a C program in
        ``si_value.sival_ptr`` (and its low 32 bits in ``sival_int``).
    thread: to this thread of the process (its native id, as threading.get_native_id()), and to no
        other: rt_tgsigqueueinfo(2), Linux.

    Raises ValueError for an argument that is not an int in range, ProcessLookupError if there is
    no such process or thread, PermissionError if it may not be signalled, BlockingIOError (EAGAIN)
    if the receiver's user has as many signals queued as its RLIMIT_SIGPENDING allows: setrlimit(2).
    """
    _check(signum, value)
    _id("pid", pid)
    if thread is None:
        error = _core.send_process(int(pid), int(signum), int(value))
    else:
        _id("thread", thread)
        error = _core.send_thread(int(pid), int(thread), int(signum), int(value))
    _raise(error, f"PID {pid}" + ("" if thread is None else f", thread {thread}"), int(pid))


def pidfd_sigqueue(pidfd: int, signum: int, value: int = 0) -> None:
    """As :func:`sigqueue`, through a descriptor of os.pidfd_open: never to another process that
    got the pid since. pidfd_send_signal(2), Linux.

    Raises as that does, and OSError (EBADF) for what is no pidfd.
    """
    _check(signum, value)
    if not isinstance(pidfd, int) or isinstance(pidfd, bool) or not 0 <= pidfd < 1 << 31:
        raise ValueError(f"pidfd must be a file descriptor, not {pidfd!r}")
    _raise(_core.send_pidfd(int(pidfd), int(signum), int(value)), f"pidfd {pidfd}")


def _check(signum: int, value: int) -> None:
    for name, argument in (("signum", signum), ("value", value)):
        if not isinstance(argument, int) or isinstance(argument, bool):
            raise ValueError(f"{name} must be an int, not {argument!r}")
    if not 0 <= signum <= 64:
        raise ValueError(f"signum must be a signal number, or 0 to test the pid, not {signum!r}")
    if not _LOWEST <= value <= _HIGHEST:
        raise ValueError(f"value must fit in 64 bits, signed, not {value!r}")


def _id(what: str, number: int) -> None:
    if not isinstance(number, int) or isinstance(number, bool):
        raise ValueError(f"{what} must be an int, not {number!r}")
    if not 0 < number < 1 << 31:
        raise ValueError(f"{what} must be the id of a {_KINDS[what]}, not {number!r}")


_KINDS = {"pid": "process", "thread": "thread"}


def _raise(error: int, whom: str, pid: int | None = None) -> None:
    if not error:
        return
    if error != errno.EAGAIN:
        raise OSError(error, f"{os.strerror(error)}: {whom}")
    raise BlockingIOError(
        error,
        f"{whom}: its user has as many signals queued as its RLIMIT_SIGPENDING allows"
        f"{_limit(pid)}; setrlimit(2), ulimit -i",
    )


def _limit(pid: int | None) -> str:
    import resource

    if pid is None or not hasattr(resource, "prlimit"):
        return ""
    try:
        return f" ({resource.prlimit(pid, resource.RLIMIT_SIGPENDING)[0]})"
    except OSError:  # another user's, or gone since
        return ""


sigqueue.__module__ = pidfd_sigqueue.__module__ = "sigrec"
