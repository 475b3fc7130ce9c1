"""What each source says about an end, and how sure it can be."""

from __future__ import annotations

from sigrec._signals.sender import vouched
from sigrec._text import printable
from sigrec._times import rfc3339, utc_clock
from sigrec._tuples import NamedTuple
from sigrec._why.brief import ended_words
from sigrec._why.dispositions import explaining
from sigrec._why.parents import how_child_ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigrec._proc.ended import Ended
    from sigrec._reader.recording import Recording
    from sigrec._signals.sent import ChildTold
    from sigrec._signals.siginfo import SignalInfo
    from sigrec._why.cause import Cause
    from sigrec._why.oom import Oom
    from sigrec._why.senders import SentBy


class Evidence(NamedTuple):
    """What one source says about an end. source: ``"recording"`` (the process's own), ``"sender"``
    (the sender's recording), ``"parent"`` (its parent's recording), ``"pidfd"`` (a bystander that
    waited for its end), ``"cgroup"`` (the counters of the OOM killer), ``"proc"`` (what the system
    says now).

    certainty: ``"seen"`` (the source was there), ``"told"`` (the kernel told it to a parent, or a
    sender said it of itself), ``"inferred"``.
    """

    source: str
    certainty: str
    says: str


def evidence(recording: Recording, found: Cause, event: SignalInfo | None) -> list[Evidence]:
    """What each source says. event: the signal that ended the process, if that was recorded."""
    return [*_its_own(recording, found, event), *_of_others(found)]


def surest(found: Cause) -> tuple[str, str]:
    """The source that says how it ended, and its certainty: as in Evidence, or ``"unknown"``."""
    if found.kind == "unknown":
        return "recording", "unknown"
    if found.oom is not None and found.oom.probably:
        return "cgroup", "inferred"
    if found.told is not None:
        return "parent", "told"
    if found.own is None and (found.ordinal is not None or found.kind != "signal"):
        if found.seen is None or found.seen.seen_by is None:
            return "recording", "seen"
    if found.seen is not None and found.seen.seen_by is not None:
        return found.seen.seen_by, "seen"
    if found.sent_by is not None:
        return "sender", "told"
    return "recording", "seen"


def _its_own(recording: Recording, found: Cause, event: SignalInfo | None) -> Iterator[Evidence]:
    def own(says: str, certainty: str = "seen") -> Evidence:
        return Evidence("recording", certainty, says)

    stopped_ns = recording._stopped_ns
    if found.kind == "alive":
        yield Evidence("proc", "seen", "the process runs, and maps its recording")
    elif found.kind == "unknown" and recording.state == "unknown":
        yield Evidence("proc", "seen", "the process cannot be seen from here")
    if recording.fatal_signal is not None:
        name = recording.signal_name(recording.fatal_signal)
        yield own(f"{name} was about to end it, by that signal's default action")
    elif recording.exit_kind == "exec":
        yield own(f"it became {printable(recording.exit_reason or 'another program')} by exec")
    elif recording.exit_kind is not None or recording.state == "exited":
        how = "by _exit(2)" if recording.exit_kind == "_exit" else "by exit(3)"
        status = "" if recording.exit_status is None else f" with status {recording.exit_status}"
        yield own(f"it exited {how}{status}")
        if recording.exit_reason is not None:
            yield own(f"nobody caught {printable(recording.exit_reason)}")
    elif found.kind != "alive" and stopped_ns is None:
        yield own("it ends without a signal and without an exit")
    if found.aborted is not None:
        yield own("it called abort(3), or raise(3) of SIGABRT, which did not return")
    if stopped_ns is not None:
        yield own(f"nothing is recorded since {utc_clock(stopped_ns)}, when sigrec detached")
    if event is not None:
        looked = recording._asker(event)
        parent = looked is not None and looked.at_its_end
        whom = "the kernel, at the end of its parent, " if parent else ""
        says = f"{event.signal_name} came from {whom}{printable(str(event.sender))}"
        yield own(says) if vouched(event.si_code) else own(f"{says}, as its sender said", "told")
    for says in explaining(recording, found, event, utc_clock):
        yield own(says)


def _of_others(found: Cause) -> Iterator[Evidence]:
    if found.heard is not None:
        yield by_parent(found.heard.parent, found.heard.info)
    if found.seen is not None:
        yield by_bystander(found.seen)
    by = found.sent_by or found.asked_by
    if by is not None:
        yield by_sender(by)
    if found.oom is not None:
        yield by_cgroup(found.oom)


def by_parent(parent: Recording, end: ChildTold) -> Evidence:
    """What a parent says, also about a process without a recording."""
    says = f"PID {parent.pid} was told that it {how_child_ended(parent, end)}"
    return Evidence("parent", "told", says)


def by_sender(by: SentBy) -> Evidence:
    """What a sender says, also about a process without a recording."""
    sender, sent = by
    result = "" if sent.error == 0 else ", and did not come back from that call"
    says = f"PID {sender.pid} sent it {sent.signal_name} by {sent.how}{result}"
    return Evidence("sender", "seen", says)


def by_bystander(seen: Ended) -> Evidence:
    """What a bystander says, also about a process without a recording."""
    return Evidence(seen.seen_by or "pidfd", "seen", f"it {ended_words(seen)}")


def by_cgroup(oom: Oom) -> Evidence:
    says = (
        "the OOM killer ended a process of its cgroup at that moment, and nothing else did"
        if oom.probably
        else f"the OOM killer was active in its cgroup, {oom.kills} times since {rfc3339(oom.since_ns)}"
    )
    return Evidence("cgroup", "inferred", says)
