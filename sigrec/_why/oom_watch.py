"""Watches cgroups, to tell whether the kernel's OOM killer has ended a process: of one process
(`why --wait`, `run --report`), or of many (`serve`)."""

from __future__ import annotations

import signal
import time

from sigrec._proc import cgroup
from sigrec._proc.process import is_ending
from sigrec._tuples import NamedTuple
from sigrec._why.oom import Oom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sigrec._proc.cgroup import Cgroup
    from sigrec._proc.ended import Ended

NEAR_NS = 1_000_000_000  # the longest time from the last look before the end to the look after it
KILL_S = 0.02
CGROUP_LOOK_S = 5.0  # between two looks at the cgroups of many
MOST_CGROUPS = 64  # so many cgroups are looked at; about further ones nothing is known


class _Look(NamedTuple):
    """What a cgroup counted then, and which processes were in it."""

    cgroup: Cgroup
    kills: int
    members: frozenset[int]
    time_ns: int
    monotonic_ns: int


def _look_at(within: Cgroup, members: Callable[[], frozenset[int]]) -> _Look | None:
    """A look at the cgroup of a process that may be killed. None: that cgroup does not count."""
    # The members are read first: a process that ends after that is still among them.
    time_ns, monotonic_ns, of_it = time.time_ns(), time.monotonic_ns(), members()
    kills = within.oom_kills()
    return None if kills is None else _Look(within, kills, of_it, time_ns, monotonic_ns)


def _explains(last: _Look, kills: int, pid: int) -> bool:
    """Whether so many kills since that look explain that this
    process is gone, and all the others that are."""
    # The members are read last: the kernel counts before it kills, and all that are counted here
    # have ended by then.
    time.sleep(KILL_S)
    gone = last.members - (last.cgroup.members() - {pid})
    return pid in last.members and len(gone) <= kills - last.kills


class OomWatch:
    """Looks at a process's cgroup again and again until it ends."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._since_ns = time.time_ns()
        self._ending_ns: int | None = None  # since when the process is about to end
        self._last = self._first = self._look(cgroup.of_process(pid))

    @property
    def cgroup(self) -> str | None:
        """The path of the cgroup that the process was in last."""
        return None if self._last is None else self._last.cgroup.path

    def look(self) -> None:
        """To be called several times a second while the process runs."""
        last = self._look(cgroup.of_process(self._pid))
        if is_ending(self._pid):
            # An ending process is in no cgroup of version 1, and to free its memory may take long.
            self._ending_ns = self._ending_ns or time.monotonic_ns()
            return
        if last is None or self._last is None or last.cgroup != self._last.cgroup:
            self._first, self._since_ns = last, time.time_ns()  # it has moved
        self._last = last

    def _look(self, within: Cgroup | None) -> _Look | None:
        return None if within is None else _look_at(within, within.members)

    def after(self, ended: Ended) -> Oom | None:
        """To be called right after its end. It is "probably" only if nothing speaks for a plain
        SIGKILL: the counter of its own cgroup has risen just now, by as many as have ended there.
        (An OOM kill of a sibling beside a kill -9 counts one, and two end.)"""
        last = self._last
        if last is None or self._first is None or ended.signal != signal.SIGKILL:
            return None
        kills = last.cgroup.oom_kills()
        if kills is None or kills <= self._first.kills:
            return None
        near = (self._ending_ns or time.monotonic_ns()) - last.monotonic_ns <= NEAR_NS
        moved = cgroup.of_process(self._pid) not in (None, last.cgroup, cgroup.at("/"))
        probably = _explains(last, kills, self._pid) and near and not moved
        return Oom(last.cgroup.path, kills - self._first.kills, self._since_ns, probably)


class OomWatches:
    """Looks at the cgroups of many processes, again and again. A look notes what each cgroup counts,
    and which processes are in it. If SIGKILL has ended a process, and as many OOM kills were counted
    since the last look as processes are gone, it was probably one of these."""

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
            if len(self._looks) >= MOST_CGROUPS:
                return
            self._look(within)
            if within not in self._looks:
                self._silent.add(within)
                return
        self._of[pid] = within

    def ends(self, pid: int) -> None:
        """The cgroup need not be watched for that process any more."""
        self._of.pop(pid, None)

    def due(self) -> float:
        """When the next look is due, by time.monotonic(); infinity: there is nothing to look at."""
        return self._looked_at + CGROUP_LOOK_S if self._looks else float("inf")

    def look(self) -> None:
        """Looks at all cgroups; to be called when it is due."""
        self._looked_at = time.monotonic()
        self._silent.clear()
        for within in self._looks.keys() - set(self._of.values()):
            del self._looks[within]
        for within in list(self._looks):
            self._look(within)

    def _look(self, within: Cgroup) -> None:
        self._looks.pop(within, None)
        if look := _look_at(within, within.listed):
            self._looks[within] = look

    def after(self, pid: int, seen: Ended) -> Oom | None:
        """To be called right after that process has ended.
        None: nothing speaks for the OOM killer."""
        within = self._of.pop(pid, None)
        last = self._looks.get(within) if within is not None else None
        if within is None or last is None:
            return None
        found = None
        if seen.signal == signal.SIGKILL:
            kills = within.oom_kills()
            if kills is not None and kills > last.kills:
                probably = _explains(last, kills, pid)
                found = Oom(within.path, kills - last.kills, last.time_ns, probably)
        self._look(within)
        return found
