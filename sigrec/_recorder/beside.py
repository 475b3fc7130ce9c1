"""The process that ``sigrec run --report`` leaves beside the program, to wait for the program's
end. It runs a small program of its own, csrc/report, which starts a Python at the end."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from contextlib import suppress

from sigrec import _core
from sigrec._proc.pidfd import Bystander
from sigrec._reader.format import CGROUP_AT_END, CGROUP_SIZE, NOTED, NOTED_AT, NOTED_SEEN_BY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._proc.ended import Ended
    from sigrec._reader.recording import Recording

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(_PACKAGE, "sigrec-report")  # its name there, for whoever looks
# People and terminals end programs with these. This process has to outlive the program.
_NOT_FOR_IT = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE)
_PRELOAD = "libsigrec-preload.so"


def is_init() -> bool:
    """Whether this process is PID 1 of its namespace, which no process there outlives."""
    return os.getpid() == 1


def leave(code: str, about: str) -> None:
    """Leaves a process that waits for the end of this one, and returns in this process, which is
    about to become the program. That process is no child of this one, so that a program that waits
    until it has no children does not wait for it.

    A Python runs the code at the end. Its standard input has the fields of csrc/report.c,
    which end with `about` and what was seen; its argument is the status that it has to exit with.

    Raises OSError, with nothing left behind.
    """
    _check_possible()
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
                    _wait_alone(beside, code, about)
            os._exit(0)
        with suppress(ChildProcessError):  # where SIGCHLD is ignored
            os.waitpid(between, 0)
    finally:
        if subreaper > 0:
            _core.subreaper(subreaper)
        if not waiting and signal.SIGCHLD in signal.sigpending():
            # SIGCHLD is blocked here, and would stay pending in the program.
            signal.sigtimedwait([signal.SIGCHLD], 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        beside.close()


def leave_below_init(code: str, about: str) -> None:
    """As leave(), for PID 1, which stays as an init. This returns
    in a child, which becomes the program."""
    _check_possible()
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
    _wait_alone(Bystander(program), code, about, init=True)


def problem() -> str | None:
    """Says why no process can be left beside a program, or None if one can."""
    if os.access(PROGRAM, os.X_OK):
        return None
    return f"{PROGRAM} cannot be executed" if os.path.exists(PROGRAM) else f"{PROGRAM} is missing"


def _check_possible() -> None:
    """Raises OSError, while nothing has been done yet."""
    if reason := problem():
        raise OSError(reason)


def _is_in_front(fd: int) -> bool:
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False


def _wait_alone(beside: Bystander, code: str, about: str, init: bool = False) -> None:
    """Runs in a process that is to have nothing in common with the
    program but descriptor 2. Never returns."""
    try:
        environment = dict(os.environ)
        directory = environment.get("SIGREC_DIR")
        if directory:
            environment["SIGREC_DIR"] = os.path.abspath(directory)
        loaded = environment.pop("LD_PRELOAD", "").replace(":", " ").split()
        if others := [library for library in loaded if os.path.basename(library) != _PRELOAD]:
            environment["LD_PRELOAD"] = " ".join(others)
        os.chdir("/")
        pidfd = fcntl.fcntl(beside.fd, fcntl.F_DUPFD, 3)  # stays open
        fields = (
            beside.pid,
            pidfd,
            beside.start_ticks or 0,
            int(init),
            sys.executable,
            code,
            about,
        )
        task = os.memfd_create("task")
        os.write(task, b"".join(os.fsencode(f"{field}\0") for field in fields))
        os.dup2(task, 0)
        # By its name and command line nobody finds the program in it.
        name = f"sigrec: waits for the end of PID {beside.pid}"
        os.execve(PROGRAM, [name], environment)
    except OSError as error:
        with suppress(OSError):
            os.write(2, f"sigrec: no report: {error}\n".encode(errors="backslashreplace"))
        status = os.waitstatus_to_exitcode(os.waitpid(beside.pid, 0)[1]) if init else 0
        os._exit(status if status >= 0 else 128 - status)
    finally:
        os._exit(1)


def note(
    recording: Recording, ended: Ended, oom: tuple[int, int, bool] | None, cgroup: str | None
) -> None:
    """Writes into the recording of a process that has ended how it did, as a bystander saw it. oom:
    what the OOM killer did in its cgroup: how often, since when, and whether the end was probably
    that. cgroup: the one that the process was in last."""
    seen_by = NOTED_SEEN_BY.get(ended.seen_by or "")
    if recording.path is None or seen_by is None:
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
        seen_by,
        kills,
        probably,
        since_ns,
    )
    with suppress(OSError):
        fd = os.open(recording.path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            status = os.fstat(fd)
            read_from = recording._source.status
            if read_from is not None and (status.st_dev, status.st_ino) == (
                read_from.st_dev,
                read_from.st_ino,
            ):
                os.pwrite(fd, raw, NOTED_AT)
                identity = recording._header.identity
                if cgroup and identity and identity.entry >= CGROUP_AT_END + CGROUP_SIZE:
                    path = os.fsencode(cgroup)[: CGROUP_SIZE - 1].ljust(CGROUP_SIZE, b"\0")
                    os.pwrite(fd, path, identity.at + CGROUP_AT_END)
        finally:
            os.close(fd)
