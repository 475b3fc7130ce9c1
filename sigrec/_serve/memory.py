"""Whom the kernel's OOM killer probably ended, among the processes that are held: as _why/oom.py, of many.

A look takes what each cgroup counts and who is in it. A process that SIGKILL ended was probably among
the victims if, since the last look, as many were counted as are gone.
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
MOST = 64  # cgroups that are looked at: of more it is not known


class _Look(NamedTuple):
    kills: int
    members: frozenset[int]
    time_ns: int


class Memory:
    def __init__(self) -> None:
        self._of: dict[int, Cgroup] = {}  # by PID
        self._looks: dict[Cgroup, _Look] = {}
        self._silent: set[Cgroup] = set()  # as the root of all: they do not count
        self._looked_at = time.monotonic()

    def begins(self, pid: int) -> None:
        """That process is held."""
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
        """It is not held any more."""
        self._of.pop(pid, None)

    def due(self) -> float:
        """When it is time for a look, by time.monotonic(); infinity: there is nothing to look at."""
        return self._looked_at + LOOK_S if self._looks else float("inf")

    def look(self) -> None:
        """Every so often."""
        self._looked_at = time.monotonic()
        self._silent.clear()
        for within in self._looks.keys() - set(self._of.values()):
            del self._looks[within]
        for within in list(self._looks):
            self._look(within)

    def _look(self, within: Cgroup) -> None:
        # The members first: whoever ends after that is still one of them here.
        now, members, kills = time.time_ns(), within.listed(), within.oom_kills()
        self._looks.pop(within, None)
        if kills is not None:
            self._looks[within] = _Look(kills, members, now)

    def after(self, pid: int, seen: Ended) -> Oom | None:
        """At once after its end. None: nothing speaks for the OOM killer."""
        within = self._of.pop(pid, None)
        last = self._looks.get(within) if within is not None else None
        if within is None or last is None:
            return None
        found = None
        if seen.signal == signal.SIGKILL:
            kills = within.oom_kills()
            if kills is not None and kills > last.kills:
                # The kernel counts before it kills, and all that is counted here ends by now.
                time.sleep(KILL_S)
                gone = last.members - (within.members() - {pid})
                probably = pid in last.members and len(gone) <= kills - last.kills
                found = Oom(within.path, kills - last.kills, last.time_ns, probably)
        self._look(within)
        return found
