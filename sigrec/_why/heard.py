"""The answer about a process that recorded nothing, from what its parent was told and what a sender
recorded. Only they know of a process that is ended before it can record."""

from __future__ import annotations

import os
import signal
import time

from sigrec._proc.host import names_ours
from sigrec._proc.process import command_line, start_ticks, stat_fields
from sigrec._reader import index, places
from sigrec._signals.codes import CLD_EXITED
from sigrec._signals.sender import Sender
from sigrec._signals.words import CHILD_ENDED
from sigrec._times import local_clock
from sigrec._why.answer import document, from_its_recording, without_parent
from sigrec._why.cause import OVERTAKEN_NS
from sigrec._why.evidence import by_parent, by_sender
from sigrec._why.parents import can_be_parent, how_child_ended, told_of_children
from sigrec._why.senders import SentBy, endings
from sigrec._why.sentence import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Set
    from typing import Any

    from sigrec._reader.recording import Recording
    from sigrec._signals.sent import ChildTold


def heard_of(pid: int) -> Heard | None:
    """The answer about the process that had this PID last;
    None: it lives, or no recorded process knows of it."""
    if _lives(pid):
        return None
    return among(_recordings(), pid)


def after(recording: Recording) -> Heard | None:
    """The answer about a process that has had the PID since that recording's process ended. None: no
    recorded process knows of one, or the last of them is in a recording of its own."""
    began_ns = recording._began_ns()
    if began_ns is None or not recording._here or _lives(recording.pid):
        return None
    start_ticks = recording._header.start_ticks
    return later_than(_recordings(), recording.pid, began_ns, start_ticks, recording)


def _lives(pid: int) -> bool:
    """Whether a process has the PID; a zombie, too."""
    if names_ours():
        return stat_fields(pid) is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def who_has_it_now(recording: Recording) -> str | None:
    """The living process, with its name, that has the PID of that recording's process, which has
    ended. None: there is none, or it cannot be told."""
    if not recording._here or recording.state not in ("exited", "ended"):
        return None
    began = start_ticks(recording.pid) if names_ours() else None
    if began is None or recording._header.start_ticks in (0, began):
        return None
    return named(recording.pid, command_line(recording.pid) or [], None)


def later_than(
    recordings: Iterable[Recording],
    pid: int,
    began_ns: int,
    start_ticks: int,
    earlier: Recording | None = None,
) -> Heard | None:
    """As after(), from these recordings, whose PIDs mean the same processes. earlier: the recording
    of the process that began then."""
    last = among(recordings, pid, began_ns)
    if last is None:
        return None
    if earlier is not None and _is_too_late_for(last, earlier):
        return last
    target = last.by.sent.target_start_ticks if last.by is not None else None
    if target is not None:
        return last if target != start_ticks else None
    # Two different ends are of two processes: a process has one, of which its parent may be told twice.
    return last if len(last.ends) > 1 else None


def _is_too_late_for(last: Heard, earlier: Recording) -> bool:
    """Whether that end was told long after the earlier process had written down its own, and to a
    process that cannot be its parent. (A tracer is told, too, ptrace(2), but at once.)"""
    wrote_ns = None if earlier.exit_kind == "exec" else earlier.exit_monotonic_ns
    if wrote_ns is None or last.parent is None or last.end is None:
        return False
    is_late = last.end.monotonic_ns - wrote_ns > OVERTAKEN_NS
    return is_late and not can_be_parent(last.parent, earlier)


def sent_to(pid: int, start_ticks: int, signum: int, ended_ns: int) -> SentBy | None:
    """The first recorded process that sent the signal to that very process, and was not refused.
    Its call may not have returned yet: the victim may be gone before that. ended_ns: when that
    process had ended, by CLOCK_MONOTONIC."""
    began_ns = time.monotonic_ns() - (
        time.clock_gettime_ns(time.CLOCK_BOOTTIME) - start_ticks * 10**9 // os.sysconf("SC_CLK_TCK")
    )
    found = (
        SentBy(sender, sent)
        for sender in _recordings()
        for sent in endings(sender)
        if (sent.target, sent.si_signo) == (pid, signum)
        and sent.error in (0, None)
        and began_ns <= sent.monotonic_ns <= ended_ns
        and sent.target_start_ticks in (None, start_ticks)
    )
    return min(found, key=lambda by: by.sent.monotonic_ns, default=None)


def _recordings() -> list[Recording]:
    """All recordings that this user may read and whose PIDs mean the same processes as here."""
    paths = [*places.meant(), *(places.of_others() if os.geteuid() == 0 else [])]
    return [recording for recording in index.opened(dict.fromkeys(paths)) if recording._here]


def among(recordings: Iterable[Recording], pid: int, began_ns: int = 0) -> Heard | None:
    """The answer from these recordings, whose PIDs mean the same processes. began_ns: when
    a process with that PID began, as CLOCK_MONOTONIC: ends and sent signals from before that were
    an earlier one's, and are left out."""
    recordings = list(recordings)
    ends = sorted(
        (
            (told.monotonic_ns, n, told)
            for n, parent in enumerate(recordings)
            for told in told_of_children(parent).get(pid, ())
            if told.code in CHILD_ENDED and told.monotonic_ns >= began_ns
        ),
        key=lambda end: end[:2],
    )
    sent_by = [
        SentBy(sender, sent)
        for sender in recordings
        for sent in endings(sender)
        if sent.target == pid and sent.error in (0, None) and sent.monotonic_ns >= began_ns
    ]
    if not ends:
        # No process can refuse SIGKILL; whether another signal ended it is not known.
        kills = [by for by in sent_by if (by.sent.si_signo, by.sent.error) == (signal.SIGKILL, 0)]
        last = max(kills, key=lambda by: by.sent.monotonic_ns, default=None)
        return None if last is None else Heard(pid, None, None, last)
    ended_ns, at, end = ends[-1]
    parent = recordings[at]
    signum = None if end.code == CLD_EXITED else end.status
    deadly = [
        by for by in sent_by if by.sent.si_signo == signum and by.sent.monotonic_ns <= ended_ns
    ]
    before = ends[:-1]
    first = _first_since(before, deadly)
    if first is None and before and (before[-1][1], before[-1][2].status) == (at, end.status):
        # A parent may be told twice of one end: by SIGCHLD, and by wait(2).
        first = _first_since(before[:-1], deadly)
    return Heard(pid, parent, end, first, {(e.code == CLD_EXITED, e.status) for *_, e in ends})


def _first_since(before: list[tuple[int, int, ChildTold]], deadly: list[SentBy]) -> SentBy | None:
    """The first of these deadly signals that was not sent to an earlier process with the same PID."""
    earlier_ended_ns = before[-1][0] if before else 0
    later = (by for by in deadly if by.sent.monotonic_ns >= earlier_ended_ns)
    return min(later, key=lambda by: by.sent.monotonic_ns, default=None)


class Heard:
    """An answer about the end of a process that recorded nothing; it has what an Answer has. end:
    what the parent was told; None: no parent recorded it, but `by` sent SIGKILL to the process.
    ends: how it and others with that PID ended, whether each exited, and its status or signal."""

    def __init__(
        self,
        pid: int,
        parent: Recording | None,
        end: ChildTold | None,
        by: SentBy | None,
        ends: Set[tuple[bool, int]] = frozenset(),
    ) -> None:
        self.ends = ends
        self.pid = pid
        self.parent = parent
        self.end = end
        self.by = by

    @property
    def signal_name(self) -> str | None:
        if self.end is None or self.parent is None:
            return self.by.sent.signal_name if self.by is not None else None
        return None if self.end.code == CLD_EXITED else self.parent.signal_name(self.end.status)

    @property
    def sentence(self) -> str:
        return f"PID {self.pid} {self._how()}; no recording of its own is found."

    def _how(self) -> str:
        end, parent, by = self.end, self.parent, self.by
        if end is None or parent is None:
            assert by is not None
            return (
                f"was sent {by.sent.signal_name} by {_named(by.sender)} at "
                f"{local_clock(by.sent.time_ns)}, as that process recorded"
            )
        text = how_child_ended(parent, end)
        if by is not None and by.sender is parent:
            return (
                f"{text}, sent by its parent, {_named(parent)} at {local_clock(by.sent.time_ns)}, as that "
                "process recorded"
            )
        text += f", as its parent, {_named(parent)}, was told at {local_clock(end.time_ns)}"
        return text if by is None else f"{text}; {sent_words(by, 'that PID')}"

    def to_dict(self) -> dict[str, Any]:
        """The same JSON as of Answer.to_dict()."""
        end, parent, by = self.end, self.parent, self.by
        evidence = []
        if end is not None and parent is not None:
            evidence.append(by_parent(parent, end))
        if by is not None:
            evidence.append(by_sender(by))
        sender = None
        if self.signal_name is not None:
            sender = (
                without_parent(Sender("unknown"))
                if by is None
                else from_its_recording(by.sender, "process")
            )
        assert end is not None or by is not None
        time_ns = by.sent.time_ns if by is not None else end.time_ns  # type: ignore[union-attr]
        return document(
            pid=self.pid,
            host=os.uname().nodename,
            argv=[],
            state="ended",
            sentence=self.sentence,
            time_ns=time_ns,
            kind="exit" if self.signal_name is None else "signal",
            signal_name=self.signal_name,
            status=end.status if end is not None and self.signal_name is None else None,
            sender=sender,
            evidence=evidence,
        )


def sent_words(by: SentBy, to: str) -> str:
    return (
        f"{_named(by.sender)} had sent {by.sent.signal_name} to {to} at "
        f"{local_clock(by.sent.time_ns)}, as that process recorded"
    )


def _named(recording: Recording) -> str:
    return named(recording.pid, recording.argv, recording._owner, 40)
