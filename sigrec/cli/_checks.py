"""What ``sigrec doctor`` finds: each check tries the thing itself, where it can be tried."""

from __future__ import annotations

import os
import platform
import signal
import sys
import time
from typing import NamedTuple

from sigrec import __version__
from sigrec._errors import NoRecordingError, RecordingError, SigrecError
from sigrec._proc.process import owner, stat_fields
from sigrec._signals.names import name
from sigrec._text import number, printable, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FLOOD = 1000  # signals
PATIENCE_S = 10.0
STUCK_S = 0.3  # in which no signal at all could be queued: none will be
ENOUGH_PENDING = 1024  # signals: below that a burst of real-time ones is refused
MADV_WIPEONFORK = 18  # <linux/mman.h>
PF_KTHREAD = 0x00200000  # <linux/sched.h>, in field 9 of proc_pid_stat(5)
HOST_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO, <linux/proc_ns.h>


class Finding(NamedTuple):
    check: str
    verdict: str  # "ok", "note": works, but you should know, "problem"
    found: str
    advice: str | None = None  # what to do about it

    def to_dict(self) -> dict[str, str | None]:
        return self._asdict()


class Status(NamedTuple):
    """What proc_pid_status(5) says of a process's signals."""

    state: str  # "R", "S", "T", ...
    parent: int
    caught: frozenset[int]
    ignored: frozenset[int]
    blocked: frozenset[int]
    pending: frozenset[int]
    queued: tuple[int, int] | None  # real-time signals and the like, of this user; and how many may
    tracer: int
    pids: list[int]  # in each PID namespace, from ours on down
    filtered: bool  # by seccomp(2)


def status(pid: int | str, tid: int | None = None) -> Status | None:
    """None: there is no such process, or no /proc."""
    path = f"/proc/{pid}/status" if tid is None else f"/proc/{pid}/task/{tid}/status"
    try:
        with open(path, errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
    except OSError:
        return None

    def numbers(field: str) -> frozenset[int]:
        mask = int(fields.get(field, "0"), 16)
        return frozenset(n for n in range(1, 65) if mask >> (n - 1) & 1)

    queued, _, limit = fields.get("SigQ", "").partition("/")
    return Status(
        state=fields.get("State", "?").strip()[:1],
        parent=int(fields.get("PPid", "0")),
        caught=numbers("SigCgt"),
        ignored=numbers("SigIgn"),
        blocked=numbers("SigBlk"),
        pending=numbers("SigPnd") | numbers("ShdPnd"),
        queued=(int(queued), int(limit)) if limit else None,
        tracer=int(fields.get("TracerPid", "0")),
        pids=[int(text) for text in fields.get("NSpid", "").split()],
        filtered=fields.get("Seccomp", "0").strip() != "0",
    )


def names(signums: Iterable[int]) -> str:
    return ", ".join(name(signum) for signum in sorted(signums))


# --- this machine ------------------------------------------------------------------------


def machine() -> Iterator[Finding]:
    """A process that is started here, as this one was."""
    at_start = status("self")  # before the checks change anything
    yield _versions()
    if not sys.platform.startswith("linux"):
        yield Finding(
            "platform", "note", f"{sys.platform}: each signal is counted when it is delivered, and "
            "none is taken in between, so more of them merge",
            "for floods of standard signals use Linux, or real-time signals where there are any",
        )  # fmt: skip
    try:
        from sigrec import _core as _core
    except ImportError as error:
        yield Finding(
            "core", "problem", f"the compiled module cannot be loaded: {error}",
            f"install sigrec for this very Python: {sys.executable} -m pip install --force-reinstall "
            "sigrec",
        )  # fmt: skip
        return
    if at_start is None:
        yield Finding(
            "/proc", "problem", "/proc/self/status cannot be read: who is alive cannot be told",
            "mount it: mount -t proc proc /proc",
        )  # fmt: skip
    else:
        yield from _inherited(at_start)
        yield from _surroundings(at_start)
        yield _queue_limit(at_start)
    yield from _kernel()
    yield from _place()
    yield _flood()
    yield _extras()


def _versions() -> Finding:
    gil = getattr(sys, "_is_gil_enabled", None)
    threads = "" if gil is None else ", GIL on" if gil() else ", GIL off"
    libc = " ".join(platform.libc_ver()).strip() or "a C library that does not say its name"
    return Finding(
        "versions", "ok",
        f"sigrec {__version__}; {platform.python_implementation()} {platform.python_version()}{threads}; "
        f"{libc}; {platform.system()} {platform.release()} {platform.machine()}",
    )  # fmt: skip


def _inherited(now: Status) -> Iterator[Finding]:
    # Python itself ignores these two; and what posix_spawn(3) starts ignores those that glibc keeps
    # for itself, which no program can set (spawni.c).
    ignored = now.ignored & signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}
    if ignored:
        yield Finding(
            "inherited", "note",
            f"as ignored: {names(ignored)}. What is started here ignores these until it sets a "
            "handler, and a recorder leaves that so unless it is told their names",
            "nothing, if that is meant: nohup does it, and a shell's & without job control; else "
            "start it from a terminal, or from a service manager",
        )  # fmt: skip
    if now.blocked:
        yield Finding(
            "inherited", "problem", f"as blocked: {names(now.blocked)}. They stay pending, and no "
            "handler sees them",
            "whoever starts this program should unblock them first; or, in it: "
            "signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())",
        )  # fmt: skip
    if not ignored and not now.blocked:
        yield Finding("inherited", "ok", "no signal is ignored or blocked before a program begins")
    python, foreign = _handlers(now)
    if python:
        yield Finding(
            "handlers", "note", f"Python code that runs at start has set handlers: {'; '.join(python)}",
            "register() takes their place and gives it back; `sigrec run` records beside them",
        )  # fmt: skip
    if foreign:
        yield Finding(
            "handlers", "note", f"C code has set handlers: {names(foreign)}"
            + (" (faulthandler is on)" if _faulthandler() else ""),
            "register() takes their place and gives it back; `sigrec run` records beside them",
        )  # fmt: skip
    if not python and not foreign:
        yield Finding("handlers", "ok", "nothing catches a signal before a program begins")
    wakeup = _wakeup_fd()
    if wakeup != -1:
        yield Finding(
            "wakeup fd", "note", f"descriptor {wakeup} is the wakeup fd already: somebody's event loop",
            "sigrec needs none and leaves it alone; a registered signal writes one byte a wake-up to "
            "it, not one a signal",
        )  # fmt: skip


def _handlers(now: Status) -> tuple[list[str], set[int]]:
    """Who catches what beside Python itself: descriptions of Python's, numbers of C's."""
    python, foreign = [], set()
    for signum in signal.valid_signals() & now.caught:
        handler = signal.getsignal(signum)
        if handler is None or handler in (signal.SIG_DFL, signal.SIG_IGN):
            foreign.add(int(signum))
        elif handler is not signal.default_int_handler:
            python.append(f"{name(signum)}: {printable(shortened(repr(handler), 60))}")
    return python, foreign


def _faulthandler() -> bool:
    import faulthandler

    return faulthandler.is_enabled()


def _wakeup_fd() -> int:
    fd = signal.set_wakeup_fd(-1)
    if fd != -1:
        signal.set_wakeup_fd(fd)
    return fd


def _surroundings(now: Status) -> Iterator[Finding]:
    if now.tracer:
        yield Finding(
            "debugger", "note", f"PID {now.tracer} traces this process, and gets each signal before it",
            "a debugger may drop signals (gdb: `info signals`); what it drops was never delivered",
        )  # fmt: skip
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = HOST_PID_NAMESPACE
    if namespace != HOST_PID_NAMESPACE:
        first = ""
        if os.getpid() == 1:
            first = "; and this is its PID 1, which the kernel spares every signal that it does not catch"
        yield Finding(
            "namespace", "note", "a PID namespace of its own, as in a container: a sender outside of "
            f"it is seen as PID 0{first}",
            "read recordings inside of it: docker exec CONTAINER sigrec stats",
        )  # fmt: skip
    if now.filtered:
        yield Finding(
            "seccomp",
            "note",
            "system calls are filtered: seccomp(2)",
            "see whether the checks below pass",
        )


def _queue_limit(now: Status, pid: int | None = None) -> Finding:
    if now.queued is None:
        return Finding("RLIMIT_SIGPENDING", "note", "how many signals may be queued is not known")
    used, limit = now.queued
    found = f"{number(limit)} signals may be queued for this user's processes, {number(used)} are"
    if limit - used >= ENOUGH_PENDING:
        return Finding("RLIMIT_SIGPENDING", "ok", found)
    now_too = "" if pid is None else f"prlimit --pid {pid} --sigpending=65536 for this one, "
    return Finding(
        "RLIMIT_SIGPENDING", "problem" if used >= limit else "note",
        f"{found}. When it is reached sigqueue() fails with EAGAIN; a real-time signal of kill() "
        "merges, and loses who sent it",
        f"raise it, as root: {now_too}ulimit -i 65536 in the shell that starts it, "
        "LimitSIGPENDING=65536 in its systemd unit, --ulimit sigpending=65536 for a container",
    )  # fmt: skip


def _kernel() -> Iterator[Finding]:
    if not hasattr(signal, "sigtimedwait"):
        return
    problem = _sigtimedwait()
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
                "MADV_WIPEONFORK", "problem", f"{error.strerror}: a forked child could not tell that it is one",
                "Linux 4.14 or later; emulators and sandboxes may lack it",
            )  # fmt: skip
        else:
            yield Finding(
                "MADV_WIPEONFORK",
                "ok",
                "a forked child counts for itself from its first instruction",
            )


def _sigtimedwait() -> str | None:
    # A standard signal: it is pending even where none can be queued (RLIMIT_SIGPENDING).
    signum = signal.SIGUSR2
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signum})
    signal.raise_signal(signum)
    try:
        if signal.sigtimedwait({signum}, 0) is not None:
            return None
        problem = "it does not find a signal that is pending"
    except OSError as error:
        problem = str(error.strerror)
    finally:
        if signum in signal.sigpending():
            handler = signal.signal(signum, signal.SIG_IGN)  # which discards what is pending
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return problem


def _place() -> Iterator[Finding]:
    """Where the recording of this process went, and whether it can be read from there."""
    import warnings

    from sigrec import _core
    from sigrec._reader import places
    from sigrec._recorder import publishing

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            publishing.start()
        except OSError as error:
            yield Finding(
                "recording", "problem", f"the core cannot be started: {error.strerror}",
                "see the checks above, and report it with this output",
            )  # fmt: skip
            return
    path = os.fsdecode(_core.path())
    passed_over = "; ".join(
        # Without its end, which says where it goes instead.
        printable(str(w.message)).removeprefix("sigrec: ").rpartition("; ")[0]
        for w in caught
        if str(w.message).startswith("sigrec: ")
    )
    if not path:
        if places.publishing_off():
            yield Finding(
                "recording", "note", "SIGREC_DIR is set and empty: nothing is published, and only the "
                "process itself can read its counters",
                "unset SIGREC_DIR",
            )  # fmt: skip
        else:
            yield Finding(
                "recording", "problem", f"no file can be made: {passed_over}. Only the process itself "
                "can read its counters, and they end with it",
                "set SIGREC_DIR to a directory of your own, on a tmpfs, writable by nobody else; in a "
                "container: --tmpfs /dev/shm",
            )  # fmt: skip
        return
    directory = os.path.dirname(path)
    on, free = _filesystem(directory), ""
    try:
        space = os.statvfs(directory)
        free = f", {number(space.f_bavail * space.f_frsize >> 20)} MiB free"
    except OSError:
        pass
    where = f"{directory} ({on or 'file system unknown'}{free})"
    slow = "" if on in (None, "tmpfs", "ramfs") else (
        ": not memory, so that write-back can make a handler wait"
    )  # fmt: skip
    named = os.environ.get("SIGREC_DIR")
    if named and os.path.abspath(named) != directory:
        yield Finding(
            "recording", "problem",
            f"not in SIGREC_DIR: {passed_over}. It goes to {printable(where)}{slow}",
            "make SIGREC_DIR a directory of this user's that nobody else can write to: mkdir -m 700; "
            "or unset it",
        )  # fmt: skip
    elif passed_over:
        yield Finding(
            "recording", "note", f"in {printable(where)}{slow}; refused were: {passed_over}",
            "nothing, if that is meant: a reader searches all of these places; else set SIGREC_DIR to "
            "a directory of this user's, on a tmpfs",
        )  # fmt: skip
    elif slow:
        yield Finding(
            "recording", "note", f"in {printable(where)}{slow}",
            "set SIGREC_DIR to a directory on a tmpfs, as /dev/shm mostly is",
        )  # fmt: skip
    else:
        yield Finding("recording", "ok", f"in {printable(where)}")
    yield _reader(os.getpid())


def _filesystem(directory: str) -> str | None:
    """The type of the file system there: proc_pid_mountinfo(5)."""
    try:
        device = os.stat(directory).st_dev
        with open("/proc/self/mountinfo") as file:
            for line in file:
                before, _, after = line.partition(" - ")
                if before.split()[2] == f"{os.major(device)}:{os.minor(device)}":
                    return after.split()[0]
    except (OSError, IndexError):
        pass
    return None


def _reader(pid: int) -> Finding:
    from sigrec._reader.recording import open_recording

    try:
        with open_recording(pid) as recording:
            state = recording.state
    except (SigrecError, OSError) as error:
        return Finding("reading", "problem", printable(str(error)), "report it, with this output")
    if state == "alive":
        return Finding(
            "reading", "ok", "a recording is found by its PID, and its process seen to be alive"
        )
    return Finding(
        "reading", "problem", f"the state of a process that is alive reads as {state!r}",
        "/proc/PID/maps must be readable: no hidepid= for /proc, the same user, the same namespace",
    )  # fmt: skip


def _flood() -> Finding:
    """The main job: real signals of another process."""
    from sigrec import _core, register, stats

    signum = signal.SIGRTMIN + 3 if hasattr(signal, "SIGRTMIN") else signal.SIGUSR1
    queued = signum != signal.SIGUSR1
    handled = 0

    def handler(signum: int, frame: object) -> None:
        nonlocal handled
        handled += 1

    try:
        registration = register(signum, handler)
    except OSError as error:
        return Finding(
            "signals", "problem", f"{name(signum)} cannot be registered: {error.strerror}",
            "see the checks above, and report it with this output",
        )  # fmt: skip
    with registration:
        sent = _send(int(signum), queued)
        until = time.monotonic() + PATIENCE_S
        while handled < sent and time.monotonic() < until:
            time.sleep(0.005)
        ledger = stats()[signum]
        delivered, own = ledger.delivered, sum(count for _, count in ledger.senders)
        in_place = _core.in_place(signum)
    found = (
        f"of {number(sent)} signals from another process {number(delivered)} were delivered, "
        f"{number(handled)} handled, {number(own)} have their sender"
    )
    if sent < FLOOD and sent == delivered == handled:
        return Finding(
            "signals",
            "problem",
            f"{found}; {number(FLOOD)} were to be sent, and no more could be queued",
            "see RLIMIT_SIGPENDING",
        )
    if handled == delivered == own and delivered == (sent if queued else delivered) and handled:
        return Finding("signals", "ok", found)
    if not in_place:
        return Finding(
            "signals", "problem", found + "; another handler has replaced sigrec's",
            "see handlers above: something in this process sets them anew",
        )  # fmt: skip
    return Finding("signals", "problem", found, "report it, with this output")


def _send(signum: int, queued: bool) -> int:
    """Another process sends them to this one; returns how many."""
    from sigrec import _core

    receiver = os.getpid()
    read, write = os.pipe()
    sender = os.fork()
    if not sender:
        sent, until = 0, time.monotonic() + PATIENCE_S
        try:
            # In rounds: where the queue is full and stays so, or has no room at all, more patience
            # would only be spent at full speed.
            while sent < FLOOD and time.monotonic() < until:
                more, _, _ = _core.flood(receiver, signum, FLOOD - sent, queued, int(STUCK_S * 1e9))
                if not more:
                    break
                sent += more
            os.write(write, str(sent).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as answer:
        sent = int(answer.read() or 0)
    os.waitpid(sender, 0)
    return sent


def _extras() -> Finding:
    from importlib.util import find_spec

    missing = [module for module in ("rich", "shtab") if find_spec(module) is None]
    if missing:
        return Finding(
            "extras", "note", f"not installed: {', '.join(missing)}. Tables are plain text"
            + (", and there is no completion" if "shtab" in missing else ""),
            "pip install 'sigrec[cli]'",
        )  # fmt: skip
    return Finding("extras", "ok", "rich and shtab are there: tables, live view, completion")


# --- another process ---------------------------------------------------------------------


def process(pid: int) -> Iterator[Finding]:
    """What could be in the way of signals there."""
    now = status(pid)
    if now is None:
        raise SigrecError(
            f"there is no process {pid} here" if os.path.isdir("/proc/self") else "no /proc"
        )
    if now.state in "ZX":
        yield Finding(
            "process", "problem", f"it has ended, and is a zombie until its parent, PID {now.parent}, "
            "waits for it: no signal has an effect on it",
            f"sigrec why {pid}",
        )  # fmt: skip
        return
    if _kernel_thread(pid):
        yield Finding(
            "process", "problem", "it is a thread of the kernel's: signals do nothing to it",
            "look for the process that you mean: pgrep -af python",
        )  # fmt: skip
        return
    if now.state == "T":
        yield Finding(
            "process", "problem", "it is stopped: of all signals only SIGCONT and SIGKILL have an "
            "effect now, and no handler of it runs",
            f"let it go on: kill -CONT {pid}",
        )  # fmt: skip
    if now.tracer:
        yield Finding(
            "debugger", "note", f"PID {now.tracer} traces it, and gets each signal before it",
            "a debugger may drop signals (gdb: `info signals`); what it drops was never delivered",
        )  # fmt: skip
    if len(now.pids) > 1:
        yield Finding(
            "namespace", "note", f"in a PID namespace of its own, where it is PID {now.pids[-1]}",
            "its recording, and the PIDs in it, are of that namespace: docker exec CONTAINER sigrec stats",
        )  # fmt: skip
    ignored = now.ignored & signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}
    if ignored:
        yield Finding(
            "ignored", "note", f"it ignores {names(ignored)}: the kernel throws these away, and nobody "
            "can count them",
            "if that is not meant: it was inherited (nohup), or it calls signal.signal(..., SIG_IGN)",
        )  # fmt: skip
    yield _blocked(pid, now.pending)
    waiting = now.pending - _blocked_everywhere(pid)
    if waiting and now.state != "T":
        yield Finding(
            "pending", "note", f"sent, and not delivered yet: {names(waiting)}",
            "its threads that do not block them are asleep in the kernel (ps shows D), or about to "
            "run: look again",
        )  # fmt: skip
    yield _queue_limit(now, pid)
    yield from _recorded(pid, now)


def _kernel_thread(pid: int) -> bool:
    fields = stat_fields(pid)
    return bool(fields and int(fields[6]) & PF_KTHREAD)


def _blocked_everywhere(pid: int) -> frozenset[int]:
    """What every thread blocks reaches none."""
    try:
        threads = [status(pid, int(tid)) for tid in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        threads = []
    masks = [thread.blocked for thread in threads if thread is not None]
    return frozenset.intersection(*masks) if masks else frozenset()


def _blocked(pid: int, pending: frozenset[int]) -> Finding:
    everywhere = _blocked_everywhere(pid)
    advice = "signal.pthread_sigmask(signal.SIG_UNBLOCK, ...) in the thread that is to handle them"
    if everywhere & pending:
        return Finding(
            "mask", "problem", f"sent, and blocked in every one of its threads: "
            f"{names(everywhere & pending)}. They wait until one unblocks them",
            advice,
        )  # fmt: skip
    if everywhere:
        return Finding(
            "mask", "note", f"blocked in every one of its threads: {names(everywhere)}. These stay "
            "pending, unless it waits for them with sigwait() or a signalfd",
            advice,
        )  # fmt: skip
    return Finding("mask", "ok", "nothing is blocked in all of its threads")


def _python(pid: int) -> bool | None:
    """Whether it runs Python; None: not ours to see."""
    try:
        if os.path.basename(os.readlink(f"/proc/{pid}/exe")).startswith("python"):
            return True
        with open(f"/proc/{pid}/maps", "rb") as maps:
            return b"libpython" in maps.read()
    except OSError:
        return None


def _recorded(pid: int, now: Status) -> Iterator[Finding]:
    from sigrec._reader.recording import open_recording

    try:
        recording = open_recording(pid)
    except NoRecordingError as error:
        yield Finding(
            "handlers",
            "ok",
            f"it catches {names(now.caught & signal.valid_signals()) or 'no signal'}",
        )
        if _python(pid) is False:
            yield Finding(
                "recording", "note", "it has none, and it is not a Python program",
                f"of other programs strace shows the signals: strace -f -e trace=none -p {pid}",
            )  # fmt: skip
        else:
            yield Finding(
                "recording", "note", printable(str(error)),
                f"ask as that user, or as root: sudo sigrec doctor {pid}"
                if os.geteuid() not in (0, owner(pid))
                else "start it with `sigrec run`, or call sigrec.register() or sigrec.record() in it",
            )  # fmt: skip
        return
    except (RecordingError, OSError) as error:
        yield Finding("recording", "problem", printable(str(error)), "report it, with this output")
        return
    with recording:
        if recording.state != "alive":
            yield Finding(
                "recording", "note", f"{printable(recording.path or '')} is of a process that had this "
                f"PID: {recording.state}",
                "`sigrec why` has more about that one",
            )  # fmt: skip
            return
        signals = recording.signals.values()
        registered = [s.number for s in signals if s.mode == "registered"]
        passive = [s.number for s in signals if s.mode == "recorded"]
        yield Finding(
            "recording", "ok", f"{printable(recording.path or '')}: registered: "
            f"{names(registered) or 'none'}; recorded: {len(passive) or 'none'}",
        )  # fmt: skip
        lost = [
            s.number
            for s in signals
            if s.mode == "registered" and (s.replaced or s.number not in now.caught)
        ]
        if lost:
            yield Finding(
                "handlers", "problem", f"another handler has taken the place of sigrec's: {names(lost)}",
                "something in it calls sigaction() or signal.signal() after register(): register later, "
                "or let the other go first",
            )  # fmt: skip
        elif registered:
            yield Finding(
                "handlers", "ok", "the kernel says that something catches each signal that is "
                "registered. Whether it is sigrec, only the process knows: sigrec.stats() in it notices"
            )  # fmt: skip
        waiting = [s for s in signals if s.pending]
        if waiting:
            yield Finding(
                "handling", "note", "delivered, and its handler not called yet: "
                + ", ".join(f"{number(s.pending)} {s.signal}" for s in waiting),
                "its main thread is busy in C code, or in another handler: py-spy dump --pid "
                f'{pid}; register(..., deliver="thread") does not wait for it',
            )  # fmt: skip
