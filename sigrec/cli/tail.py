"""Show the signals that a process received, one line each: when, which, who sent
it, what it carried, and its ordinal (how many of this signal the process had
taken before it).

  sigrec tail 4242             the newest ten; it may hang, or be dead
  sigrec tail -n 100 4242      the newest hundred; -n all: as many as are kept
  sigrec tail -f               and those to come, until it ends or Ctrl-C;
                               with no PID: the one process that records
  sigrec tail -f -n 0 --signal TERM 4242     only SIGTERM, from now on
  sigrec tail --since 5m run.sigrec          a file, the last five minutes
  sigrec tail -f --json 4242 | jq .sender    one JSON object a line

The history holds a bounded number of events. What was overwritten before it
could be read is counted, and said in its place.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress

from sigrec._errors import RecordingError
from sigrec._reader.recording import _HEAD_AT
from sigrec._signals.fields import VERSION, Senders, fields
from sigrec._signals.names import name
from sigrec._signals.words import carried
from sigrec._text import number, printable, shortened
from sigrec._times import local_time
from sigrec._why.brief import state_words
from sigrec.cli import _arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from sigrec._reader.recording import Recording
    from sigrec._signals.siginfo import SignalInfo

LINES = 10  # as tail(1)
POLL_S = 0.05
LOOK_S = 1.0  # between looks at whether it was exec'ed, which nothing announces


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", nargs="?", metavar="PID|FILE", help="default: the one process that records"
    )
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on until the process ends, or Ctrl-C"
    )
    parser.add_argument(
        "-n",
        "--lines",
        type=_lines,
        metavar="N",
        help=f"how many of the past, or all; default {LINES}, with --since all",
    )
    _arguments.add_filters(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _lines(text: str) -> int:
    if text == "all":
        return sys.maxsize
    if text.isdecimal() and text.isascii():
        return min(int(text), sys.maxsize)
    raise argparse.ArgumentTypeError(f"not a number of lines: {text!r}")


def run(args: argparse.Namespace) -> int:
    recording = _the_one() if args.what is None else _arguments.recording(args.what)
    if recording is None:
        return 1
    lines = args.lines
    if lines is None:
        lines = LINES if args.since is None else sys.maxsize
    with recording:
        out = _Output(recording, args.json)
        position = _Position(args.signal)
        if args.follow:
            position.begin(recording)
        _, past = _new_events(recording, position)
        if args.since is not None:
            past = [info for info in past if info.time_ns >= args.since]
        out.write({}, past[max(0, len(past) - lines) :])
        if args.follow:
            _follow(recording, position, out)
    return 0


def _the_one() -> Recording | None:
    """The one live recording of this user; else says why not."""
    from sigrec import open_recording
    from sigrec._reader import places

    alive: list[Recording] = []
    for path in places.recordings():
        try:
            recording = open_recording(path)
        except RecordingError:
            continue  # not one, or just gone
        if recording.state == "alive":
            alive.append(recording)
        else:
            recording.close()
    if len(alive) == 1:
        return alive[0]
    print(
        f"sigrec: {len(alive) or 'no'} processes of this user record now; "
        "say which: sigrec tail PID|FILE",
        file=sys.stderr,
    )
    for recording in sorted(alive, key=lambda one: -one.started_ns):
        argv = shortened(printable(" ".join(recording.argv)), 60)
        print(f"  {recording.pid:>7}  {argv}", file=sys.stderr)
        recording.close()
    return None


# --- what is new -------------------------------------------------------------------------


class _Mark:
    """What was read of one signal: every ordinal below ``next`` that is not in a hole."""

    __slots__ = ("dropped", "holes", "next")

    def __init__(self, dropped: int = 0) -> None:
        self.next = 0
        self.dropped = dropped  # as the ledger said it when the last hole was explained
        self.holes: list[tuple[int, int]] = []

    def take(self, ordinal: int) -> bool:
        """Whether it is new. Events of several threads may come out of order."""
        if ordinal >= self.next:
            self.fill(ordinal)
            self.next = ordinal + 1
            return True
        for n, (low, high) in enumerate(self.holes):
            if low <= ordinal < high:
                parts = ((low, ordinal), (ordinal + 1, high))
                self.holes[n : n + 1] = [part for part in parts if part[0] < part[1]]
                return True
        return False

    def fill(self, end: int) -> None:
        """There are more, up to this ordinal, that were not seen."""
        if end > self.next:
            self.holes.append((self.next, end))
            self.next = end


class _Position:
    """How far a recording was read."""

    def __init__(self, signums: list[int] | None) -> None:
        self.signums = signums
        self.head: int | None = None
        self.before = 0  # the head at the look before the last
        self.again = False  # an event may have had its ticket, and not yet been written
        self.marks: dict[int, _Mark] = {}
        self.past: dict[int, int] = {}

    def begin(self, recording: Recording) -> None:
        """What was delivered before the first look is past, also where nothing of it is kept."""
        for signum, stats in recording.signals.items():
            if self.wants(signum):
                self.marks[signum] = _Mark(stats.dropped)
                self.past[signum] = stats.delivered

    def wants(self, signum: int) -> bool:
        return self.signums is None or signum in self.signums


def _new_events(
    recording: Recording, position: _Position, last: bool = False
) -> tuple[dict[int, tuple[int, int]], list[SignalInfo]]:
    """What came since the last call, and before it what was missed: by signal, how many were
    (overwritten, dropped). The first call gives what is kept. One system call, if nothing is new.

    last: the process is over, and writes no more.
    """
    head = recording._word(_HEAD_AT)
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
    for info in recording._events(recording._word(_HEAD_AT), from_ticket=from_ticket):
        if position.wants(info.si_signo):
            if marks.setdefault(info.si_signo, _Mark()).take(info.ordinal):
                new.append(info)
    for signum, stats in ledger.items():
        if position.wants(signum):
            marks.setdefault(signum, _Mark()).fill(stats.recorded + stats.dropped)
    position.again = head != position.head
    position.before, position.head = position.head or 0, head
    if first:
        for signum, mark in marks.items():
            mark.fill(position.past.get(signum, 0))
            mark.holes.clear()
        return {}, new
    missed = {}
    for signum, mark in marks.items():
        next_was, holes_were = before.get(signum, (0, []))
        lost = 0
        for low, high in list(mark.holes):
            # Right behind what was read, and the ring has gone round: overwritten. Any other
            # may be on its way, in a thread that is just writing it: until the next look.
            waited = any(a <= low and high <= b for a, b in holes_were)
            if last or waited or (lapped and low == next_was):
                mark.holes.remove((low, high))
                lost += high - low
        position.again |= bool(mark.holes)
        if lost:
            missed[signum] = lost
    return _explained(recording, marks, missed) if missed else {}, new


def _explained(
    recording: Recording, marks: dict[int, _Mark], missed: dict[int, int]
) -> dict[int, tuple[int, int]]:
    """Of the missing ordinals, how many were recorded once, and how many never."""
    ledger = recording.signals
    counts = {}
    for signum, lost in missed.items():
        now = ledger[signum].dropped if signum in ledger else 0
        dropped = max(0, min(lost, now - marks[signum].dropped))
        marks[signum].dropped += dropped
        counts[signum] = (lost - dropped, dropped)
    return counts


def _follow(recording: Recording, position: _Position, out: _Output) -> None:
    """Until the process ends; then says how. Sleeps between looks: this must not disturb."""
    import select
    import time

    poll = select.poll()
    with suppress(OSError):  # not a file, in a test
        poll.register(sys.stdout.fileno(), 0)  # a pipe whose reader leaves: POLLERR
    pidfd = -1
    try:
        if recording.state == "alive":
            # Where there is none, and where it ends just now, the looks at its state notice.
            with suppress(OSError, AttributeError):
                pidfd = os.pidfd_open(recording.pid)
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
            out.write(*_new_events(recording, position))
            # A look at a busy process is not free: a fifth of our time at most.
            pause = max(POLL_S, 4 * (time.monotonic() - began))
        out.write(*_new_events(recording, position, last=True))
        out.end(recording.state)
    finally:
        if pidfd >= 0:
            os.close(pidfd)


_OVER = ("exited", "replaced", "ended")


# --- how it looks --------------------------------------------------------------------------


class _Output:
    """Events as lines on stdout."""

    def __init__(self, recording: Recording, json: bool) -> None:
        self._recording = recording
        self._json = json
        self._senders = Senders()

    def write(self, missed: dict[int, tuple[int, int]], events: Iterable[SignalInfo]) -> None:
        if missed:
            self._missed(missed)
        for info in events:
            if self._json:
                self._object(fields(info, self._senders.fields(info)))
            else:
                print(self._line(info))
        sys.stdout.flush()

    def end(self, state: str) -> None:
        if self._json:
            self._object({"end": {"pid": self._recording.pid, "state": state}})
        else:
            print(f"PID {self._recording.pid} {state_words(self._recording)}")
        sys.stdout.flush()

    def _object(self, fields: dict[str, Any]) -> None:
        import json

        print(json.dumps({"version": VERSION, **fields}))

    def _missed(self, missed: dict[int, tuple[int, int]]) -> None:
        if self._json:
            by_name = {
                name(signum): {"overwritten": overwritten, "dropped": dropped}
                for signum, (overwritten, dropped) in missed.items()
            }
            self._object({"missed": by_name})
            return
        for n, what in enumerate(
            ("overwritten before they could be read", "dropped (counted, but not recorded)")
        ):
            counts = {signum: pair[n] for signum, pair in missed.items() if pair[n]}
            if counts:
                each = ", ".join(f"{name(signum)} × {number(n)}" for signum, n in counts.items())
                print(f"… {_plural(sum(counts.values()))} {what}: {each}")

    def _line(self, info: SignalInfo) -> str:
        parts = [
            local_time(info.time_ns, "%H:%M:%S.%f"),
            f"{info.signal_name:<10} #{info.ordinal}".ljust(16),
            printable(str(self._senders.of(info))),
            *carried(info),
        ]
        if info.tid != self._recording.pid:
            parts.append(f"thread {info.tid}")
        return "  ".join(parts)


def _plural(n: int) -> str:
    return "1 event was" if n == 1 else f"{number(n)} events were"
