"""Which of the watched processes the kernel's OOM killer has probably ended: like _why/oom.py, for
many.

A look notes what each cgroup counts, and which processes are in it. If SIGKILL has ended a process,
and as many OOM kills were counted since the last look as processes are gone, it was probably one of
these.
"""

from __future__ import annotations

import signal
import time

from sigrec._proc import cgroup
from sigrec._tuples import NamedTuple
from sigrec._why.oom import KILL_S, Oom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._proc.cgroup import Cgroup
    from sigrec._proc.ended import Ended

LOOK_S = 5.0
MOST = 64  # so many cgroups are looked at; about further ones nothing is known


class _Look(NamedTuple):
    kills: int
    members: frozenset[int]
    time_ns: int


class Memory:
    def __init__(self) -> None:
        self._of: dict[int, Cgroup] = {}  # by PID
        self._looks: dict[Cgroup, _Look] = {}
        self._silent: set[Cgroup] = set()  # those that do not count, as the root of all
        self._looked_at = time.monotonic()

    def begins(self, pid: int) -> None:
        """Begins to watch the cgroup of that process."""
        within = cgroup.of_process(pid)
        if within is None or within in self._silent:
            return
        if within not in self._looks:
            if len(self._looks) >= MOST:
                return
            self._look(within)
            if within not in self._looks:
                self._silent.add(within)
                return
        self._of[pid] = within

    def ends(self, pid: int) -> None:
        """That process need not be watched any more."""
        self._of.pop(pid, None)

    def due(self) -> float:
        """When the next look is due, by time.monotonic(); infinity: there is nothing to look at."""
        return self._looked_at + LOOK_S if self._looks else float("inf")

    def look(self) -> None:
        """Looks at all cgroups; to be called when it is due."""
        self._looked_at = time.monotonic()
        self._silent.clear()
        for within in self._looks.keys() - set(self._of.values()):
            del self._looks[within]
        for within in list(self._looks):
            self._look(within)

    def _look(self, within: Cgroup) -> None:
        # The members are read first: a process that ends after that is still among them.
        now, members, kills = time.time_ns(), within.listed(), within.oom_kills()
        self._looks.pop(within, None)
        if kills is not None:
            self._looks[within] = _Look(kills, members, now)

    def after(self, pid: int, seen: Ended) -> Oom | None:
        """To be called right after that process has ended. None: nothing speaks for the OOM
        killer."""
        within = self._of.pop(pid, None)
        last = self._looks.get(within) if within is not None else None
        if within is None or last is None:
            return None
        found = None
        if seen.signal == signal.SIGKILL:
            kills = within.oom_kills()
            if kills is not None and kills > last.kills:
                # The kernel counts before it kills: all that are counted here have ended after
                # this.
                time.sleep(KILL_S)
                gone = last.members - (within.members() - {pid})
                probably = pid in last.members and len(gone) <= kills - last.kills
                found = Oom(within.path, kills - last.kills, last.time_ns, probably)
        self._look(within)
        return found
