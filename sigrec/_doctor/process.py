"""Finds what could be in the way of signals in another process."""

from __future__ import annotations

import os
import signal
import time

from sigrec._doctor.finding import Finding, names
from sigrec._doctor.limit import queue_limit
from sigrec._errors import NoRecordingError, RecordingError, SigrecError
from sigrec._proc.host import NO_PROC, names_ours
from sigrec._proc.maps import maps_library
from sigrec._proc.process import executable, owner
from sigrec._proc.status import Status, blocked_everywhere, is_kernel_thread, status
from sigrec._reader.opening import open_recording
from sigrec._recorder import attach
from sigrec._signals.names import VALID
from sigrec._text import number, printable
from sigrec._times import local_clock, rounded_duration
from sigrec._why import masks
from sigrec._why.dispositions import lines, standing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigrec._reader.ledger import SignalStats
    from sigrec._reader.recording import Recording

IN_A_HANDLER = 50  # no program blocks so many signals, but sigrec's handler blocks nearly all
HANDLER_LOOK_S = 1.0  # the time between two looks at what a handler is doing


def process(pid: int) -> Iterator[Finding]:
    """Finds what is in the way of signals in that process."""
    now = status(pid) if names_ours() else None
    if now is None:
        raise SigrecError(f"there is no process {pid} here" if names_ours() else NO_PROC)
    if now.state in "ZX":
        yield Finding(
            "process", "problem", f"it has ended, and is a zombie until its parent, PID {now.parent}, "
            "waits for it: no signal has an effect on it",
            f"sigrec why {pid}",
        )  # fmt: skip
        return
    if is_kernel_thread(pid):
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
            "the PIDs in its recording are of that namespace: docker exec CONTAINER sigrec stats",
        )  # fmt: skip
    ignored = now.ignored & VALID - {signal.SIGPIPE, signal.SIGXFSZ}
    if ignored:
        yield Finding(
            "ignored", "note", f"it ignores {names(ignored)}: the kernel throws these away, and nobody "
            "can count them",
            "if that is not meant: it was inherited (nohup), or it calls signal.signal(..., SIG_IGN)",
        )  # fmt: skip
    yield _check_mask(pid, now)
    waiting = now.pending - blocked_everywhere(pid)
    if waiting and now.state != "T":
        yield Finding(
            "pending", "note", f"sent, and not delivered yet: {names(waiting)}",
            "its threads that do not block them are asleep in the kernel (ps shows D), or about to "
            "run: look again",
        )  # fmt: skip
    yield queue_limit(now, pid)
    yield from _check_recording(pid, now)
    if attach.path_if_recorded(pid) is None:
        yield _check_attach(pid)


def _check_attach(pid: int) -> Finding:
    """Whether `sigrec attach` can have the process
    recorded from now on, as far as that is seen from outside."""
    in_the_way = attach.reason(pid)
    if in_the_way is None:
        return Finding("attach", "ok", f"sigrec attach {pid} can record it from now on")
    what, advice = in_the_way
    return Finding("attach", "note", f"it cannot be attached to: it {what}", advice or None)


def _check_mask(pid: int, now: Status) -> Finding:
    everywhere = _settled_mask(pid, now.state)
    advice = "signal.pthread_sigmask(signal.SIG_UNBLOCK, ...) in the thread that is to handle them"
    if len(everywhere) >= IN_A_HANDLER:
        # A list of all 60 would say nothing, and to unblock them would be wrong.
        if now.state == "T":
            return Finding(
                "mask", "note", "it was stopped while it entered a handler, or inside one, and a handler "
                "blocks nearly every signal", "nothing, unless they are still blocked when the process runs again",
            )  # fmt: skip
        return Finding(
            "mask", "problem", f"nearly every signal ({len(everywhere)}) is blocked in every one of its "
            "threads: by a handler in C that does not return, or by the program itself",
            f"see where it hangs: gdb -p {pid} -batch -ex 'thread apply all backtrace'",
        )  # fmt: skip
    if everywhere & now.pending:
        return Finding(
            "mask", "problem", f"sent, and blocked in every one of its threads: "
            f"{names(everywhere & now.pending)}. They wait until a thread unblocks them",
            advice,
        )  # fmt: skip
    if everywhere:
        return Finding(
            "mask", "note", f"blocked in every one of its threads: {names(everywhere)}. These stay "
            "pending, unless it waits for them with sigwait() or a signalfd",
            advice,
        )  # fmt: skip
    return Finding("mask", "ok", "nothing is blocked in all of its threads")


def _settled_mask(pid: int, state: str) -> frozenset[int]:
    """The signals that every thread blocks for longer than the microseconds of a handler."""
    everywhere = blocked_everywhere(pid)
    for _ in range(20):
        if len(everywhere) < IN_A_HANDLER or state == "T":
            break
        time.sleep(0.01)
        everywhere &= blocked_everywhere(pid)
    return everywhere


def _runs_python(pid: int) -> bool | None:
    """Whether the process runs Python; None: this user may not see that."""
    program = executable(pid)
    if program is None:
        return None
    return os.path.basename(program).startswith("python") or maps_library(pid, b"libpython")


def _check_recording(pid: int, now: Status) -> Iterator[Finding]:
    try:
        recording = open_recording(pid)
    except NoRecordingError as error:
        yield from _check_unrecorded(pid, now, printable(str(error)))
        return
    except (RecordingError, OSError) as error:
        yield Finding("recording", "problem", printable(str(error)), "report it, with this output")
        return
    with recording:
        if recording.state == "unknown" and recording._pid_here() is not None:
            yield _catches(now)
            yield Finding(
                "recording", "note", f"{printable(recording.path or '')}: whether it is of this process "
                "is not known", f"as root it can: sudo sigrec doctor {pid}" if os.geteuid() else None,
            )  # fmt: skip
            return
        if recording.state != "alive":
            yield from _check_unrecorded(pid, now, "the process has none of its own")
            yield Finding(
                "recording", "note", f"{printable(recording.path or '')} is of a process that had this "
                f"PID: {recording.state}",
                "`sigrec why` has more about that one",
            )  # fmt: skip
            return
        stopped_ns = recording._stopped_ns
        if stopped_ns is not None:
            yield _catches(now)
            yield Finding(
                "recording", "note", f"{printable(recording.path or '')}: not recorded since "
                f"{local_clock(stopped_ns)}, when sigrec detached from it",
            )  # fmt: skip
            return
        signals = recording.signals.values()
        registered = [s.signum for s in signals if s.mode == "registered"]
        passive = [s.signum for s in signals if s.mode == "recorded"]
        yield Finding(
            "recording", "ok", f"{printable(recording.path or '')}: registered: "
            f"{names(registered) or 'none'}; recorded: {len(passive) or 'none'}",
        )  # fmt: skip
        yield from _check_dispositions(pid, recording, now)
        lost = [
            s.signum
            for s in signals
            if s.mode == "registered" and (s.replaced or s.signum not in now.caught)
        ]
        if lost:
            yield Finding(
                "handlers", "problem", f"another handler has taken the place of sigrec's: {names(lost)}",
                "something in it calls sigaction() or signal.signal() after register(): register later, "
                "or let the other go first",
            )  # fmt: skip
        elif registered:
            yield Finding(
                "handlers", "note", f"there is a handler for {names(registered)}. Nobody outside of the process can "
                "see whether it is sigrec's, or one that a C library has set since",
                "ask in the process: sigrec.stats(), whose `replaced` is True for the second",
            )  # fmt: skip
        if now.state != "T":
            yield from _check_handling(pid, recording)


def _catches(now: Status) -> Finding:
    return Finding("handlers", "ok", f"it catches {names(now.caught & VALID) or 'no signal'}")


def _check_unrecorded(pid: int, now: Status, none: str) -> Iterator[Finding]:
    yield _catches(now)
    if _runs_python(pid) is False:
        yield Finding(
            "recording", "note", "the process has none, and is not a Python program",
            f"of other programs strace shows the signals: strace -f -e trace=none -p {pid}",
        )  # fmt: skip
    else:
        yield Finding(
            "recording", "note", none,
            f"ask as the process's user, or as root: sudo sigrec doctor {pid}"
            if os.geteuid() not in (0, owner(pid))
            else "start it with `sigrec run`, or call sigrec.register() or sigrec.record() in it",
        )  # fmt: skip


def _check_dispositions(pid: int, recording: Recording, now: Status) -> Iterator[Finding]:
    """Says who set the dispositions."""
    changes = standing(recording)
    said = lines(changes)
    known = {change.si_signo for change in changes} | {signal.SIGPIPE, signal.SIGXFSZ}
    at_first = recording._identity.ignored if recording._may_hold(0) else 0
    before = [n for n in sorted(VALID & now.ignored) if n not in known and at_first >> (n - 1) & 1]
    everywhere = sorted(VALID & blocked_everywhere(pid))
    blocks = masks.blocked(*masks.standing(recording))
    blocked = {n: blocks[n] for n in everywhere if n in blocks}
    if before:
        said.append(f"{names(before)}: ignored since before its recording began")
    said += masks.lines(blocked, local_clock)
    if said:
        advice = []
        if any(change.ordinal for change in changes):
            advice.append(
                "the handler that is set last has the signal: set yours later, or call the earlier one "
                "from it"
            )
        if (
            before
            or None in blocked.values()
            or any(change.how == "inherited" for change in changes)
        ):
            advice.append(
                "what is ignored or blocked when a program starts stays so until it sets something else"
            )
        yield Finding(
            "dispositions", "note" if advice else "ok", "; ".join(said), "; ".join(advice) or None
        )


def _check_handling(pid: int, recording: Recording) -> Iterator[Finding]:
    """Says whether its handlers are called, and return, by two looks."""
    busy = recording.handling
    before = recording.signals
    waiting = [s for s in before.values() if s.pending]
    if busy is None and not waiting:
        return
    until = time.monotonic() + HANDLER_LOOK_S
    while time.monotonic() < until:
        time.sleep(0.05)
        now = recording.signals
        if any(now[n].handled != s.handled for n, s in before.items() if n in now):
            if recording.handling is None and not any(s.pending for s in now.values()):
                return
            busy = None  # its handlers return
    look = f"py-spy dump --pid {pid} shows where it is"
    if busy is not None and recording.handling == busy:
        since = recording.handling_time_ns
        spent = (
            f"at least {HANDLER_LOOK_S:g} s"
            if since is None
            else rounded_duration(max(0, time.time_ns() - since))
        )
        yield Finding(
            "handling", "problem", f"its handler of {recording.signal_name(busy)} has been running for "
            f"{spent}, and has not returned", f"{look}; a handler should only note what is to be done",
        )  # fmt: skip
    now = recording.signals
    stuck: list[SignalStats] = []
    slow: list[SignalStats] = []
    for stats in waiting:
        later = now.get(stats.signum, stats)
        if later.pending:
            (stuck if later.handled == stats.handled else slow).append(later)
    for those, verdict, says, advice in (
        (stuck, "problem", f"delivered, and no handler called for {HANDLER_LOOK_S:g} s: ",
         f"its main thread is busy in C code, or in another handler: {look}; register(..., "
         'deliver="thread") does not wait for it'),
        (slow, "note", "delivered, and still waiting for its handler: ",
         "they come as fast as its handlers run; look again"),
    ):  # fmt: skip
        if those:
            each = ", ".join(f"{number(s.pending)} {s.signal_name}" for s in those)
            yield Finding("handling", verdict, says + each, advice)
