"""The cause of a process's end: the one answer that `why`, `stats`, `tail` and the page share."""

from __future__ import annotations

import signal

from sigrec._signals.codes import CLD_EXITED
from sigrec._signals.names import ASK_TO_END
from sigrec._tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._proc.ended import Ended
    from sigrec._reader.recording import Recording
    from sigrec._signals.sent import SentSignal
    from sigrec._signals.siginfo import SignalInfo
    from sigrec._why.oom import Oom
    from sigrec._why.parents import Told
    from sigrec._why.senders import SentBy
    from sigrec._why.witnesses import Witnesses


class Cause(NamedTuple):
    """What ended a process, as far as it is known. kind: ``"alive"``, ``"signal"``, ``"exit"``,
    ``"exception"``, ``"exec"``, ``"unknown"``.

    signal, ordinal: the signal that ended the process; signal is None exactly where kind is not
    ``"signal"``. status: the exit status, if that is known. reason: the exception, or the program
    that the process has become. at_once: the process called _exit(2). told: who says this, if the
    process itself did not record it. sent_by: the recorded sender of the signal, if the process
    could not record who sent it. asked_by: if it is not known how the process ended, the sender of
    another signal, which may have ended it. aborted: then, too, the abort(3) that may have.

    seen: how a bystander saw it end, or what the system says now of a zombie. heard: what its
    parent was told, if that is recorded. own: what the process itself recorded, if the others
    contradict it. oom: what the OOM killer did in its cgroup, if that may have ended it.
    """

    kind: str
    signal: int | None = None
    ordinal: int | None = None
    status: int | None = None
    reason: str | None = None
    at_once: bool = False
    told: Told | None = None
    sent_by: SentBy | None = None
    asked_by: SentBy | None = None
    aborted: SentSignal | None = None
    seen: Ended | None = None
    heard: Told | None = None
    own: Cause | None = None
    oom: Oom | None = None


OVERTAKEN_NS = 10_000_000_000  # the longest time from its own record of its end to another end


def cause(
    recording: Recording,
    witnesses: Witnesses | None = None,
    seen: Ended | None = None,
    oom: Oom | None = None,
) -> Cause:
    """The cause of a process's end. seen, oom: from a bystander that has waited for the end; None:
    what an earlier one wrote into the recording is used."""
    own = _recorded(recording)
    if own.kind == "alive":
        return own
    noted = recording._noted if seen is None else None
    if noted is not None:
        seen = noted.ended
        if noted.kills:
            from sigrec._why.oom import Oom

            oom = Oom(recording._identity.cgroup, noted.kills, noted.since_ns, noted.probably)
    if witnesses is None:  # what an end needs, `sigrec stats` of living processes does without
        from sigrec._why.witnesses import Witnesses

        witnesses = Witnesses()
    seen = seen or _of_zombie(recording)
    heard = witnesses.parents.told_of(recording)
    found = _outside(recording, own, heard, seen)._replace(seen=seen, heard=heard)
    if found.ordinal is not None or found.kind not in ("signal", "unknown"):
        return found
    # The process could not record the signal; others may know of it.
    ended_ns = heard.info.monotonic_ns if heard else seen.monotonic_ns if seen else None
    signum = found.signal or signal.SIGKILL
    if found.signal is not None or recording.state == "ended":
        sent_by = witnesses.senders.sent_by(recording, signum, ended_ns)
        if sent_by is not None:
            return found._replace(kind="signal", signal=signum, sent_by=sent_by)
    if signum != signal.SIGKILL or recording.state == "unknown":
        return found
    from sigrec._why.oom import since_it_began

    found = found._replace(oom=oom or since_it_began(recording))
    if found.kind == "unknown":
        unseen = {int(n) for n in ASK_TO_END if is_unseen(recording, n)}
        from sigrec._why.senders import aborted

        asked_by = witnesses.senders.asked_by(recording, unseen)
        found = found._replace(asked_by=asked_by, aborted=aborted(recording))
    return found


def is_unseen(recording: Recording, signum: int) -> bool:
    """Whether the process may have got that signal without recording it."""
    stats = recording.signals.get(signum)
    return stats is None or stats.replaced or stats.mode in ("released", "unregistered")


def may_be_gone(recording: Recording, signum: int) -> bool:
    """Whether sigrec's handler may have been replaced, unseen,
    in a process that does not record all."""
    stats = recording.signals.get(signum)
    return stats is not None and stats.mode == "registered" and not stats.replaced


def _of_zombie(recording: Recording) -> Ended | None:
    from sigrec._proc.ended import zombie

    pid = recording._pid_here()
    return zombie(pid, recording._header.start_ticks) if pid else None


def _recorded(recording: Recording) -> Cause:
    """The cause as the process itself recorded it."""
    state = recording.state
    if state == "alive":
        return Cause("alive")
    if recording.fatal_signal is not None:
        return Cause("signal", recording.fatal_signal, recording.fatal_ordinal)
    if state == "replaced" or recording.exit_kind == "exec":
        return Cause(
            "exec", reason=recording.exit_reason if recording.exit_kind == "exec" else None
        )
    if recording.exit_kind is not None or state == "exited":
        at_once = recording.exit_kind == "_exit"
        reason = None if at_once else recording.exit_reason
        kind = "exit" if reason is None else "exception"
        return Cause(kind, status=recording.exit_status, reason=reason, at_once=at_once)
    if is_keyboard_interrupt(recording, signal.SIGINT, None):
        return Cause("signal", signal.SIGINT)  # which it did not record
    return Cause("unknown")


def _outside(recording: Recording, own: Cause, heard: Told | None, seen: Ended | None) -> Cause:
    """Weighs the sources. What the kernel told a parent or a bystander counts more than what the
    process wrote itself: it wrote that before it ended, and SIGKILL may have come in between."""
    if heard is not None:
        if heard.info.code == CLD_EXITED:
            says = Cause("exit", status=heard.info.status, told=heard)
        else:
            says = Cause("signal", heard.info.status, told=heard)
    elif seen is not None and seen.seen_by is not None:
        says = Cause("exit" if seen.signal is None else "signal", seen.signal, status=seen.status)
    else:
        return own
    if own.kind == "unknown":
        return says
    if own.signal == says.signal and own.status in (None, says.status) and own.kind != "exec":
        return own._replace(status=says.status)
    wrote_ns = None if own.kind == "exec" else recording.exit_monotonic_ns
    if seen is None and heard is not None and wrote_ns is not None:
        # So much later, it was another process that had got this PID.
        if heard.info.monotonic_ns - wrote_ns > OVERTAKEN_NS:
            return own
    return says._replace(own=own)


def find(recording: Recording, signum: int, ordinal: int) -> SignalInfo | None:
    """The event of that signal with that ordinal; None: it is not kept."""
    stats = recording.signals.get(signum)
    if stats and stats.last and stats.last.ordinal == ordinal:
        return stats.last
    return next((e for e in recording.events(signum) if e.ordinal == ordinal), None)


def is_keyboard_interrupt(recording: Recording, signum: int, event: SignalInfo | None) -> bool:
    """Whether this is the SIGINT by which Python ends itself after a
    KeyboardInterrupt that was not caught."""
    by_itself = event is None or event.si_pid == recording.pid
    name = (recording.exit_reason or "").rpartition(".")[2]
    return signum == signal.SIGINT and by_itself and name == "KeyboardInterrupt"


def before_a_keyboard_interrupt(
    recording: Recording, event: SignalInfo | None
) -> SignalInfo | None:
    """The SIGINT that became the KeyboardInterrupt, and not the one that Python sent itself."""
    earlier = None
    for info in recording.events(signal.SIGINT):
        if event is None or info.ordinal < event.ordinal:
            earlier = info
    return earlier


def event_of(recording: Recording, found: Cause) -> SignalInfo | None:
    """The signal that ended it, as the process received it;
    None: it is not kept, or there was none."""
    if found.signal is None or found.ordinal is None:
        return None
    event = find(recording, found.signal, found.ordinal)
    if is_keyboard_interrupt(recording, found.signal, event):
        return before_a_keyboard_interrupt(recording, event) or event
    return event


def records_all(recording: Recording) -> bool:
    """Whether the process records every signal that it does not ignore, as `sigrec run`
    does. (A signal that is ignored at that time has no mode.)"""
    modes = [stats.mode for stats in recording.signals.values()]
    return modes.count("recorded") + modes.count("registered") > 32
