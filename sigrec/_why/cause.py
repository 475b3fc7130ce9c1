"""What became of a process: the one answer that `why`, `stats`, `tail` and the page share."""

from __future__ import annotations

from typing import NamedTuple

from sigrec._signals.codes import CLD_EXITED
from sigrec._why.parents import Parents, Told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording


class Cause(NamedTuple):
    """kind: ``"alive"``, ``"signal"``, ``"exit"``, ``"exception"``, ``"exec"``, ``"unknown"``.

    signal, ordinal: what ended it. status: what it exited with, where that is known. reason: the
    exception, or the program that it became. at_once: by os._exit. told: by whom this is known,
    where the process itself did not record it.
    """

    kind: str
    signal: int | None = None
    ordinal: int | None = None
    status: int | None = None
    reason: str | None = None
    at_once: bool = False
    told: Told | None = None


def cause(recording: Recording, parents: Parents | None = None) -> Cause:
    state = recording.state
    if state == "alive":
        return Cause("alive")
    if recording.ending is not None:
        return Cause("signal", *recording.ending)
    if state == "replaced" or recording.leave == "exec":
        return Cause("exec", reason=recording.reason if recording.leave == "exec" else None)
    if recording.leave is not None or state == "exited":
        at_once = recording.leave == "_exit"
        reason = None if at_once else recording.reason
        kind = "exit" if reason is None else "exception"
        return Cause(kind, status=recording.status, reason=reason, at_once=at_once)
    told = (parents or Parents()).told_of(recording)
    if told is not None and told.info.si_code == CLD_EXITED:
        return Cause("exit", status=told.info.si_status, told=told)
    if told is not None:
        return Cause("signal", told.info.si_status, told=told)
    return Cause("unknown")


def records_all(recording: Recording) -> bool:
    """Whether it records every signal that the process does not ignore, as `sigrec run` does. (What
    is ignored while it records has no mode.)"""
    modes = [stats.mode for stats in recording.signals.values()]
    return modes.count("recorded") + modes.count("registered") > 32
