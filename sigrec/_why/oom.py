"""Whether it was the kernel's OOM killer: an inference, since the kernel tells nobody but root."""

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

NEAR_NS = 1_000_000_000  # from the last look before the end, to the look after it
KILL_S = 0.02


class Oom(NamedTuple):
    """kills: how many processes of that cgroup the OOM killer ended since since_ns. probably:
    this one was among them."""

    path: str
    kills: int
    since_ns: int
    probably: bool = False


def since_it_began(recording: Recording) -> Oom | None:
    """What its cgroup counted since it began to record. That says that the OOM killer was active there,
    and not when: so never "probably". None: it was not active, or that is not known here, or the
    process ended in another one."""
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
        self._ending_ns: int | None = None  # since when it was seen to be
        self._last = self._first = self._look(cgroup.of_process(pid))

    @property
    def cgroup(self) -> str | None:
        """Where it was last."""
        return None if self._last is None else self._last.cgroup.path

    def look(self) -> None:
        """While it runs, several times a second."""
        last = self._look(cgroup.of_process(self._pid))
        if is_ending(self._pid):
            # It is in no cgroup of version 1 any more, and may free its memory for long.
            self._ending_ns = self._ending_ns or time.monotonic_ns()
            return
        if last is None or self._last is None or last.cgroup != self._last.cgroup:
            self._first, self._since_ns = last, time.time_ns()  # it has moved
        self._last = last

    def _look(self, within: Cgroup | None) -> _Look | None:
        if within is None:
            return None
        # The members first: whoever ends after that is still one of them here.
        now, members, kills = time.monotonic_ns(), within.members(), within.oom_kills()
        return None if kills is None else _Look(now, within, kills, members)

    def after(self, ended: Ended) -> Oom | None:
        """At once after its end. "Probably" only where nothing speaks for a plain SIGKILL: its own
        cgroup's counter rose just now, by as many as ended there. A sibling's OOM beside a
        kill -9 counts one and ends two."""
        last = self._last
        if last is None or self._first is None or ended.signal != signal.SIGKILL:
            return None
        kills = last.cgroup.oom_kills()
        if kills is None or kills <= self._first.kills:
            return None
        near = (self._ending_ns or time.monotonic_ns()) - last.monotonic_ns <= NEAR_NS
        moved = cgroup.of_process(self._pid) not in (None, last.cgroup, cgroup.at("/"))
        # The members last: the kernel counts before it kills, and all that is counted here ends by now.
        time.sleep(KILL_S)
        gone = last.members - (last.cgroup.members() - {self._pid})
        alone = self._pid in last.members and len(gone) <= kills - last.kills
        probably = near and alone and not moved
        return Oom(last.cgroup.path, kills - self._first.kills, self._since_ns, probably)


def words(oom: Oom, clock: str) -> str:
    """What it adds to a sentence; clock: since_ns as people write it."""
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
