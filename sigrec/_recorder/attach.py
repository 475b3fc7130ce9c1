"""attach() and detach(): begin and end the recording of a process that already runs.

Before any thread is stopped, this looks for what could be in the way, and says it in words.
"""

from __future__ import annotations

import errno
import os
import signal

from sigrec import _check, _core
from sigrec._errors import NoRecordingError, RecordingError, SigrecError
from sigrec._proc.host import NO_PROC, names_ours, ptrace_scope
from sigrec._proc.process import comm, owner, threads
from sigrec._proc.status import Status, capabilities, is_kernel_thread, status
from sigrec._reader.opening import open_recording
from sigrec._recorder.publishing import LARGEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording

ATTACH_HISTORY = 1024  # events
CAP_SYS_PTRACE = 19  # <linux/capability.h>

# csrc/attach/attach.h
(
    DONE, UNSUPPORTED, REFUSED, ENDED, NO_MOMENT, NOT_STOPPED, HALTED, NO_LIBRARY, LOCKED,
    NOT_LOADED, OTHER_BUILD, FAULT, NOT_BEGUN, NO_TRACER, SLOW,
) = range(15)  # how attaching ended  # fmt: skip

# Why a program that runs cannot load a library, by the numbers in csrc/host/target.h. (Why it cannot
# be started with one: target_reason() there.)
_CANNOT_LOAD = {
    3: "is of another machine, or of 32 bits",
    4: "is statically linked: it has no dynamic linker that could load a library",
    5: "uses another C library than sigrec was built for",
    6: "is setuid or setgid: it acts for somebody else than who started it",
    7: "is built with a sanitizer, which has handlers of its own",
}
_START_WITH_RUN = "start it with `sigrec run` instead"


class Attached:
    """What an attach has cost."""

    __slots__ = ("stopped_ns", "stops")

    def __init__(self, stops: int, stopped_ns: int) -> None:
        self.stops = stops  # how often a thread was stopped
        self.stopped_ns = stopped_ns  # the longest of these times


def attach(pid: int, *, history: int = ATTACH_HISTORY, any: bool = False) -> Recording:
    """Record a process that already runs, from now on. What came before is not known. The process's
    behaviour does not change.

    One of its threads is stopped for some milliseconds, at a moment when that does no harm, and
    loads sigrec's library. If there is no better moment, this may interrupt a system call, such as
    epoll_wait(2), which then returns EINTR.

    history: how many events are kept, as of :func:`configure`, but 1,024 by default.
    any: whether to record also a process with a seccomp(2) filter, which may end the process for a
        system call of ours.

    Returns the process's recording. Raises ValueError for a bad argument, and SigrecError if the
    process cannot be recorded: then the process is as it was, and the message says why, and what to
    do.
    """
    begin_attach(pid, history, any)
    return open_recording(pid)


def detach(pid: int, *, any: bool = False) -> None:
    """End what :func:`attach` began: the process has its own handlers again. The library stays in
    the process, and the recording can still be read. Signals for which the program itself has
    called :func:`record` or :func:`register` are recorded further.

    Raises what :func:`attach` raises.
    """
    end_attach(pid, any)


def begin_attach(pid: int, history: int = ATTACH_HISTORY, any_filter: bool = False) -> Attached:
    pid = _meant(pid)
    history = _check.integer(f"history must be an int from 16 to {LARGEST}", history, 16, LARGEST)
    _check.flag("any", any_filter)
    _refuse(pid, any_filter)
    path = path_if_recorded(pid)
    if path is not None:
        raise SigrecError(f"PID {pid} is recorded already: {path}")
    return _attach_or_detach(pid, False, 1 << (history - 1).bit_length())


def end_attach(pid: int, any_filter: bool = False) -> Attached:
    pid = _meant(pid)
    _check.flag("any", any_filter)
    if status(pid) is not None and not _attached(pid):
        raise SigrecError(f"sigrec is not attached to PID {pid}: there is nothing to detach")
    _refuse(pid, any_filter)
    return _attach_or_detach(pid, True, ATTACH_HISTORY)


def _meant(pid: int) -> int:
    pid = _check.integer("pid must be the PID of a process", pid, 1, _check.INT_MAX)
    if not names_ours():
        raise SigrecError(NO_PROC)
    return pid


def _attached(pid: int) -> bool:
    try:
        with open_recording(pid) as recording:
            return recording.state == "alive" and recording._attached == 1
    except RecordingError:
        return False


def path_if_recorded(pid: int) -> str | None:
    """The path of the process's recording, if it is recorded."""
    try:
        with open_recording(pid) as recording:
            if recording.state == "alive" and recording._detached_ns is None:
                return recording.path
    except (NoRecordingError, OSError):
        pass
    return None


def _refuse(pid: int, any_filter: bool) -> None:
    found = reason(pid, any_filter)
    if found is not None:
        what, advice = found
        raise SigrecError(
            f"PID {pid} cannot be attached to: it {what}" + (f". {advice}" if advice else "")
        )


def reason(pid: int, any_filter: bool = False) -> tuple[str, str] | None:
    """Why this process cannot attach to that one, as far as that is seen from outside, in words
    that follow "it"; and what to do about it. None: nothing is in the way."""
    now = status(pid)
    if now is None:
        raise SigrecError(f"there is no process {pid} here")
    return (
        _reason_of_itself(pid, now)
        or _reason_of_rights(pid, now)
        or _reason_of_program(pid, now, any_filter)
    )


def _reason_of_itself(pid: int, now: Status) -> tuple[str, str] | None:
    if pid == os.getpid():
        return "is this process itself", "Call sigrec.record() in it"
    if now.state in "ZX":
        if len(threads(pid)) > 1:
            return "goes on without its main thread, which has ended", _START_WITH_RUN
        return "has ended, and is a zombie", f"`sigrec why {pid}` may know more"
    if is_kernel_thread(pid):
        return "is a thread of the kernel's", ""
    if now.tgid not in (None, pid):
        return "is a thread, and no process", f"Its process is PID {now.tgid}"
    if now.pids[-1:] == [1]:
        return (
            "is PID 1, the init of its namespace, and signals do not end it as they end other processes",
            "Start its program below an init: docker run --init",
        )
    if now.tracer:
        name = comm(now.tracer)
        return (
            f"is traced already, by PID {now.tracer}{f' ({name})' if name else ''}",
            "A process has one tracer: end that first",
        )
    if now.state == "T":
        return "is stopped", f"Let it go on: kill -CONT {pid}"
    if now.state == "D" and len(threads(pid)) == 1:
        return (
            "cannot be stopped now: it waits for a device, a file system or a child of vfork()",
            "Try again when that is over",
        )
    return None


def _reason_of_rights(pid: int, now: Status) -> tuple[str, str] | None:
    uid = owner(pid)
    if os.geteuid() not in (0, uid):
        return f"belongs to uid {uid}, and you are uid {os.geteuid()}", f"sudo sigrec attach {pid}"
    capable = capabilities() >> CAP_SYS_PTRACE & 1
    if os.geteuid() == 0 and not capable and uid != 0:
        return f"belongs to uid {uid}, and root has no CAP_SYS_PTRACE here", _CAPABILITY
    scope = ptrace_scope()
    if scope >= 3:
        return (
            "may not be traced by anybody: kernel.yama.ptrace_scope is 3",
            "That stays until the machine is started anew; " + _START_WITH_RUN,
        )
    if scope >= 1 and not capable:
        return (
            f"may not be traced: kernel.yama.ptrace_scope is {scope}",
            f"As root: sudo sigrec attach {pid}; or sysctl kernel.yama.ptrace_scope=0",
        )
    return None


_CAPABILITY = "Give it that: docker run --cap-add SYS_PTRACE"


def _reason_of_program(pid: int, now: Status, any_filter: bool) -> tuple[str, str] | None:
    target = _core.target(f"/proc/{pid}/exe".encode())
    if target in _CANNOT_LOAD:
        return _CANNOT_LOAD[target], ""
    of_threads = [thread for tid in threads(pid) if (thread := status(pid, tid)) is not None]
    if not any_filter and any(thread.filtered for thread in [now, *of_threads]):
        return (
            "has a seccomp filter, which may end it for a system call of ours",
            f"{_START_WITH_RUN[0].upper()}{_START_WITH_RUN[1:]}; or, at its risk, attach with --any",
        )
    if any(thread.shadow_stack for thread in of_threads):
        return "has a shadow stack, on which nothing can be called from outside", _START_WITH_RUN
    if signal.SIGTRAP in now.ignored:
        return (
            "ignores SIGTRAP, by which a tracer learns that its call has returned",
            _START_WITH_RUN,
        )
    return None


def _attach_or_detach(pid: int, ends: bool, history: int) -> Attached:
    uid = owner(pid)
    named = os.environ.get("SIGREC_DIR", "")
    directories = [f"/dev/shm/sigrec-{uid}", f"/tmp/sigrec-{uid}"]
    if named and uid == os.geteuid():
        directories.insert(0, os.path.abspath(named))
    how, error, stops, stopped_ns, text = _core.attach(
        pid, ends, _core.library(), history, [os.fsencode(path) for path in directories]
    )
    if how != DONE:
        raise SigrecError(_why_not(ends, pid, how, error, text))
    return Attached(stops, stopped_ns)


def _why_not(ends: bool, pid: int, how: int, error: int, text: bytes) -> str:
    says = os.strerror(error) if error else ""
    if how == REFUSED and error == 1:  # EPERM
        right = (
            "" if capabilities() >> CAP_SYS_PTRACE & 1 else f": no CAP_SYS_PTRACE. {_CAPABILITY}"
        )
        return f"PID {pid} cannot be attached to: the kernel does not let us trace it{right}"
    words = {
        UNSUPPORTED: "attaching needs Linux on x86-64",
        REFUSED: f"the kernel refused that: {says}",
        ENDED: "it ended, or became another program, meanwhile",
        NO_MOMENT: "none of its threads could be stopped without harm: each was "
        "in the allocator, in a signal handler, or waiting for a lock. Try again",
        NOT_STOPPED: "cannot be stopped now: one of its threads waits in the kernel, for a device "
        "or a child of vfork(). Try again",
        HALTED: f"it is stopped. Let it go on: kill -CONT {pid}",
        NO_LIBRARY: "it has no C library that could load another: it is statically linked, or of a kind "
        "that is not known here",
        LOCKED: "its allocator or its dynamic linker is locked by a thread that does not go on",
        NOT_LOADED: f"its dynamic linker says: {text.decode(errors='replace')}",
        OTHER_BUILD: "another build of sigrec is loaded in it, and may record it: "
        "use that build, or start the process again",
        FAULT: "sigrec's library did not work in it; it goes on as before",
        NOT_BEGUN: "it has no directory to record in, or may not write there"
        if error == errno.ENOENT
        else "its recording is just begun or ended by somebody else. Try again"
        if error == errno.EALREADY
        else f"its recording cannot be made: {says}",
        NO_TRACER: "the process that does it was killed",
        SLOW: "it gets too little of the processor to be stopped for a short time only. Try again",
    }  # fmt: skip
    was = f"sigrec was not detached from PID {pid}" if ends else f"PID {pid} was not attached to"
    return f"{was}: {words.get(how, says)}"


for _public in (attach, detach):
    _public.__module__ = "sigrec"
del _public
