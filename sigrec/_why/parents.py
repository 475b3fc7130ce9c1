"""What parents were told about their children, by SIGCHLD and by wait(2)."""

from __future__ import annotations

import signal

from sigrec._errors import RecordingError
from sigrec._signals.codes import CLD_CONTINUED, CLD_EXITED, CLD_STOPPED
from sigrec._signals.sent import ChildTold
from sigrec._signals.words import CHILD_ENDED
from sigrec._tuples import NamedTuple
from sigrec._why.joining import is_same, life, may_speak_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording
    from sigrec._why.recordings import Recordings

    _OfPid = dict[int, list[ChildTold]]


class Told(NamedTuple):
    """What a parent was told of a child's end. parent: the parent's recording. info: about the end.
    stop: about a stop before that, which no SIGCONT ended."""

    parent: Recording
    info: ChildTold
    stop: ChildTold | None


class Parents:
    """What recorded processes were told about their children. The status is wait(2)'s, which a
    child cannot forge. SIGCHLD comes first, but is recorded only if it is handled, and several
    merge into one; wait(2) tells of each child."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings
        # By the id of the list that Recordings keeps of a directory.
        self._told: dict[int, dict[int, list[tuple[Recording, list[ChildTold]]]]] = {}

    def told_of(self, child: Recording) -> Told | None:
        if not child.path:
            return None
        lived = life(child, self._recordings.of_pid(child.path, child.pid))
        if lived is None:
            return None
        stats = child.signals.values()
        last_ns = max((s.last.monotonic_ns for s in stats if s.last), default=lived.began_ns)
        for parent, told in self._who_was_told(child.path).get(child.pid, ()):
            if not may_speak_of(parent, child) or not can_be_parent(parent, child):
                continue
            stop = None
            for info in told:
                if not lived.has(info.monotonic_ns):
                    continue
                if info.code in CHILD_ENDED:
                    if info.monotonic_ns >= last_ns:
                        return Told(parent, info, stop)
                    stop = None  # it was of an earlier process with this PID
                else:
                    stop = info if info.code == CLD_STOPPED else None
        return None

    def _who_was_told(self, path: str) -> dict[int, list[tuple[Recording, list[ChildTold]]]]:
        """By the child's PID, who was told what, from the recordings beside that file."""
        others = self._recordings.beside(path)
        if id(others) not in self._told:
            by_pid = self._told[id(others)] = {}
            for parent in others:
                try:
                    told = told_of_children(parent)
                except RecordingError:
                    continue  # it was truncated just now
                for pid, told_of_pid in told.items():
                    by_pid.setdefault(pid, []).append((parent, told_of_pid))
        return self._told[id(others)]


def told_of_children(parent: Recording) -> _OfPid:
    """By the child's PID, what a parent was told about its children, in the order of time."""
    told = parent._sent.children()
    if parent._ledger.any_delivered((signal.SIGCHLD,)):  # otherwise its history need not be read
        told += [
            ChildTold(e.si_pid, e.si_code, e.si_status or 0, e.monotonic_ns, e.time_ns)
            for e in parent.events(signal.SIGCHLD)
            if e.si_pid is not None
        ]
    by_pid: _OfPid = {}
    for info in sorted(told, key=lambda info: info.monotonic_ns):
        if info.code in CHILD_ENDED or info.code in (CLD_STOPPED, CLD_CONTINUED):
            by_pid.setdefault(info.pid, []).append(info)
    return by_pid


def how_child_ended(parent: Recording, end: ChildTold) -> str:
    """How the child ended, in words: ``was killed by SIGKILL``, ``exited with status 1``"""
    what = str(end.status) if end.code == CLD_EXITED else parent.signal_name(end.status)
    return f"{CHILD_ENDED[end.code]} {what}"


def can_be_parent(parent: Recording, child: Recording) -> bool:
    """Whether that process was the child's parent when the child began, or is PID 1 or a subreaper
    (prctl(2)), which inherit orphans. Any other process was told about an earlier process with this
    PID."""
    ppid = child._identity.ppid
    inherits = parent.pid == 1 or parent._identity.subreaper
    return not is_same(parent, child) and (ppid in (0, parent.pid) or bool(inherits))
