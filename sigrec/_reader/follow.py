"""What is new in a recording since the last look, and what was missed; until its process ends."""

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

    # By signal, of what was missed: how many were overwritten, and how many dropped.
    Missed = dict[int, tuple[int, int]]

POLL_S = 0.05
LOOK_S = 1.0  # between looks at whether it was exec'ed, which nothing announces
_OVER = ("exited", "replaced", "ended")


class Position:
    """How far a recording was read."""

    def __init__(self, signums: list[int] | None) -> None:
        self.signums = signums
        self.head: int | None = None
        self.before = 0  # the head at the look before the last; at first, where begin() began
        self.again = False  # an event may have had its ticket, and not yet been written
        self.marks: dict[int, Ordinals] = {}
        self.dropped: dict[int, int] = {}  # as the ledger said it when the last hole was explained
        self.past: dict[int, int] = {}

    def begin(self, recording: Recording) -> None:
        """What was delivered before the first look is past, also where nothing of it is kept."""
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
    """What came since the last call, and before it what was missed: by signal, how many were
    (overwritten, dropped). The first call gives what is kept. One system call, if nothing is new.

    last: the process is over, and writes no more.
    newest: of what is kept, no more than the last so many.
    """
    head = recording._history.head()
    if head == position.head and not position.again and not last:
        return {}, []
    first = position.head is None
    lapped = not first and head - (position.head or 0) > recording.capacity
    # Before the events: what it says was recorded, and is not among them, is gone.
    ledger = recording.signals if lapped or last else {}
    marks = position.marks
    before = {signum: (mark.next, list(mark.holes)) for signum, mark in marks.items()}
    new = []
    # What was being written at the last look is read again; marks know what was seen.
    from_ticket = (
        0 if first or last or lapped or any(m.holes for m in marks.values()) else position.before
    )
    events: Iterable[SignalInfo]
    if first and newest is not None:
        events = recording._newest(newest, frozenset(position.signums or ()), head)
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
            # Right behind what was read, and the ring has gone round: overwritten. Any other
            # may be on its way, in a thread that is just writing it: until the next look.
            waited = any(a <= low and high <= b for a, b, _ in holes_were)
            if last or waited or (lapped and low == next_was):
                mark.holes.remove((low, high, at))
                lost += high - low
        position.again |= bool(mark.holes)
        if lost:
            missed[signum] = lost
    return _explained(recording, position, missed) if missed else {}, new


def _explained(recording: Recording, position: Position, missed: dict[int, int]) -> Missed:
    """Of the missing ordinals, how many were recorded once, and how many never."""
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
    """What is new, again and again, until the process ends. Sleeps between looks: this must not
    disturb.

    output: a descriptor to watch; BrokenPipeError when the reader of that pipe leaves.
    bystander: of that process; None: the looks at its state notice its end.
    """
    poll = select.poll()
    if output >= 0:
        poll.register(output, 0)  # POLLERR
    pidfd = -1 if bystander is None else bystander.fd
    if pidfd >= 0:
        poll.register(pidfd, select.POLLIN)
    looked = -LOOK_S
    pause = POLL_S
    ended = False
    while not ended:
        if time.monotonic() - looked >= LOOK_S:
            looked = time.monotonic()
            ended = recording.state in _OVER
        if not ended:
            ready = dict(poll.poll(pause * 1000))
            if ready.keys() - {pidfd}:
                raise BrokenPipeError
            ended = pidfd in ready
        began = time.monotonic()
        yield new_events(recording, position)
        # A look at a busy process is not free: a fifth of our time at most.
        pause = max(POLL_S, 4 * (time.monotonic() - began))
    yield new_events(recording, position, last=True)
