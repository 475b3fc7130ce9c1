"""An end that is waited for: ``sigrec why --wait``. The bystander knows what is not recorded."""

from __future__ import annotations

from contextlib import suppress

from sigrec._errors import NoRecordingError, RecordingError
from sigrec._proc import process
from sigrec._proc.host import names_ours
from sigrec._proc.pidfd import Bystander
from sigrec._reader.opening import open_recording
from sigrec._tuples import NamedTuple
from sigrec._why.answer import Answer
from sigrec._why.cause import cause
from sigrec._why.heard import sent_to
from sigrec._why.oom_watch import OomWatch
from sigrec._why.unrecorded import Unrecorded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sigrec._proc.ended import Ended
    from sigrec._reader.recording import Recording
    from sigrec._why.oom import Oom
    from sigrec._why.senders import SentBy

_OOM_LOOK_S = 0.25  # between looks at the OOM killer's counter, which must be a second old at most


class Seen(NamedTuple):
    """An end that was waited for. oom: what the OOM killer did meanwhile in the process's cgroup.
    cgroup: which cgroup that was; None: not known."""

    ended: Ended
    oom: Oom | None
    cgroup: str | None = None


def wait(bystander: Bystander, look: Callable[[], None] = lambda: None) -> Seen:
    """Waits until the process has ended. look: is called now and then until it has."""
    watch = OomWatch(bystander.pid if names_ours() else 0)
    while (ended := bystander.wait(_OOM_LOOK_S)) is None:
        watch.look()
        look()
    return Seen(ended, watch.after(ended), watch.cgroup)


def answer_after(pid: int) -> Answer | Unrecorded:
    """The answer about a process, once it has ended;
    NoRecordingError: there is none, and no recording."""
    try:
        bystander = Bystander(pid)
    except ProcessLookupError:
        return Answer(open_recording(pid))
    with bystander:
        argv: list[str] = []
        uid = None
        if names_ours():  # or /proc has another process under that PID
            argv, uid = process.command_line(pid) or [], process.owner(pid)
        began = bystander.start_ticks
        recording = _recording_of(pid, began)  # now, since a clean end removes the file
        seen = wait(bystander)
        recording = recording or _recording_of(pid, began)  # it may have begun meanwhile
        return _answer(pid, began, recording, seen, argv, uid)


def answer_about(
    pid: int, began: int | None, seen: Seen, argv: list[str], file: str | None = None
) -> Answer | Unrecorded:
    """The answer about a process whose end was seen. began: its start time, in clock ticks since
    boot. file: where it recorded, if that has a name of its own."""
    recording = _recording_of(pid, began, file) if file else None
    recording = recording or _recording_of(pid, began)
    return _answer(pid, began, recording, seen, argv, None)


def _answer(
    pid: int,
    began: int | None,
    recording: Recording | None,
    seen: Seen,
    argv: list[str],
    uid: int | None,
) -> Answer | Unrecorded:
    if recording is None:
        return Unrecorded(pid, argv, uid, seen.ended, seen.oom, _sent_to(pid, began, seen))
    return Answer(recording, cause(recording, seen=seen.ended, oom=seen.oom))


def _sent_to(pid: int, began: int | None, seen: Seen) -> SentBy | None:
    signum, ended_ns = seen.ended.signal, seen.ended.monotonic_ns
    if signum is None or ended_ns is None or began is None:
        return None
    return sent_to(pid, began, signum, ended_ns)


def _recording_of(pid: int, began: int | None, file: str | None = None) -> Recording | None:
    with suppress(NoRecordingError, RecordingError):
        recording = open_recording(file or pid)
        if recording._header.start_ticks == began:
            return recording
        recording.close()  # of an earlier process with that PID
    return None
