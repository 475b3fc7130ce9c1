"""What parents were told of the ends of their children."""

from __future__ import annotations

import signal
from contextlib import suppress

from sigrec._errors import RecordingError
from sigrec._reader import index, places
from sigrec._signals.words import CHILD_ENDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording
    from sigrec._signals.siginfo import SignalInfo


class Parents:
    """What processes were told of the ends of their children, by SIGCHLD, where they handled and
    recorded that: it has wait(2)'s status, which is not the child's to write."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[Recording, list[SignalInfo]] | None] = {}

    def told_of(self, child: Recording) -> tuple[Recording, SignalInfo] | None:
        stats = child.signals.values()
        last = max((s.last.time_ns for s in stats if s.last), default=child.started_ns)
        for path in places.beside(child.path) if child.path else ():
            if path not in self._read:
                self._read[path] = self._ends(path)
            parent, ends = self._read[path] or (child, [])
            if ends and child._same_pids(parent):
                for info in ends:
                    if info.si_pid == child.pid and info.time_ns >= last:
                        return parent, info
        return None

    @staticmethod
    def _ends(path: str) -> tuple[Recording, list[SignalInfo]] | None:
        for parent in index.opened([path]):
            with suppress(RecordingError):  # cut short just now
                events = parent.events(signal.SIGCHLD)
                return parent, [info for info in events if info.si_code in CHILD_ENDED]
        return None
