"""How the processes ended whose recordings are held, as soon as that is known.

A parent, or the kernel, may tell a little later than the process ends. So where the cause is not
known at once, it is asked for again, for as long as there is hope.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress

from sigrec._serve.ending import End, end_of
from sigrec._serve.watched import BAD, Watched
from sigrec._tuples import NamedTuple
from sigrec._why.oom_watch import OomWatches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, KeysView

    from sigrec._reader.recording import Recording

PATIENCE_S = 2.0  # for the word of a parent, or of the kernel
LOOK_S = 0.1  # how often to ask again
SENDER_NS = (
    10 * 10**9
)  # a process that ended others may end itself, and is remembered for this time
NEWEST = 100  # endings that the page shows, and whose recordings are kept open


class Ended(NamedTuple):
    """time_ns: when its end was seen. ended_others: whether it sent signals that end others."""

    number: int
    end: End
    program: str
    time_ns: int
    ended_others: bool


class Endings:
    """held: returns the recordings that are held now. newest: the newest endings, the newest
    last."""

    def __init__(self, held: Callable[[], Iterable[Watched]]) -> None:
        self._held = held
        self._deadlines: dict[Watched, float] = {}  # of those that are asked for again
        self._count = 0
        self.newest: deque[Ended] = deque(maxlen=NEWEST)
        self.oom = OomWatches()

    @property
    def open(self) -> KeysView[Watched]:
        """The processes that have ended, and of which it is not known yet how."""
        return self._deadlines.keys()

    def of(self, watched: Watched) -> End | None:
        """How the process of that recording has ended. None: that may still be told, and it is
        among the open ones. Raises one of BAD for a damaged recording."""
        deadline = self._deadlines.pop(watched, time.monotonic() + PATIENCE_S)
        seen = None if watched.bystander is None else watched.bystander.at_once()
        recording = watched.recording()
        recording._has_ended()
        if recording.exit_kind == "exec":
            seen = None  # this is how the program ended that the process has become
        oom = None
        if seen is not None and watched.bystander is not None:
            oom = self.oom.after(watched.bystander.pid, seen)
        end = end_of(recording, seen, self._parents(recording), self._senders, oom)
        if end.cause == "unknown" and time.monotonic() < deadline:
            self._deadlines[watched] = deadline
            return None
        return end

    def add(self, watched: Watched, end: End, program: str) -> None:
        """Keeps the ending among the newest."""
        self._count += 1
        others = watched.has_ended_others()
        self.newest.append(Ended(self._count, end, program, time.time_ns(), others))

    def _parents(self, recording: Recording) -> list[Recording]:
        """Those that may have been told how it ended: its parent, or what inherits orphans."""
        parent, pid = recording._identity.ppid, recording.pid
        return self._readable(
            lambda one: one.pid != pid and (one.pid in (parent, 1) or one.is_subreaper)
        )

    def _senders(self) -> list[Recording]:
        """Those that sent signals that end others, also if they have just ended themselves."""
        living = self._readable(Watched.has_ended_others)
        just_now = time.time_ns() - SENDER_NS
        ended = [one for one in self.newest if one.ended_others and one.time_ns > just_now]
        return living + [one.end.recording for one in ended]

    def _readable(self, wanted: Callable[[Watched], bool]) -> list[Recording]:
        """The recordings of those that are wanted, without damaged ones, which the next look
        finds."""
        found = []
        for one in self._held():
            with suppress(*BAD):
                if wanted(one):
                    found.append(one.recording())
        return found
