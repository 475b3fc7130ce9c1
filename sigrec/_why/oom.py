"""What is known of the kernel's OOM killer in a process's cgroup, from its recording and in words.
It is inferred, since the kernel tells only root."""

from __future__ import annotations

from sigrec._proc import cgroup, host
from sigrec._text import printable
from sigrec._tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording


class Oom(NamedTuple):
    """What the OOM killer did in a cgroup. kills: how many processes of that cgroup it has ended
    since since_ns. probably: whether the process in question was probably among them."""

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


def words(oom: Oom, clock: str) -> str:
    """What the OOM killer adds to the sentence of `why`. clock: since_ns as text."""
    if oom.probably:
        return (
            ", probably by the kernel's OOM killer, which ended a process of its memory cgroup "
            f"({printable(oom.path)}) at that moment"
        )
    times = "once" if oom.kills == 1 else f"{oom.kills} times"
    return (
        f"; the OOM killer was active in its cgroup {times} since {clock}, "
        "and whether it ended this process is not known"
    )
