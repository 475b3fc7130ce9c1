"""How a process ended, as the kernel tells it."""

from __future__ import annotations

import os

from sigrec._proc.process import stat_fields
from sigrec._proc.status import status
from sigrec._tuples import NamedTuple

_CORE = 1 << 7
_EXIT_CODE = 49  # of stat_fields: field 52 of proc_pid_stat(5)


class Ended(NamedTuple):
    """How a process ended, as a bystander saw it.

    signal: the one that killed it; None: it exited, or nothing is known. status: what it exited
    with. core: whether it dumped core. seen_by: where that was seen, ``"pidfd"`` or ``"proc"``;
    None: the process is gone, and how it ended is not known. time_ns and monotonic_ns: when the
    bystander noticed; None: the end may have been long before. blocked: the signals that its main
    thread had blocked at its end; None: not known.
    """

    signal: int | None
    status: int | None
    core: bool
    time_ns: int | None
    monotonic_ns: int | None
    seen_by: str | None
    blocked: frozenset[int] | None = None


def zombie(pid: int, start_ticks: int) -> Ended | None:
    """How a process ended whose parent has not waited for it yet. None: this is no such process, or
    this user may not know."""
    code = zombie_code(pid, start_ticks)
    return None if code is None else ended(code, "proc", None, None, blocked_by(pid))


def zombie_code(pid: int, start_ticks: int | None) -> int | None:
    """The zombie's exit code, as wait(2) returns it; None as above. To a process that may not know,
    proc(5) shows 0, so it is asked as well whether this one may."""
    fields = stat_fields(pid)
    if fields is None or fields[0] not in (b"Z", b"X") or int(fields[19]) != start_ticks:
        return None
    try:
        os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None
    return int(fields[_EXIT_CODE])


def blocked_by(pid: int) -> frozenset[int] | None:
    now = status(pid)
    return None if now is None else now.blocked


def ended(
    code: int | None,
    seen_by: str,
    time_ns: int | None,
    monotonic_ns: int | None,
    blocked: frozenset[int] | None = None,
) -> Ended:
    """Makes an Ended of an exit code as wait(2) returns it; None: it is not known."""
    if code is None:
        return Ended(None, None, False, time_ns, monotonic_ns, None)
    signum = code & 0x7F
    exited = None if signum else code >> 8 & 0xFF
    return Ended(
        signum or None, exited, bool(code & _CORE), time_ns, monotonic_ns, seen_by, blocked
    )
