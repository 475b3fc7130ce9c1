"""What became of a process, in a few words."""

from __future__ import annotations

import signal

from sigrec._proc.status import blocked_everywhere, status
from sigrec._signals.names import name
from sigrec._signals.words import FAULTS_IN_CODE
from sigrec._text import printable
from sigrec._times import local_clock
from sigrec._why.cause import Cause, records_all
from sigrec._why.masks import of_now, pending_since_before, stopped_in_a_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sigrec._proc.ended import Ended
    from sigrec._reader.recording import Recording


def state_words(recording: Recording, found: Cause) -> str:
    """The process's state, or what ended it, if that is known. (``sigrec why`` says more.)"""
    told = ""
    if found.told is not None:
        told = ", as its parent was told"
    elif (
        found.seen is not None
        and (found.own or recording.exit_kind or recording.fatal_signal) is None
    ):
        told = ", as was seen"
    status_words = "" if found.status is None else f" with status {found.status}"
    stopped_ns = recording._stopped_ns
    since = "" if stopped_ns is None else f"not recorded since {local_clock(stopped_ns)}"
    if found.kind == "alive":
        return f"alive, {since}" if since else "alive"
    if found.kind == "signal":
        how = "killed" if told or found.sent_by else "ended"
        by = told
        if found.sent_by is not None:
            from sigrec._why.joining import is_same

            itself = is_same(found.sent_by.sender, recording)
            by = f", sent by {'itself' if itself else f'PID {found.sent_by.sender.pid}'}"
        return f"{how} by {recording.signal_name(found.signal or 0)}{by}"
    if found.kind == "exec":
        became = f": {printable(found.reason)}" if found.reason else ""
        return f"replaced by another program (exec){became}"
    if found.kind == "exception":
        return f"exited{status_words}, by an exception: {printable(found.reason or '')}"
    if found.kind == "exit" and found.at_once:
        return f"ended by _exit(2){status_words}"
    if found.kind == "exit":
        return "exited cleanly" if found.status == 0 and not told else f"exited{status_words}{told}"
    if recording.state == "unknown":
        return "cannot be told from here"
    if since:
        return f"ended, {since}: how is not known"
    if found.aborted is not None:
        return "ended without recording a cause (abort(3), most likely)"
    other = "SIGKILL, most often" if records_all(recording) else "killed, crashed, or os._exit"
    return f"ended without recording a cause ({other})"


def gap_words(recording: Recording, clock: Callable[[int], str] = local_clock) -> str | None:
    """When sigrec was detached between two attaches: ``sigrec was detached from 12:03:04 to
    12:05:06``. None: never."""
    gaps, begin_ns, end_ns = recording._gaps if recording._attached else (0, 0, 0)
    if not gaps:
        return None
    times = "" if gaps == 1 else f" {gaps} times, the last time"
    return f"sigrec was detached{times} from {clock(begin_ns)} to {clock(end_ns)}"


def ended_words(seen: Ended) -> str:
    """How a process ended, as a bystander saw it: ``was killed by SIGKILL``."""
    if seen.signal is not None:
        core = ", and dumped core," if seen.core else ""
        return f"was killed{core} by {name(seen.signal)}"
    return "ended" if seen.status is None else f"exited with status {seen.status}"


def unknown_words(signum: int | None) -> str:
    """What is not known of a signal that a process did not record."""
    if signum not in FAULTS_IN_CODE:
        return "who sent the signal"
    example = " (as when a stack overflows)" if signum in (signal.SIGSEGV, signal.SIGBUS) else ""
    return f"whether it was a fault of its own{example} or was sent"


def pending_words(recording: Recording) -> str | None:
    """The signals of a living process that wait in the kernel."""
    pid = recording._pid_here() if recording.state == "alive" else None
    now = status(pid) if pid else None
    if now is None or not pid or not now.pending:
        return None
    everywhere = blocked_everywhere(pid)
    if stopped_in_a_handler(now):
        everywhere &= frozenset(of_now(recording, recording._identity.blocked))
    before = pending_since_before(recording)
    parts = []
    for signums, why in (
        (now.pending & everywhere - before, "blocked in every thread"),
        (before, "blocked in every thread since before the recording began"),
        (now.pending - everywhere - before if now.state == "T" else (), "until it is continued"),
    ):
        # Only one of a standard signal can be pending; how many of a
        # real-time one, the kernel does not say.
        names = [
            f"1 {recording.signal_name(n)}" if n < 32 else recording.signal_name(n)
            for n in sorted(signums)
        ]
        if names:
            parts.append(f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} pending, {why}")
    return "; ".join(parts) or None
