"""The process that ``sigrec run --report`` leaves beside the program, to wait for the program's
end."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from sigrec import _core
from sigrec._proc.pidfd import Bystander
from sigrec._proc.process import stat_fields
from sigrec._reader.format import CGROUP_AT_END, CGROUP_SIZE, NOTED, NOTED_AT, NOTED_SOURCES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sigrec._proc.ended import Ended
    from sigrec._reader.recording import Recording

    _StandBy = Callable[[Bystander], None]

# People and terminals end programs with these. This process has to outlive the program.
_NOT_FOR_IT = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE)
_ARGUMENTS = 45  # of stat_fields: fields 48 and 49 of proc_pid_stat(5), where they are in memory


def is_init() -> bool:
    """Whether this process is PID 1 of its namespace, which no process there outlives."""
    return os.getpid() == 1


def leave(stand_by: _StandBy) -> None:
    """Leaves a process that calls stand_by, and returns in this process, which is about to become
    the program. That process is no child of this one, so that a program that waits until it has no
    children does not wait for it.

    Raises OSError, with nothing left behind.
    """
    beside = Bystander(os.getpid())  # while this process certainly has that PID
    waiting = signal.SIGCHLD in signal.sigpending()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_FOR_IT)
    subreaper = _core.subreaper(0)  # else that process becomes a child of this one: prctl(2)
    try:
        between = os.fork()
        if between == 0:
            with suppress(OSError):
                if os.fork() == 0:
                    os.setsid()
                    _alone(beside, stand_by)
            os._exit(0)
        with suppress(ChildProcessError):  # where SIGCHLD is ignored
            os.waitpid(between, 0)
    finally:
        if subreaper > 0:
            _core.subreaper(subreaper)
        if not waiting and signal.SIGCHLD in signal.sigpending():
            signal.sigtimedwait(
                [signal.SIGCHLD], 0
            )  # it is blocked, and would stay pending in the program
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        beside.close()


def leave_below_init(stand_by: _StandBy) -> None:
    """As leave(), for PID 1, which stays as an init. This returns in a child, which becomes the
    program."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    terminal = next((fd for fd in (0, 1, 2) if _is_in_front(fd)), None)
    program = os.fork()
    if program == 0:
        os.setpgid(0, 0)  # keys of the terminal send signals to the program, and not to the init
        if terminal is not None:
            os.tcsetpgrp(terminal, os.getpid())
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    beside = _Below(program)
    _alone(beside, stand_by, beside.as_it_did)


def _is_in_front(fd: int) -> bool:
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False


class _Below(Bystander):
    """A Bystander of the program that PID 1 has started, to which PID 1 passes signals on."""

    def wait(self, timeout: float | None = None) -> Ended | None:
        rest_ns = (1 << 62) if timeout is None else int(timeout * 10**9)
        if self.ended is None and not _core.as_init(self.pid, rest_ns):
            return None
        return super().wait(timeout)

    def as_it_did(self) -> int:
        """The program's exit status as that of PID 1, which cannot end itself by a signal."""
        while not _core.as_init(self.pid, 1 << 62):
            pass
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return status if status >= 0 else 128 - status


def _alone(beside: Bystander, stand_by: _StandBy, status: Callable[[], int] = lambda: 0) -> None:
    """Runs in a process that has nothing in common with the program but descriptor 2. Never
    returns."""
    code = 1
    try:
        _call_it(f"sigrec: waits for the end of PID {beside.pid}")
        _close_all_but(beside.fd)
        directory = os.environ.get("SIGREC_DIR")
        if directory:
            os.environ["SIGREC_DIR"] = os.path.abspath(directory)
        os.chdir("/")
        try:
            stand_by(beside)
        finally:
            code = status()
    finally:
        os._exit(code)


def _call_it(text: str) -> None:
    """Changes this process's name and command line, so that the program is not found twice by
    these."""
    fields = stat_fields(os.getpid())
    with suppress(OSError, ValueError, IndexError, TypeError):
        begin, end = map(int, fields[_ARGUMENTS : _ARGUMENTS + 2])  # type: ignore[index]
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(begin)
            memory.write(text.encode()[: end - begin - 1].ljust(end - begin, b"\0"))
    with suppress(OSError), open("/proc/self/comm", "w", encoding="utf-8") as name:
        name.write("sigrec-report")


def _close_all_but(kept: int) -> None:
    """Closes all descriptors but that one and stderr; 0 and 1 become /dev/null."""
    try:
        there = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        there = list(range(os.sysconf("SC_OPEN_MAX")))
    for fd in there:
        if fd not in (2, kept):
            with suppress(OSError):
                os.close(fd)
    for _ in range(2):
        os.open(os.devnull, os.O_RDWR)


def note(
    recording: Recording, ended: Ended, oom: tuple[int, int, bool] | None, cgroup: str | None
) -> None:
    """Writes into the recording of a process that has ended how it did, as a bystander saw it. oom:
    what the OOM killer did in its cgroup: how often, since when, and whether the end was probably
    that. cgroup: the one that the process was in last."""
    source = NOTED_SOURCES.get(ended.source or "")
    if recording.path is None or source is None:
        return
    code = ended.signal or (ended.status or 0) << 8
    kills, since_ns, probably = oom or (0, 0, False)
    blocked = (
        0 if ended.blocked is None else sum(1 << n - 1 for n in {*ended.blocked, signal.SIGKILL})
    )
    raw = NOTED.pack(
        blocked,
        ended.monotonic_ns,
        ended.time_ns,
        code | 0x80 * ended.core,
        source,
        kills,
        probably,
        since_ns,
    )
    with suppress(OSError):
        fd = os.open(recording.path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            status = os.fstat(fd)
            of = recording._source.status
            if of is not None and (status.st_dev, status.st_ino) == (of.st_dev, of.st_ino):
                os.pwrite(fd, raw, NOTED_AT)
                identity = recording._header.identity
                if cgroup and identity and identity.entry >= CGROUP_AT_END + CGROUP_SIZE:
                    path = os.fsencode(cgroup)[: CGROUP_SIZE - 1].ljust(CGROUP_SIZE, b"\0")
                    os.pwrite(fd, path, identity.at + CGROUP_AT_END)
        finally:
            os.close(fd)
