"""What ended a process, as labels of a metric: a cause and a sender."""

from __future__ import annotations

from sigrec._proc.process import is_ending
from sigrec._serve.programs import label, program
from sigrec._serve.watched import Watched
from sigrec._tuples import NamedTuple
from sigrec._why.cause import Cause, cause, event_of
from sigrec._why.joining import is_same
from sigrec._why.recordings import Recordings
from sigrec._why.witnesses import Witnesses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sigrec._proc.ended import Ended
    from sigrec._reader.recording import Recording
    from sigrec._why.oom import Oom

# A program begins with these counters, at 0, so that the first such end is seen as a rise.
KNOWN = (
    ("exit", ""), ("error", ""), ("exception", ""), ("exec", ""), ("unknown", ""), ("oom", "kernel"),
    ("SIGKILL", "unknown"), ("SIGTERM", "unknown"), ("SIGSEGV", "kernel"), ("SIGABRT", "itself"),
)  # fmt: skip


class End(NamedTuple):
    """The end of a process, as labels. cause: a signal's name, or ``exit`` (with status 0),
    ``error`` (another status), ``exception``, ``oom``, ``exec``, ``unknown``. sender: the name of
    the process that sent the signal, or ``itself``, ``kernel``, ``terminal``, ``timer``,
    ``unknown``; ``""``: no signal ended it. cause_found: the Cause from which both are."""

    cause: str
    sender: str
    cause_found: Cause
    recording: Recording


class _Held(Recordings):
    """Only the recordings that are held: to look at all of
    a host for each end would be too much."""

    def __init__(self, held: list[Recording]) -> None:
        super().__init__()
        self._held = held

    def beside(self, path: str) -> list[Recording]:
        return self._held

    def of_pid(self, path: str, pid: int) -> list[Recording]:
        return [recording for recording in self._held if recording.pid == pid]


def is_over(watched: Watched) -> bool:
    """Whether the process of a watched recording has ended, or become another program, as far as
    that is seen without waiting."""
    recording = watched.recording()
    if watched.bystander is not None:
        # While a process ends, it looks as if it had become another program; the pidfd tells its
        # end. These are asked in this order, since it may begin to end in between.
        return recording.state == "replaced" and not is_ending(watched.bystander.pid)
    state = recording.state
    if state == "unknown":
        return watched.is_written() is False  # by no process of any namespace
    return state != "alive"


def end_of(
    recording: Recording,
    seen: Ended | None,
    held_parents: list[Recording],
    held_senders: Callable[[], list[Recording]],
    oom: Oom | None = None,
) -> End:
    """The end of a recording's process, as labels. seen: how it ended, as a pidfd tells. oom: what
    the OOM killer did in its cgroup. held_parents: of the held recordings, those of processes that
    may have been told of it. held_senders: returns the held ones of those that may have sent the
    signal that ended it; only called if the process itself does not say."""
    cause_found = cause(
        recording, Witnesses(recordings=_Held([recording, *held_parents])), seen, oom
    )
    if cause_found.own is not None and cause_found.own.kind == "exec":
        # The exec is what is counted: the program that it has become has an end of its own.
        cause_found = cause_found.own
    if (
        cause_found.kind in ("signal", "unknown")
        and cause_found.ordinal is None
        and cause_found.sent_by is None
    ):
        # Who sent SIGKILL, only the sender's own recording tells, if it is held, too.
        held = {id(known): known for known in [recording, *held_parents, *held_senders()]}
        cause_found = cause(recording, Witnesses(recordings=_Held(list(held.values()))), seen, oom)
    return End(*_labels(recording, cause_found), cause_found, recording)


def _labels(recording: Recording, cause_found: Cause) -> tuple[str, str]:
    if cause_found.kind == "signal":
        if cause_found.oom is not None and cause_found.oom.probably:
            return "oom", "kernel"
        return recording.signal_name(cause_found.signal or 0), _sender(recording, cause_found)
    if cause_found.kind == "exit":
        return ("exit" if not cause_found.status else "error"), ""
    return (cause_found.kind if cause_found.kind in ("exception", "exec") else "unknown"), ""


def _sender(recording: Recording, cause_found: Cause) -> str:
    if cause_found.sent_by is not None:
        other = cause_found.sent_by.sender
        if is_same(other, recording):
            return "itself"
        return program(other.argv, other._identity.executable)
    event = event_of(recording, cause_found)
    if event is None:
        return "unknown"
    sender = event.sender
    if sender.kind == "process" and sender.pid == recording.pid:
        return "itself"
    if sender.kind == "process":
        return label(sender.comm) if sender.comm else "unknown"
    return sender.kind
