"""Sends signals in ways for which the standard library has no function."""

from __future__ import annotations

import errno
import os

from sigrec import _check, _core

_LOWEST, _HIGHEST = -(1 << 63), (1 << 63) - 1


def sigqueue(pid: int, signum: int, value: int = 0, *, thread: int | None = None) -> None:
    """Send a signal with a value to a process: sigqueue(3).

    value: a number that fits in a pointer. The receiver finds it in ``SignalInfo.si_value``, a
        program in C in ``si_value.sival_ptr`` (and its low 32 bits in ``sival_int``).
    thread: the native id of a thread of that process (as of threading.get_native_id()), to which
        alone the signal is sent: rt_tgsigqueueinfo(2), Linux.

    Raises ValueError for an argument that is no int in range, ProcessLookupError if there is no
    such process or thread, PermissionError if this process may not send it signals, and
    BlockingIOError (EAGAIN) if the receiver's user has as many signals queued as RLIMIT_SIGPENDING
    allows (setrlimit(2)).
    """
    _signal_and_value(signum, value)
    _check_id("pid", pid)
    if thread is None:
        error = _core.send_process(int(pid), int(signum), int(value))
    else:
        _check_id("thread", thread)
        error = _core.send_thread(int(pid), int(thread), int(signum), int(value))
    _raise_send_error(
        error, f"PID {pid}" + ("" if thread is None else f", thread {thread}"), int(pid)
    )


def pidfd_sigqueue(pidfd: int, signum: int, value: int = 0) -> None:
    """Send a signal with a value, as :func:`sigqueue` does, through a descriptor of
    os.pidfd_open(), so that it never reaches another process that has got the pid since:
    pidfd_send_signal(2), Linux.

    Raises what :func:`sigqueue` raises, and OSError (EBADF) for what is no pidfd.
    """
    _signal_and_value(signum, value)
    _check.integer("pidfd must be a file descriptor", pidfd, 0, _check.INT_MAX)
    _raise_send_error(_core.send_pidfd(int(pidfd), int(signum), int(value)), f"pidfd {pidfd}")


def _signal_and_value(signum: int, value: int) -> None:
    _check.integer("signum must be a signal number, or 0 to test the pid", signum, 0, 64)
    _check.integer("value must be an int that fits in 64 bits, signed", value, _LOWEST, _HIGHEST)


def _check_id(what: str, number: int) -> None:
    _check.integer(
        f"{what} must be the id of a {_TARGET_KINDS[what]}, an int", number, 1, _check.INT_MAX
    )


_TARGET_KINDS = {"pid": "process", "thread": "thread"}


def _raise_send_error(error: int, whom: str, pid: int | None = None) -> None:
    if not error:
        return
    if error != errno.EAGAIN:
        raise OSError(error, f"{os.strerror(error)}: {whom}")
    raise BlockingIOError(
        error,
        f"{whom}: its user has as many signals queued as its RLIMIT_SIGPENDING allows"
        f"{_queue_limit(pid)}; setrlimit(2), ulimit -i",
    )


def _queue_limit(pid: int | None) -> str:
    import resource

    if pid is None or not hasattr(resource, "prlimit"):
        return ""
    try:
        return f" ({resource.prlimit(pid, resource.RLIMIT_SIGPENDING)[0]})"
    except OSError:  # it belongs to another user, or is gone meanwhile
        return ""


sigqueue.__module__ = pidfd_sigqueue.__module__ = "sigrec"
