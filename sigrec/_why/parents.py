"""What parents were told of their children."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import NamedTuple

from sigrec._errors import RecordingError
from sigrec._reader import index, places
from sigrec._signals.codes import CLD_CONTINUED, CLD_STOPPED
from sigrec._signals.words import CHILD_ENDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording
    from sigrec._signals.siginfo import SignalInfo


class Told(NamedTuple):
    """parent: who was told. info: of the end. stop: of the stop that went before, if one did and
    nobody continued it."""

    parent: Recording
    info: SignalInfo
    stop: SignalInfo | None


class Parents:
    """What processes were told of their children, by SIGCHLD, where they handled and recorded that:
    it has wait(2)'s status, which is not the child's to write."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[Recording, list[SignalInfo]] | None] = {}

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
                    if info.si_pid != child.pid or info.time_ns < child.started_ns:
                        continue
                    if info.si_code in CHILD_ENDED:
                        if info.time_ns >= last:
                            return Told(parent, info, stop)
                        stop = None  # of another process that had this PID
                    else:
                        stop = info if info.si_code == CLD_STOPPED else None
        return None

    @staticmethod
    def _changes(path: str) -> tuple[Recording, list[SignalInfo]] | None:
        wanted = {*CHILD_ENDED, CLD_STOPPED, CLD_CONTINUED}
        for parent in index.opened([path]):
            with suppress(RecordingError):  # cut short just now
                events = parent.events(signal.SIGCHLD)
                return parent, [info for info in events if info.si_code in wanted]
        return None
