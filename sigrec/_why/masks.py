"""What the main thread of a process had blocked, in words:
as the process wrote it down, and, while it lives, as the kernel says."""

from __future__ import annotations

import time

from sigrec._proc.status import blocked_everywhere, status
from sigrec._signals.names import ASK_TO_END, name
from sigrec._text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sigrec._proc.ended import Ended
    from sigrec._proc.status import Status
    from sigrec._reader.recording import Recording
    from sigrec._signals.mask import MaskChange

    Clock = Callable[[int], str]
    # None: it was blocked before recording began. A text: only the kernel says it.
    Blocked = dict[int, MaskChange | str | None]

_NEARLY_ALL = 50
UNSEEN = "blocked now, as the kernel says, and by whom was not seen"
UNSEEN_AT_END = "blocked at its end, as the kernel said, and by whom was not seen"
_STAYS_S = 0.01  # a C library, and a handler of ours, block signals for a shorter time than this


def blocked(changes: Iterable[MaskChange], at_first: int = 0) -> dict[int, MaskChange | None]:
    """The signals that the main thread had blocked when that was last written down, each with the
    change that blocked it; None: it was blocked before recording began. at_first: the signals that
    were, bit n - 1 for signal n."""
    newest = {change.si_signo: change for change in changes if change.main_thread}
    of_all = newest.pop(0, None)
    found: dict[int, MaskChange | None] = {}
    for signum in range(1, 65):
        own, before = newest.get(signum), bool(at_first >> (signum - 1) & 1)
        if own is not None and (of_all is None or own.monotonic_ns >= of_all.monotonic_ns):
            if own.blocked:
                found[signum] = own
        elif of_all is None:
            if before:
                found[signum] = None
        elif signum in of_all.mask:
            # A call that blocks all signals for a while, and then
            # unblocks the others, found this one blocked.
            if own is not None and own.blocked:
                found[signum] = own
            elif not before or own is not None:
                found[signum] = of_all
            else:
                found[signum] = None
    return found


def standing(recording: Recording) -> tuple[list[MaskChange], int]:
    """What blocked() takes: the changes that may still hold, and the mask before them."""
    at_first = recording._identity.blocked if recording._may_hold(0) else 0
    return [change for change in recording.masks() if recording._may_hold(change.time_ns)], at_first


def of_now(recording: Recording, at_first: int = 0) -> Blocked:
    """What blocked() says, corrected by the kernel if the process lives: siglongjmp(3),
    swapcontext(3), a handler that returns and a raw system call
    change a mask without being written down. Otherwise only what lasts."""
    changes, before = standing(recording)
    found = blocked(changes, at_first & before)
    pid = recording._pid_here() if recording.state == "alive" else None
    now = status(pid, pid) if pid else None
    if now is None or not pid or stopped_in_a_handler(now):
        return _lasting(recording, found)
    written = blocked(changes, before)
    unseen = dict.fromkeys(_blocked_unseen(recording, pid, now.blocked - written.keys()), UNSEEN)
    return {**{n: change for n, change in found.items() if n in now.blocked}, **unseen}


def _lasting(recording: Recording, found: dict[int, MaskChange | None]) -> Blocked:
    """What was blocked until the end as far as can be known without the kernel: what was so from the
    start, and what a line of Python blocked. A C library may wait in sigsuspend(2), ppoll(2) and the
    like, which have another mask and are not written down; and it blocks signals for that."""
    return {
        signum: change
        for signum, change in found.items()
        if (change.file if change is not None else not recording._attached)
    }


def _blocked_unseen(recording: Recording, pid: int, more: frozenset[int]) -> list[int]:
    """Which of these blocked signals stay so, without registered ones,
    which the intake thread blocks while they come fast."""
    sigrtmin = recording._header.sigrtmin
    more = frozenset(n for n in more if n < 32 or n >= sigrtmin)  # the C library's own
    if not more:
        return []
    delivered = {n: stats.delivered for n, stats in recording.signals.items()}
    time.sleep(_STAYS_S)
    now, signals = status(pid, pid), recording.signals
    if now is None or any(stats.delivered != delivered.get(n, 0) for n, stats in signals.items()):
        return []  # it is in a handler of ours, which blocks all for a moment
    return [
        n for n in sorted(more & now.blocked) if n not in signals or signals[n].mode != "registered"
    ]


def stopped_in_a_handler(now: Status) -> bool:
    """Whether a thread may be stopped within a handler of ours,
    which blocks nearly all until it returns."""
    return now.state in "Tt" and len(now.blocked) >= _NEARLY_ALL


def pending_since_before(recording: Recording) -> set[int]:
    """The signals that wait in the kernel because a living process has blocked them since before
    its recording began."""
    pid = recording._pid_here() if recording.state == "alive" else None
    now = status(pid) if pid else None
    if now is None or not pid or not now.pending:
        return set()
    found = of_now(recording, recording._identity.blocked)
    before = {signum for signum, change in found.items() if change is None}
    return before & now.pending & blocked_everywhere(pid)


def lines(
    found: Mapping[int, MaskChange | str | None], clock: Clock, sigrtmin: int | None = None
) -> list[str]:
    """A line for each signal: ``SIGTERM: blocked by app.py:12 since 12:03:04``. Signals with the
    same history share a line. The text is safe for a terminal."""
    same: dict[str, list[str]] = {}
    for signum, change in sorted(found.items()):
        same.setdefault(_blocked_by(change, clock), []).append(name(signum, sigrtmin))
    return [
        f"{'nearly all signals' if len(names) >= _NEARLY_ALL else ', '.join(names)}: {text}"
        for text, names in same.items()
    ]


def _blocked_by(change: MaskChange | str | None, clock: Clock) -> str:
    if change is None:
        return "blocked since before its recording began"
    if isinstance(change, str):
        return change
    by = "" if change.by is None else f" by {printable(change.by)}"
    parent = ", in its parent," if change.how == "forked" else ""
    return f"blocked{by}{parent} since {clock(change.time_ns)}"


def of_end(recording: Recording, kernel: frozenset[int] | None) -> Blocked:
    """What blocked() says, corrected by what a bystander saw at the end.
    kernel: the signals that were blocked then."""
    written = blocked(*standing(recording))
    if kernel is None:
        return _lasting(recording, written)
    found: Blocked = {**written}
    more = kernel - found.keys() if len(kernel) < _NEARLY_ALL else ()  # else in a handler of ours
    signals = recording.signals if more else {}
    unseen = [n for n in more if n not in signals or signals[n].mode != "registered"]
    found = {n: change for n, change in found.items() if n in kernel}
    return {**found, **dict.fromkeys(unseen, UNSEEN_AT_END)}


def of_those_that_end(recording: Recording, clock: Clock, seen: Ended | None = None) -> list[str]:
    """Lines about signals by which people end processes, if they were blocked and so not delivered.
    But pending_words() tells of those that are pending and were blocked from the beginning. seen:
    how the process ended, as a bystander saw it."""
    found = (
        of_now(recording, recording._identity.blocked)
        if seen is None
        else of_end(recording, seen.blocked)
    )
    said = pending_since_before(recording)
    ends = {int(n): found[n] for n in ASK_TO_END if n in found and n not in said}
    return lines(ends, clock, recording._header.sigrtmin)
