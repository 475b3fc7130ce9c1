"""What a program finds that is started on this machine. Each check tries the thing itself."""

from __future__ import annotations

import os
import platform
import signal
import sys

from sigrec import SigrecError, __version__
from sigrec._doctor.finding import Finding, names
from sigrec._doctor.limit import queue_limit
from sigrec._proc import host, pidfd
from sigrec._proc.status import Status, status
from sigrec._recorder import beside
from sigrec._signals.names import name
from sigrec._text import printable, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MADV_WIPEONFORK = 18  # <linux/mman.h>
HOST_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO, <linux/proc_ns.h>


def machine() -> Iterator[Finding]:
    """Checks a process that was started here: this one."""
    at_start = status("self")  # before the checks change anything
    yield _check_versions()
    if not sys.platform.startswith("linux"):
        yield Finding(
            "platform", "note", f"{sys.platform}: each signal is counted when it is delivered, and "
            "none is taken in between, so more of them merge",
            "for floods of standard signals use Linux, or real-time signals where there are any",
        )  # fmt: skip
    try:
        from sigrec import _core as _core
    except (ImportError, SigrecError) as error:
        yield Finding(
            "core", "problem", f"the compiled module cannot be loaded: {error}",
            f"install sigrec for this very Python: {sys.executable} -m pip install --force-reinstall "
            "sigrec",
        )  # fmt: skip
        return
    from sigrec._doctor.place import place
    from sigrec._doctor.trial import trial

    if at_start is None:
        yield Finding(
            "/proc", "problem", "/proc/self/status cannot be read: who is alive cannot be told",
            "mount it: mount -t proc proc /proc",
        )  # fmt: skip
    else:
        yield from _check_inherited(at_start)
        yield from _check_surroundings(at_start)
        yield queue_limit(at_start)
    yield from _check_kernel()
    yield from place()
    yield trial()
    yield _check_extras()


def _check_versions() -> Finding:
    gil = getattr(sys, "_is_gil_enabled", None)
    threads = "" if gil is None else ", GIL on" if gil() else ", GIL off"
    libc = " ".join(platform.libc_ver()).strip() or "a C library that does not say its name"
    return Finding(
        "versions", "ok",
        f"sigrec {__version__}; {platform.python_implementation()} {platform.python_version()}{threads}; "
        f"{libc}; {platform.system()} {platform.release()} {platform.machine()}",
    )  # fmt: skip


def _check_inherited(now: Status) -> Iterator[Finding]:
    # Python itself ignores these two. A program that posix_spawn(3) starts ignores those that glibc
    # keeps for itself, too, which no program can change (spawni.c).
    ignored = now.ignored & signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}
    if ignored:
        yield Finding(
            "inherited", "note",
            f"as ignored: {names(ignored)}. A program that is started here ignores these signals until it "
            "sets a handler; record() and `sigrec run` record them only where they are named",
            "nothing, if this is intended: nohup does it, and a shell's & without job control; else "
            "start the program from a terminal, or from a service manager",
        )  # fmt: skip
    if now.blocked:
        yield Finding(
            "inherited", "problem", f"as blocked: {names(now.blocked)}. They stay pending, and no "
            "handler sees them",
            "unblock them before this program is started; or, in the program: "
            "signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())",
        )  # fmt: skip
    if not ignored and not now.blocked:
        yield Finding("inherited", "ok", "no signal is ignored or blocked before a program begins")
    python, foreign = _handlers_at_start(now)
    if python:
        yield Finding(
            "handlers", "note", f"Python code that runs at start has set handlers: {'; '.join(python)}",
            "register() takes their place and gives it back; `sigrec run` records beside them",
        )  # fmt: skip
    if foreign:
        yield Finding(
            "handlers", "note", f"C code has set handlers: {names(foreign)}"
            + (" (faulthandler is on)" if _is_faulthandler_on() else ""),
            "register() takes their place and gives it back; `sigrec run` records beside them",
        )  # fmt: skip
    if not python and not foreign:
        yield Finding("handlers", "ok", "nothing catches a signal before a program begins")
    wakeup = _wakeup_fd()
    if wakeup != -1:
        yield Finding(
            "wakeup fd", "note", f"descriptor {wakeup} is the wakeup fd already: an event loop uses it",
            "sigrec needs none and leaves it alone; for a registered signal one byte is written to it "
            "at each wake-up, not for each signal",
        )  # fmt: skip


def _handlers_at_start(now: Status) -> tuple[list[str], set[int]]:
    """Handlers that Python itself has not set: descriptions of those
    in Python, signal numbers of those in C."""
    python, foreign = [], set()
    for signum in signal.valid_signals() & now.caught:
        at_start = signal.getsignal(signum)
        if at_start is None or at_start in (signal.SIG_DFL, signal.SIG_IGN):
            foreign.add(int(signum))
        elif at_start is not signal.default_int_handler:
            python.append(f"{name(signum)}: {printable(shortened(repr(at_start), 60))}")
    return python, foreign


def _is_faulthandler_on() -> bool:
    import faulthandler

    return faulthandler.is_enabled()


def _wakeup_fd() -> int:
    fd = signal.set_wakeup_fd(-1)
    if fd != -1:
        signal.set_wakeup_fd(fd)
    return fd


def _check_surroundings(now: Status) -> Iterator[Finding]:
    if now.tracer:
        yield Finding(
            "debugger", "note", f"PID {now.tracer} traces this process, and gets each signal before it",
            "a debugger may drop signals (gdb: `info signals`); what it drops was never delivered",
        )  # fmt: skip
    if host.pid_namespace() not in (0, HOST_PID_NAMESPACE):
        first = ""
        if os.getpid() == 1:
            first = "; and this is its PID 1, which the kernel spares every signal that it does not catch"
        yield Finding(
            "namespace", "note", "a PID namespace of its own, as in a container: of a sender outside "
            f"of it the kernel tells no PID{first}",
            "read recordings inside of it: docker exec CONTAINER sigrec stats",
        )  # fmt: skip
    if now.filtered:
        yield Finding(
            "seccomp",
            "note",
            "system calls are filtered: seccomp(2)",
            "see whether the checks below pass",
        )


def _check_kernel() -> Iterator[Finding]:
    if not hasattr(signal, "sigtimedwait"):
        return
    problem = _problem_of_sigtimedwait()
    if problem is None:
        yield Finding("rt_sigtimedwait", "ok", "a handler can take what else is pending, in place")
    else:
        yield Finding(
            "rt_sigtimedwait", "problem",
            f"{problem}: handlers cannot take what else is pending, so more signals merge",
            "allow that system call in the seccomp profile or sandbox",
        )  # fmt: skip
    import mmap

    with mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as page:
        try:
            page.madvise(MADV_WIPEONFORK)
        except OSError as error:
            yield Finding(
                "MADV_WIPEONFORK", "note", f"{error.strerror}: a child of fork() clears its parent's counters "
                "itself, with signals blocked; but a child that clone(2) or _Fork() makes would count into its "
                "parent's recording, and must take no signal",
                "nothing, if no such child is made; else Linux 4.14 or later: emulators and sandboxes may lack it",
            )  # fmt: skip
        else:
            yield Finding(
                "MADV_WIPEONFORK",
                "ok",
                "a forked child counts for itself from its first instruction",
            )
    yield _check_pidfd(pidfd.tells_of_the_reaped())
    if sys.platform == "linux" and (reason := beside.problem()):
        yield Finding(
            "report", "note", f"`sigrec run --report` does not work here: {reason}",
            "install sigrec where programs can be executed: that file system may be mounted with noexec",
        )  # fmt: skip


def _check_pidfd(tells: bool | None) -> Finding:
    """tells: the result of tells_of_the_reaped()."""
    if tells:
        return Finding("pidfd", "ok", "any user who waits for a process is told how it ended")
    if tells is None:
        return Finding(
            "pidfd", "note", "this kernel has none: `sigrec why --wait` and `sigrec run --report` do not work here, and "
            "`tail -f` and `stats --live` look for the end again and again",
            "Linux 5.3 or later has pidfds",
        )  # fmt: skip
    return Finding(
        "pidfd", "note", "they tell only a process's own user how it ended, and only before its parent has asked: `sigrec "
        "why --wait` has to be run by that user, or by root, and where the parent is faster, it and `sigrec run --report` "
        "say what was recorded, and not what the kernel says",
        "Linux 6.15 or later tells every user, also afterwards",
    )  # fmt: skip


def _problem_of_sigtimedwait() -> str | None:
    # A standard signal can be pending even if none can be queued (RLIMIT_SIGPENDING).
    signum = signal.SIGUSR2
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signum})
    signal.raise_signal(signum)
    try:
        if signal.sigtimedwait({signum}, 0) is not None:
            return None
        problem = "rt_sigtimedwait() does not find a signal that is pending"
    except OSError as error:
        problem = str(error.strerror)
    finally:
        if signum in signal.sigpending():
            handler = signal.signal(signum, signal.SIG_IGN)  # which discards what is pending
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return problem


def _check_extras() -> Finding:
    from importlib.util import find_spec

    missing = [module for module in ("rich", "shtab") if find_spec(module) is None]
    if missing:
        return Finding(
            "extras", "note", f"not installed: {', '.join(missing)}. Tables are plain text"
            + (", and there is no completion" if "shtab" in missing else ""),
            "pip install 'sigrec[cli]'",
        )  # fmt: skip
    return Finding("extras", "ok", "rich and shtab are there: tables, live view, completion")
