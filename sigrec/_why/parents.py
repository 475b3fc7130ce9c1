"""What parents were told of their children: by SIGCHLD, and by wait(2)."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import NamedTuple

from sigrec._errors import RecordingError
from sigrec._reader import index, places
from sigrec._reader.sent import ChildTold
from sigrec._signals.codes import CLD_CONTINUED, CLD_STOPPED
from sigrec._signals.words import CHILD_ENDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording


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

    def __init__(self) -> None:
        self._read: dict[str, tuple[Recording, list[ChildTold]] | None] = {}

    def told_of(self, child: Recording) -> Told | None:
        stats = child.signals.values()
        last = max((s.last.time_ns for s in stats if s.last), default=child.started_ns)
        for path in places.beside(child.path) if child.path else ():
            if path not in self._read:
                self._read[path] = self._changes(path)
            parent, changes = self._read[path] or (child, [])
            if changes and child._same_pids(parent):
                stop = None
                for info in changes:
                    if info.pid != child.pid or info.time_ns < child.started_ns:
                        continue
                    if info.code in CHILD_ENDED:
                        if info.time_ns >= last:
                            return Told(parent, info, stop)
                        stop = None  # of another process that had this PID
                    else:
                        stop = info if info.code == CLD_STOPPED else None
        return None

    @staticmethod
    def _changes(path: str) -> tuple[Recording, list[ChildTold]] | None:
        for parent in index.opened([path]):
            with suppress(RecordingError):  # cut short just now
                changes = parent._sent.children() + [
                    ChildTold(e.si_pid, e.si_code, e.si_status or 0, e.monotonic_ns, e.time_ns)
                    for e in parent.events(signal.SIGCHLD)
                    if e.si_pid is not None
                ]
                wanted = {*CHILD_ENDED, CLD_STOPPED, CLD_CONTINUED}
                changes = [change for change in changes if change.code in wanted]
                return parent, sorted(changes, key=lambda change: change.monotonic_ns)
        return None
