"""What became of a process: the one answer that `why`, `stats`, `tail` and the page share."""

from __future__ import annotations

import signal
from typing import NamedTuple

from sigrec._signals.codes import CLD_EXITED
from sigrec._why.witnesses import Witnesses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording
    from sigrec._signals.siginfo import SignalInfo
    from sigrec._why.parents import Told
    from sigrec._why.senders import SentBy


class Cause(NamedTuple):
    """kind: ``"alive"``, ``"signal"``, ``"exit"``, ``"exception"``, ``"exec"``, ``"unknown"``.

    signal, ordinal: what ended it. status: what it exited with, where that is known. reason: the
    exception, or the program that it became. at_once: by os._exit. told: by whom this is known,
    where the process itself did not record it. sent_by: who sent the signal, where the process
    could not record that and the sender did.
    """

    kind: str
    signal: int | None = None
    ordinal: int | None = None
    status: int | None = None
    reason: str | None = None
    at_once: bool = False
    told: Told | None = None
    sent_by: SentBy | None = None


def cause(recording: Recording, witnesses: Witnesses | None = None) -> Cause:
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
    witnesses = witnesses or Witnesses()
    told = witnesses.parents.told_of(recording)
    if told is not None and told.info.code == CLD_EXITED:
        return Cause("exit", status=told.info.status, told=told)
    if told is not None:
        until_ns = told.info.monotonic_ns
        sent_by = witnesses.senders.sent_by(recording, told.info.status, until_ns)
        return Cause("signal", told.info.status, told=told, sent_by=sent_by)
    if state == "ended":
        sent_by = witnesses.senders.sent_by(recording, signal.SIGKILL)
        if sent_by is not None:
            return Cause("signal", signal.SIGKILL, sent_by=sent_by)
    return Cause("unknown")


def find(recording: Recording, signum: int, ordinal: int) -> SignalInfo | None:
    """That event, where it is kept."""
    stats = recording.signals.get(signum)
    if stats and stats.last and stats.last.ordinal == ordinal:
        return stats.last
    return next((e for e in recording.events(signum) if e.ordinal == ordinal), None)


def is_keyboard_interrupt(recording: Recording, signum: int, event: SignalInfo | None) -> bool:
    """Python ends itself by SIGINT after a KeyboardInterrupt that nobody caught."""
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
    """The signal that ended it, as it received that; None: that is not kept, or there was none."""
    if found.signal is None or found.ordinal is None:
        return None
    event = find(recording, found.signal, found.ordinal)
    if is_keyboard_interrupt(recording, found.signal, event):
        return before_a_keyboard_interrupt(recording, event) or event
    return event


def records_all(recording: Recording) -> bool:
    """Whether it records every signal that the process does not ignore, as `sigrec run` does. (What
    is ignored while it records has no mode.)"""
    modes = [stats.mode for stats in recording.signals.values()]
    return modes.count("recorded") + modes.count("registered") > 32
