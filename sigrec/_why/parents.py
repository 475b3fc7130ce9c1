"""What parents were told of their children: by SIGCHLD, and by wait(2)."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import NamedTuple

from sigrec._errors import RecordingError
from sigrec._reader.sent import ChildTold
from sigrec._signals.codes import CLD_CONTINUED, CLD_STOPPED
from sigrec._signals.words import CHILD_ENDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording
    from sigrec._why.recordings import Recordings

    _OfPid = dict[int, list[ChildTold]]


class Told(NamedTuple):
    """parent: who was told. info: of the end. stop: of the stop that went before, if one did and
    nobody continued it."""

    parent: Recording
    info: ChildTold
    stop: ChildTold | None


class Parents:
    """What processes were told of their children, where they recorded that. It has wait(2)'s
    status, which is not the child's to write. SIGCHLD comes first, but is recorded only where it
    is handled, and several merge into one; wait(2) tells of each."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings
        self._told: dict[str, _OfPid] = {}  # by a recording's path: what its process was told

    def told_of(self, child: Recording) -> Told | None:
        stats = child.signals.values()
        last = max((s.last.time_ns for s in stats if s.last), default=child.started_ns)
        for parent in self._recordings.beside(child.path) if child.path else ():
            changes = self._changes(parent).get(child.pid, ())
            if changes and child._same_pids(parent) and parent.path != child.path:
                stop = None
                for info in changes:
                    if info.time_ns < child.started_ns:
                        continue
                    if info.code in CHILD_ENDED:
                        if info.time_ns >= last:
                            return Told(parent, info, stop)
                        stop = None  # of another process that had this PID
                    else:
                        stop = info if info.code == CLD_STOPPED else None
        return None

    def _changes(self, parent: Recording) -> _OfPid:
        path = parent.path or ""
        if path not in self._told:
            self._told[path] = {}
            with suppress(RecordingError):  # cut short just now
                self._told[path] = self._read(parent)
        return self._told[path]

    @staticmethod
    def _read(parent: Recording) -> _OfPid:
        changes = parent._sent.children()
        if parent._ledger.any_delivered((signal.SIGCHLD,)):  # else its history need not be read
            changes += [
                ChildTold(e.si_pid, e.si_code, e.si_status or 0, e.monotonic_ns, e.time_ns)
                for e in parent.events(signal.SIGCHLD)
                if e.si_pid is not None
            ]
        found: _OfPid = {}
        for change in sorted(changes, key=lambda change: change.monotonic_ns):
            if change.code in CHILD_ENDED or change.code in (CLD_STOPPED, CLD_CONTINUED):
                found.setdefault(change.pid, []).append(change)
        return found
