"""Whether the kernel's OOM killer ended a process. This is inferred, since the kernel tells only
root."""

from __future__ import annotations

import signal
import time

from sigrec._proc import cgroup, host
from sigrec._proc.process import is_ending
from sigrec._text import printable
from sigrec._tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._proc.cgroup import Cgroup
    from sigrec._proc.ended import Ended
    from sigrec._reader.recording import Recording

NEAR_NS = 1_000_000_000  # the longest time from the last look before the end to the look after it
KILL_S = 0.02


class Oom(NamedTuple):
    """kills: how many processes of that cgroup the OOM killer has ended since since_ns. probably:
    whether this one was probably among them."""

    path: str
    kills: int
    since_ns: int
    probably: bool = False


def since_it_began(recording: Recording) -> Oom | None:
    """What the process's cgroup has counted since its recording began. This tells that the OOM
    killer was active there, but not when, and so it is never "probably". None: it was not active,
    or that is not known here, or the process ended in another cgroup."""
    identity = recording._identity
    here = (
        recording.boot_id == host.boot_id()
        and identity.mount_namespace
        and identity.mount_namespace == host.mount_namespace()
    )
    moved = identity.cgroup_at_end not in ("", identity.cgroup)
    within = cgroup.at(identity.cgroup) if here and identity.oom_kills >= 0 and not moved else None
    now = within.oom_kills() if within is not None else None
    kills = 0 if now is None else now - identity.oom_kills
    return Oom(identity.cgroup, kills, recording.started_ns) if kills > 0 else None


class _Look(NamedTuple):
    monotonic_ns: int
    cgroup: Cgroup
    kills: int
    members: frozenset[int]


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
            # It is in no cgroup of version 1 any more, and to free its memory may take long.
            self._ending_ns = self._ending_ns or time.monotonic_ns()
            return
        if last is None or self._last is None or last.cgroup != self._last.cgroup:
            self._first, self._since_ns = last, time.time_ns()  # it has moved
        self._last = last

    def _look(self, within: Cgroup | None) -> _Look | None:
        if within is None:
            return None
        # The members are read first: a process that ends after that is still among them.
        now, members, kills = time.monotonic_ns(), within.members(), within.oom_kills()
        return None if kills is None else _Look(now, within, kills, members)

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
        # The members are read last: the kernel counts before it kills, and all that are counted
        # here have ended by then.
        time.sleep(KILL_S)
        gone = last.members - (last.cgroup.members() - {self._pid})
        alone = self._pid in last.members and len(gone) <= kills - last.kills
        probably = near and alone and not moved
        return Oom(last.cgroup.path, kills - self._first.kills, self._since_ns, probably)


def words(oom: Oom, clock: str) -> str:
    """What this adds to a sentence. clock: since_ns as text."""
    if oom.probably:
        return (
            ", probably by the kernel's OOM killer, which ended a process of its memory cgroup "
            f"({printable(oom.path)}) at that moment"
        )
    times = "once" if oom.kills == 1 else f"{oom.kills} times"
    return (
        f"; the OOM killer was active in its cgroup {times} since {clock}, and whether it ended "
        "this process is not known"
    )
