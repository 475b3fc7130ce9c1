"""How many signals may be queued: RLIMIT_SIGPENDING, which all processes of a user share."""

from __future__ import annotations

from sigrec._doctor.finding import Finding
from sigrec._proc.process import comm
from sigrec._proc.status import of_user, timers
from sigrec._text import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._proc.status import Status


ENOUGH_PENDING = 1024  # if fewer signals may be queued, a burst of real-time ones is refused
MOST_NAMED = 5  # so many of the processes that use some of it are named


def queue_limit(now: Status, pid: int | None = None) -> Finding:
    if now.queued is None:
        return Finding("RLIMIT_SIGPENDING", "note", "how many signals may be queued is not known")
    used, limit = now.queued
    sharing = of_user(now.uid)
    found = (
        f"{number(limit)} signals may be queued for this user's processes, {number(used)} are; "
        + (
            "1 process has that, "
            if len(sharing) == 1
            else f"{number(len(sharing))} processes share that, all "
        )
        + f"of UID {now.uid}"
    )
    if limit - used >= ENOUGH_PENDING:
        return Finding("RLIMIT_SIGPENDING", "ok", found)
    found += _who_has_some(sharing)
    now_too = "" if pid is None else f"prlimit --pid {pid} --sigpending=65536 for this one, "
    return Finding(
        "RLIMIT_SIGPENDING", "problem" if used >= limit else "note",
        f"{found}. When it is reached sigqueue() fails with EAGAIN; a real-time signal of kill() "
        "merges, and loses who sent it",
        f"raise it, as root: {now_too}ulimit -i 65536 in the shell that starts it, "
        "LimitSIGPENDING=65536 in its systemd unit, --ulimit sigpending=65536 for a container",
    )  # fmt: skip


def _who_has_some(sharing: dict[int, Status]) -> str:
    """The processes that use some of that limit. The kernel does not
    tell how many signals each has queued."""
    having = []
    for pid, status in sharing.items():
        what = ["signals pending"] if status.pending else []
        if count := timers(pid):
            what.append(f"{number(count)} timer{'s' if count > 1 else ''}")
        if what:
            having.append(
                (
                    not status.pending,
                    -count,
                    f"{comm(pid) or '?'} (PID {pid}: {' and '.join(what)})",
                )
            )
    if not having:
        return ""
    more = f" and {number(len(having) - MOST_NAMED)} more" if len(having) > MOST_NAMED else ""
    return f". Of these {', '.join(words for *_, words in sorted(having)[:MOST_NAMED])}{more} have some of it"
