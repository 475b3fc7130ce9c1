"""Follows a recording: what is new since the last look, and
what was missed, until its process ends."""

from __future__ import annotations

import select
import time

from sigrec._reader.ordinals import Ordinals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sigrec._proc.pidfd import Bystander
    from sigrec._reader.recording import Recording
    from sigrec._signals.siginfo import SignalInfo

    # By signal, how many of the missed ones were overwritten, and how many dropped.
    Missed = dict[int, tuple[int, int]]

POLL_S = 0.05
EXEC_LOOK_S = 1.0  # how often to look whether the process has exec'ed, which nothing announces
_OVER = ("exited", "replaced", "ended")


class Position:
    """How far a recording was read."""

    def __init__(self, signums: list[int] | None) -> None:
        self.signums = signums
        self.head: int | None = None
        self.before = 0  # the head at the look before the last; at first, where begin() began
        self.again = False  # an event may have had its ticket, and not been written yet
        self.marks: dict[int, Ordinals] = {}
        self.dropped: dict[int, int] = {}  # the ledger's counts when the last hole was explained
        self.past: dict[int, int] = {}

    def begin(self, recording: Recording) -> None:
        """Begins behind all that was delivered before the first look, also what is not kept."""
        self.before = recording._history.head()
        for signum, stats in recording.signals.items():
            if self.wants(signum):
                self.marks[signum] = Ordinals()
                self.dropped[signum] = stats.dropped
                self.past[signum] = stats.delivered

    def wants(self, signum: int) -> bool:
        return self.signums is None or signum in self.signums


def new_events(
    recording: Recording, position: Position, last: bool = False, newest: int | None = None
) -> tuple[Missed, list[SignalInfo]]:
    """The events that came since the last call, and before them what was missed: by signal, how
    many were overwritten and how many dropped. The first call returns what is kept. This takes one
    system call if nothing is new.

    last: the process has ended, and writes no more.
    newest: at most so many events of what is kept, the newest ones.
    """
    head = recording._history.head()
    if head == position.head and not position.again and not last:
        return {}, []
    first = position.head is None
    lapped = not first and head - (position.head or 0) > recording.capacity
    # The ledger is read before the events: one that it counts, and that is not among them, is gone.
    ledger = recording.signals if lapped or last else {}
    marks = position.marks
    before = {signum: (mark.next, list(mark.holes)) for signum, mark in marks.items()}
    new = []
    # Events that were being written at the last look are read again; marks know which were seen.
    from_ticket = (
        0 if first or last or lapped or any(m.holes for m in marks.values()) else position.before
    )
    events: Iterable[SignalInfo]
    if first and newest is not None:
        events = recording._newest_events(newest, frozenset(position.signums or ()), head)
    else:
        events = recording._events(recording._history.head(), from_ticket=from_ticket)
    for info in events:
        if position.wants(info.si_signo):
            if marks.setdefault(info.si_signo, Ordinals()).take(info.ordinal):
                new.append(info)
    for signum, stats in ledger.items():
        if position.wants(signum):
            marks.setdefault(signum, Ordinals()).fill(stats.recorded + stats.dropped)
    position.again = head != position.head
    position.before, position.head = position.before if first else position.head or 0, head
    if first:
        for signum, mark in marks.items():
            mark.fill(position.past.get(signum, 0))
            mark.holes.clear()
        return {}, new
    missed = {}
    for signum, mark in marks.items():
        next_was, holes_were = before.get(signum, (0, []))
        lost = 0
        for low, high, at in list(mark.holes):
            # A hole right behind what was read was overwritten if the ring has gone round. Any
            # other may be an event that a thread is just writing, and has time until the next look.
            waited = any(a <= low and high <= b for a, b, _ in holes_were)
            if last or waited or (lapped and low == next_was):
                mark.holes.remove((low, high, at))
                lost += high - low
        position.again |= bool(mark.holes)
        if lost:
            missed[signum] = lost
    return _overwritten_and_dropped(recording, position, missed) if missed else {}, new


def _overwritten_and_dropped(
    recording: Recording, position: Position, missed: dict[int, int]
) -> Missed:
    """How many of the missing ordinals were recorded once, and how many never."""
    ledger = recording.signals
    counts = {}
    for signum, lost in missed.items():
        now = ledger[signum].dropped if signum in ledger else 0
        before = position.dropped.get(signum, 0)
        dropped = max(0, min(lost, now - before))
        position.dropped[signum] = before + dropped
        counts[signum] = (lost - dropped, dropped)
    return counts


def follow(
    recording: Recording,
    position: Position,
    output: int = -1,
    bystander: Bystander | None = None,
) -> Iterator[tuple[Missed, list[SignalInfo]]]:
    """Yields what is new, again and again, until the process ends. It sleeps between two looks, so
    as not to disturb the process.

    output: a descriptor to watch: raises BrokenPipeError when nobody reads that pipe any more.
    bystander: one of that process; None: its end is noticed by looking at its state.
    """
    poll = select.poll()
    if output >= 0:
        poll.register(output, 0)  # POLLERR
    pidfd = -1 if bystander is None else bystander.fd
    if pidfd >= 0:
        poll.register(pidfd, select.POLLIN)
    looked = -EXEC_LOOK_S
    pause = POLL_S
    ended = False
    while not ended:
        if time.monotonic() - looked >= EXEC_LOOK_S:
            looked = time.monotonic()
            ended = recording.state in _OVER
        if not ended:
            ready = dict(poll.poll(pause * 1000))
            if ready.keys() - {pidfd}:
                raise BrokenPipeError
            ended = pidfd in ready
        began = time.monotonic()
        yield new_events(recording, position)
        # To look at a busy process takes time: a fifth of it at most.
        pause = max(POLL_S, 4 * (time.monotonic() - began))
    yield new_events(recording, position, last=True)
