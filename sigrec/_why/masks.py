"""What the main thread of a process had blocked, in words: what it wrote down, and, while it lives,
what the kernel says besides."""

from __future__ import annotations

import time

from sigrec._proc.status import blocked_everywhere, status
from sigrec._signals.names import ASK_TO_END, name
from sigrec._text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sigrec._proc.ended import Ended
    from sigrec._reader.recording import Recording
    from sigrec._signals.mask import MaskChange

    Clock = Callable[[int], str]
    # None: since before recording began. Words: what the kernel says, and nobody wrote down.
    Blocked = dict[int, MaskChange | str | None]

_NEARLY_ALL = 50
UNSEEN = "blocked now, as the kernel says, and by whom was not seen"
UNSEEN_AT_END = "blocked at its end, as the kernel said, and by whom was not seen"
_STAYS_S = 0.01  # longer than what a C library, or a handler of ours, blocks for its own sake


def blocked(changes: Iterable[MaskChange], at_first: int = 0) -> dict[int, MaskChange | None]:
    """By signal, what the main thread had blocked when it was last written down, and the change that
    made it so; None: it was so before recording began. at_first: these, bit n - 1 for signal n."""
    newest = {one.si_signo: one for one in changes if one.main_thread}
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
            # What blocks all for a while and then lets in the rest found it blocked.
            if own is not None and own.blocked:
                found[signum] = own
            elif not before or own is not None:
                found[signum] = of_all
            else:
                found[signum] = None
    return found


def of_now(recording: Recording, at_first: int = 0) -> Blocked:
    """As blocked(); of a living process what the kernel says. siglongjmp(3), swapcontext(3), a handler
    that returns and a raw system call change a mask, and nobody writes that down."""
    changes = recording.masks()
    found = blocked(changes, at_first)
    pid = recording._pid_here() if recording.state == "alive" else None
    now = status(pid, pid) if pid else None
    if now is None or not pid:
        return {**found}
    written = blocked(changes, recording._identity.blocked)
    unseen = dict.fromkeys(_unseen(recording, pid, now.blocked - written.keys()), UNSEEN)
    return {**{n: one for n, one in found.items() if n in now.blocked}, **unseen}


def _unseen(recording: Recording, pid: int, more: frozenset[int]) -> list[int]:
    """Of these, those that stay blocked. Of a registered signal that is not told: the intake thread
    blocks it, where it comes fast."""
    sigrtmin = recording._header.sigrtmin
    more = frozenset(n for n in more if n < 32 or n >= sigrtmin)  # the C library's own
    if not more:
        return []
    delivered = {n: one.delivered for n, one in recording.signals.items()}
    time.sleep(_STAYS_S)
    now, signals = status(pid, pid), recording.signals
    if now is None or any(one.delivered != delivered.get(n, 0) for n, one in signals.items()):
        return []  # all are blocked in a handler of ours, for a moment
    return [
        n for n in sorted(more & now.blocked) if n not in signals or signals[n].mode != "registered"
    ]


def pending_since_before(recording: Recording) -> set[int]:
    """The signals that wait in the kernel, since a living process had them blocked as its recording
    began, and has."""
    pid = recording._pid_here() if recording.state == "alive" else None
    now = status(pid) if pid else None
    if now is None or not pid:
        return set()
    found = of_now(recording, recording._identity.blocked)
    before = {signum for signum, one in found.items() if one is None}
    return before & now.pending & blocked_everywhere(pid)


def lines(
    found: Mapping[int, MaskChange | str | None], clock: Clock, sigrtmin: int | None = None
) -> list[str]:
    """``SIGTERM: blocked by app.py:12 since 12:03:04``; several with the same history are one line.
    Safe for a terminal."""
    same: dict[str, list[str]] = {}
    for signum, one in sorted(found.items()):
        same.setdefault(_words(one, clock), []).append(name(signum, sigrtmin))
    return [
        f"{'nearly all signals' if len(names) >= _NEARLY_ALL else ', '.join(names)}: {text}"
        for text, names in same.items()
    ]


def _words(one: MaskChange | str | None, clock: Clock) -> str:
    if one is None:
        return "blocked since before its recording began"
    if isinstance(one, str):
        return one
    by = "" if one.by is None else f" by {printable(one.by)}"
    parent = ", in its parent," if one.how == "forked" else ""
    return f"blocked{by}{parent} since {clock(one.time_ns)}"


def of_end(recording: Recording, kernel: frozenset[int] | None) -> Blocked:
    """As blocked(); kernel: what a bystander saw to be blocked at the end."""
    found: Blocked = {**blocked(recording.masks(), recording._identity.blocked)}
    if kernel is None:
        return found
    more = kernel - found.keys() if len(kernel) < _NEARLY_ALL else ()  # else in a handler of ours
    signals = recording.signals if more else {}
    unseen = [n for n in more if n not in signals or signals[n].mode != "registered"]
    found = {n: one for n, one in found.items() if n in kernel}
    return {**found, **dict.fromkeys(unseen, UNSEEN_AT_END)}


def of_those_that_end(recording: Recording, clock: Clock, seen: Ended | None = None) -> list[str]:
    """The signals that people end processes with, where they were blocked, and so not delivered. But
    those that are pending and were blocked since before: pending_words() says that of them. seen: how
    it ended, as a bystander saw it."""
    found = (
        of_now(recording, recording._identity.blocked)
        if seen is None
        else of_end(recording, seen.blocked)
    )
    said = pending_since_before(recording)
    ends = {int(n): found[n] for n in ASK_TO_END if n in found and n not in said}
    return lines(ends, clock, recording._header.sigrtmin)
