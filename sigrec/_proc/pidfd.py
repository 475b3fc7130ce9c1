"""How a process ended that is not a child of this one: pidfd_open(2), which any user may call."""

from __future__ import annotations

import os
import select
import signal
import struct
import time

from sigrec._proc.ended import Ended, blocked_by, ended, zombie_code
from sigrec._proc.host import names_ours
from sigrec._proc.process import stat_fields

# From <linux/pidfd.h>: PIDFD_GET_INFO, which Linux has since 6.13, and its exit code since 6.15.
# _IOWR(0xFF, 11, struct pidfd_info), and the size of that struct, which grows: 6.13, 6.16.
_PIDFD_INFO_SIZES = (72, 64)
_PIDFD_INFO_EXIT = 1 << 3
_PIDFD_INFO = struct.Struct("=Q52xi")
_AT_ONCE_S = 0.1  # while the parent is just asking, neither of the two places has the status
_REAPED_S = 2.0  # how long to wait for the parent, which may never ask


class Bystander:
    """Waits for the end of a process.

    fd: poll(2) shows it as ready to read once the process has ended. Raises ProcessLookupError if
    there is no such process.
    """

    __slots__ = ("ended", "fd", "pid", "start_ticks")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ended: Ended | None = None
        self.fd = -1
        self.fd = os.pidfd_open(pid)  # of whoever has that PID now; the PID may be used again later
        fields = stat_fields(pid) if names_ours() else None  # or another process has it in /proc
        self.start_ticks = int(fields[19]) if fields else None

    def wait(self, timeout: float | None = None) -> Ended | None:
        """Waits until the process has ended, or for so many seconds; None: it has not ended. With a
        timeout of 0 ``seen_by`` is None for now, where how it ended can be known only once its
        parent has asked."""
        if self.ended is None and _ready(self.fd, timeout):
            found = self._look(_AT_ONCE_S if timeout == 0 else _REAPED_S)
            if timeout == 0 and found.seen_by is None:
                return found
            self.ended = found
        return self.ended

    def at_once(self) -> Ended | None:
        """How the process ended, if that can be told without waiting: for callers that watch many
        processes. None: it lives, or neither of the two places has the status yet; ask again."""
        if self.ended is None and _ready(self.fd, 0):
            found = self._look(0)
            if found.seen_by is not None or _reaped(self.fd):
                self.ended = found
        return self.ended

    def _look(self, patience: float) -> Ended:
        """How the process ended, from the status that the kernel keeps in two places. While the
        process is a zombie, those who may trace it can read it in /proc; after that, the pidfd
        tells it to everybody."""
        now = time.time_ns(), time.monotonic_ns()
        blocked = blocked_by(self.pid)
        code, seen_by = zombie_code(self.pid, self.start_ticks), "proc"
        if code is None:
            blocked = None  # another process may have had the PID already
            code, seen_by = _of_pidfd(self.fd), "pidfd"
            deadline = time.monotonic() + patience
            while code is None and time.monotonic() < deadline:
                time.sleep(0.01)
                if _reaped(self.fd):
                    code = _of_pidfd(self.fd)
                    break
        return ended(code, seen_by, *now, blocked)

    def close(self) -> None:
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    __del__ = close

    def __enter__(self) -> Bystander:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _ready(fd: int, timeout: float | None) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(None if timeout is None else timeout * 1000))


def _reaped(fd: int) -> bool:
    """Whether the process's parent has waited for it. Since Linux 6.10 poll(2) tells that of a
    pidfd; in older kernels no signal can be sent through it any more."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    if any(events & select.POLLHUP for _, events in poll.poll(0)):
        return True
    try:
        signal.pidfd_send_signal(fd, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False


def _of_pidfd(fd: int) -> int | None:
    """The status that wait(2) would have returned. None: this kernel
    does not tell it, or does not tell it yet."""
    import fcntl

    for size in _PIDFD_INFO_SIZES:
        info = bytearray(size)
        struct.pack_into("=Q", info, 0, _PIDFD_INFO_EXIT)
        try:
            fcntl.ioctl(fd, 3 << 30 | size << 16 | 0xFF << 8 | 11, info)
        except OSError:
            continue
        mask, code = _PIDFD_INFO.unpack_from(info)
        return int(code) if mask & _PIDFD_INFO_EXIT else None
    return None


def bystander(pid: int | None) -> Bystander | None:
    """A Bystander of that process. None: there is no such process, or this system has no pidfds."""
    try:
        return Bystander(pid) if pid else None
    except (OSError, AttributeError):
        return None


def tells_of_the_reaped() -> bool | None:
    """Whether this kernel still tells how a process ended after its parent has asked, as a trial
    with a child shows. None: there are no pidfds."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    of_child = bystander(pid)
    os.waitpid(pid, 0)
    if of_child is None:
        return None
    with of_child:
        return _of_pidfd(of_child.fd) is not None
