"""Waits for the ends of the processes whose recordings are held, and finds out how they ended.

A parent, or the kernel, may tell a little later than the process ends. So where the cause is not
known at once, it is asked for again, for as long as there is hope.
"""

from __future__ import annotations

import select
import time
from collections import deque
from contextlib import suppress

from sigrec._serve.ending import End, end_of
from sigrec._serve.watched import BAD, Watched
from sigrec._why.oom_watch import OomWatches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, KeysView

    from sigrec._reader.recording import Recording

WORD_PATIENCE_S = 2.0  # for the word of a parent, or of the kernel
ASK_AGAIN_S = 0.1  # how often to ask again
WITNESS_S = 10.0  # a process that may know of others' ends is remembered for so long after its own
MOST_WITNESSES = 1000


class Endings:
    """Waits for the ends of processes. epoll: tells these ends. held: returns the recordings that
    are held now."""

    def __init__(self, epoll: select.epoll, held: Callable[[], Iterable[Watched]]) -> None:
        self._epoll = epoll
        self._held = held
        self._by_pidfd: dict[int, Watched] = {}
        self._deadlines: dict[Watched, float] = {}  # of the open ends, which are asked for again
        # Recordings of processes that have just ended, and may know of others' ends, with the time.
        self._witnesses: deque[tuple[float, Watched]] = deque(maxlen=MOST_WITNESSES)
        self._known: tuple[dict[int, list[Watched]], list[Watched]] | None = None
        self.oom = OomWatches()

    @property
    def open(self) -> KeysView[Watched]:
        """The processes that have ended, and of which it is not known yet how."""
        return self._deadlines.keys()

    def begin(self, watched: Watched) -> None:
        """Begins to wait for the end of a recording's process, if that can be seen."""
        self._known = None
        if watched.bystander is not None:
            self.oom.begins(watched.bystander.pid)
            self._by_pidfd[watched.bystander.fd] = watched
            self._epoll.register(watched.bystander.fd, select.EPOLLIN | select.EPOLLONESHOT)

    def cancel(self, watched: Watched) -> None:
        """Waits no more for the end of the recording's process."""
        self._deadlines.pop(watched, None)
        if watched.bystander is not None:
            self.oom.ends(watched.bystander.pid)
            self._by_pidfd.pop(watched.bystander.fd, None)
            with suppress(OSError):
                self._epoll.unregister(watched.bystander.fd)

    def look(self, ready: Iterable[int]) -> list[Watched]:
        """Begins a new look. ready: descriptors that the epoll returned. Returns those whose
        processes have ended."""
        self._known = None
        while self._witnesses and self._witnesses[0][0] < time.monotonic() - WITNESS_S:
            self._witnesses.popleft()
        return [self._by_pidfd[fd] for fd in ready if fd in self._by_pidfd]

    def of(self, watched: Watched, last: bool = False) -> End | None:
        """How the process of that recording has ended. None: that may still be told, and it is
        among the open ones. last: that is not waited for.
        Raises one of BAD for a damaged recording."""
        deadline = self._deadlines.pop(watched, time.monotonic() + WORD_PATIENCE_S)
        seen = None if watched.bystander is None else watched.bystander.at_once()
        recording = watched.recording()
        recording._has_ended()
        if recording.exit_kind == "exec":
            seen = None  # this is how the program ended that the process has become
        oom = None
        if seen is not None and watched.bystander is not None:
            oom = self.oom.after(watched.bystander.pid, seen)
        end = end_of(recording, seen, self._held_parents(recording), self._held_senders, oom)
        if end.cause == "unknown" and not last and time.monotonic() < deadline:
            self._deadlines[watched] = deadline
            return None
        if watched.may_know_of_ends():
            self._witnesses.append((time.monotonic(), watched))
        return end

    def _who_knows(self) -> tuple[dict[int, list[Watched]], list[Watched]]:
        """By PID, the watched recordings whose processes may have been told of an end, with those
        that inherit orphans under 0; and those whose processes may have sent signals that end
        others. One look serves all that end together."""
        if self._known is None:
            parents: dict[int, list[Watched]] = {}
            senders = []
            for watched in [*self._held(), *(witness for _, witness in self._witnesses)]:
                with suppress(*BAD):
                    for pid in {watched.pid} | ({0} if watched.is_subreaper else set()):
                        parents.setdefault(pid, []).append(watched)
                    if watched.has_ended_others():
                        senders.append(watched)
            self._known = parents, senders
        return self._known

    def _held_parents(self, recording: Recording) -> list[Recording]:
        """The held recordings whose processes may have been told how it
        ended: its parent, or what inherits orphans."""
        parents, _ = self._who_knows()
        pids = {0, 1, recording._identity.ppid} - {recording.pid}
        may_be_told = {id(watched): watched for pid in pids for watched in parents.get(pid, ())}
        return _readable(
            watched for watched in may_be_told.values() if watched.pid != recording.pid
        )

    def _held_senders(self) -> list[Recording]:
        """The held recordings of those that sent signals that end others,
        also if they have just ended themselves."""
        return _readable(self._who_knows()[1])


def _readable(held: Iterable[Watched]) -> list[Recording]:
    """The recordings of these, without damaged ones, which the next look finds."""
    readable = []
    for watched in held:
        with suppress(*BAD):
            readable.append(watched.recording())
    return readable
