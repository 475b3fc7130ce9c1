"""What the main thread of a process had blocked, in words: no more than it wrote down."""

from __future__ import annotations

from sigrec._proc.status import blocked_everywhere, status
from sigrec._signals.names import ASK_TO_END, name
from sigrec._text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sigrec._reader.recording import Recording
    from sigrec._signals.mask import MaskChange

    Clock = Callable[[int], str]

_NEARLY_ALL = 50


def blocked(changes: Iterable[MaskChange], at_first: int = 0) -> dict[int, MaskChange | None]:
    """By signal, what the main thread had blocked when it was last written down, and the change that
    made it so; None: it was so before recording began. at_first: these, bit n - 1 for signal n."""
    newest = {one.si_signo: one for one in changes if one.main}
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


def of_now(recording: Recording, at_first: int = 0) -> dict[int, MaskChange | None]:
    """As blocked(); of a living process only what the kernel says, too. siglongjmp(3), swapcontext(3)
    and a handler that returns put an old mask back, and nobody writes that down."""
    found = blocked(recording.masks(), at_first)
    pid = recording._pid_here() if recording.state == "alive" else None
    now = status(pid, pid) if pid else None
    return found if now is None else {n: one for n, one in found.items() if n in now.blocked}


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
    found: dict[int, MaskChange | None], clock: Clock, sigrtmin: int | None = None
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


def _words(one: MaskChange | None, clock: Clock) -> str:
    if one is None:
        return "blocked since before its recording began"
    by = "" if one.by is None else f" by {printable(one.by)}"
    parent = ", in its parent," if one.how == "forked" else ""
    return f"blocked{by}{parent} since {clock(one.time_ns)}"


def of_those_that_end(recording: Recording, clock: Clock) -> list[str]:
    """The signals that people end processes with, where they were blocked, and so not delivered. But
    those that are pending and were blocked since before: pending_words() says that of them."""
    found = of_now(recording, recording._identity.blocked)
    said = pending_since_before(recording)
    ends = {int(n): found[n] for n in ASK_TO_END if n in found and n not in said}
    return lines(ends, clock, recording._header.sigrtmin)
