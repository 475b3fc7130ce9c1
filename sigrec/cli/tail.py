"""Show the signals that a process received, one line each: when, which, who sent
it, what it carried, and its ordinal (how many of this signal the process had
taken before it).

  sigrec tail 4242             the newest ten; it may hang, or be dead
  sigrec tail -n 100 4242      the newest hundred; -n all: as many as are kept
  sigrec tail -f               the newest ten, and then each new one, until
                               the process ends or you press Ctrl-C; without
                               a PID it is the one process that records (if
                               SIGREC_DIR is set, in there)
  sigrec tail -f -n 0 --signal TERM 4242     only SIGTERM, from now on
  sigrec tail --since 5m run.sigrec          a file, the last five minutes
  sigrec tail -f --json 4242 | jq .sender    one JSON object a line

The signals that a recorded process sends, and what wait(2) tells it of its
children, are shown between these lines, by their time.

The history keeps a limited number of events. tail counts those that were
overwritten before it could read them, and shows their number in their place.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from sigrec._proc.pidfd import bystander
from sigrec._reader import index, places
from sigrec._reader.doings import Doings, merged
from sigrec._reader.follow import Position, follow, new_events
from sigrec._signals import told
from sigrec._signals.fields import EVENT_VERSION, SenderCache
from sigrec._signals.names import name
from sigrec._signals.sent import ChildTold, SentSignal
from sigrec._signals.words import carried
from sigrec._text import number, printable, shortened, whole
from sigrec._times import local_time
from sigrec._why.brief import state_words
from sigrec._why.cause import cause
from sigrec._why.ending import end_fields
from sigrec.cli import _arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from sigrec._proc.ended import Ended
    from sigrec._reader.doings import Doing
    from sigrec._reader.recording import Recording
    from sigrec._signals.siginfo import SignalInfo

LINES = 10  # as tail(1)


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
    lines = whole(text)
    if lines is None:
        raise argparse.ArgumentTypeError(f"not a number of lines: {text!r}")
    return min(lines, sys.maxsize)


def run(args: argparse.Namespace) -> int:
    index.raise_descriptors()
    recording = _the_one() if args.what is None else _arguments.recording(args.what)
    if recording is None:
        return 1
    lines = args.lines
    if lines is None:
        lines = LINES if args.since is None else sys.maxsize
    with recording:
        out = _Output(recording, args.json)
        position = Position(args.signal)
        its_end = None
        if args.follow:
            if recording.state == "alive":
                its_end = bystander(recording._pid_here())
            position.begin(recording)
        unrecorded = _unrecorded(recording, args.signal or [])
        if unrecorded:
            print(f"sigrec: {unrecorded}", file=sys.stderr)
        _, kept = new_events(recording, position, newest=lines)
        past = [i for i in kept if args.since is None or i.time_ns >= args.since]
        doings = Doings(recording, args.signal, args.since)
        did = doings.new() if args.follow else doings.all()
        shown = list(merged(past, did))[-lines:] if lines else []
        # If --lines asks for more than is kept, this also says what is not kept any more.
        out.write(_gone(recording, position, kept) if len(kept) == len(past) < lines else {}, shown)
        if args.follow:
            for missed, events in follow(recording, position, _stdout(), its_end):
                out.write(missed, merged(events, doings.new()))
            out.write({}, doings.new(last=True))
            out.end(recording.state, its_end.wait(0) if its_end is not None else None)
    return 0


def _gone(
    recording: Recording, position: Position, kept: list[SignalInfo]
) -> dict[int, tuple[int, int]]:
    """By signal, how many were overwritten, and how many dropped, before this looked."""
    there = Counter(info.si_signo for info in kept)
    gone = {}
    for signum, stats in recording.signals.items():
        # An event that came since tail read them, or is being written, is not gone.
        overwritten = min(stats.overwritten, stats.recorded - there[signum])
        if position.wants(signum) and (overwritten > 0 or stats.dropped):
            gone[signum] = max(0, overwritten), stats.dropped
    return gone


def _unrecorded(recording: Recording, signums: list[int]) -> str | None:
    """Which of these signals cannot be shown, and why."""
    signals = recording.signals
    missing = [n for n in signums if n not in signals]
    if not missing:
        return None
    names = ", ".join(map(recording.signal_name, missing))
    verb = "is" if len(missing) == 1 else "are"
    return (
        f"{names} {verb} not recorded in PID {recording.pid}: the program ignores it, or was never "
        "asked to record it"
    )


def _stdout() -> int:
    """The descriptor of stdout; -1: stdout is no file, as in a test."""
    try:
        return sys.stdout.fileno()
    except OSError:
        return -1


def _the_one() -> Recording | None:
    """The one live recording of this user; else says why not."""
    alive: list[Recording] = []
    for recording in index.opened(places.meant()):
        if recording.state == "alive" and recording._stopped_ns is None:
            alive.append(recording)
        else:
            recording.close()
    if len(alive) == 1:
        return alive[0]
    print(
        printable(
            f"sigrec: {len(alive) or 'no'} processes of this user record now{places.where_meant()}; "
            f"say which: sigrec tail PID|FILE{places.refused()}"
        ),
        file=sys.stderr,
    )
    for recording in sorted(alive, key=lambda recording: -recording.started_ns):
        argv = shortened(printable(" ".join(recording.argv)), 60)
        print(f"  {recording.pid:>7}  {argv}", file=sys.stderr)
        recording.close()
    return None


# --- how it looks --------------------------------------------------------------------------


class _Output:
    """Events as lines on stdout."""

    def __init__(self, recording: Recording, json: bool) -> None:
        self._recording = recording
        self._json = json
        self._senders = SenderCache()

    def write(
        self, missed: dict[int, tuple[int, int]], events: Iterable[SignalInfo | Doing]
    ) -> None:
        if missed:
            self._missed(missed)
        for event in events:
            if isinstance(event, (SentSignal, ChildTold)):
                self._object(told.fields(event)) if self._json else print(_did(event))
            elif self._json:
                self._object(self._senders.fields(event))
            else:
                print(self._as_printed(event))
        sys.stdout.flush()

    def end(self, state: str, seen: Ended | None) -> None:
        if self._json:
            self._object({"end": {**end_fields(self._recording, seen), "state": state}})
        else:
            print(
                f"PID {self._recording.pid} {state_words(self._recording, cause(self._recording, seen=seen))}"
            )
        sys.stdout.flush()

    def _object(self, fields: dict[str, Any]) -> None:
        import json

        print(json.dumps({"version": EVENT_VERSION, **fields}))

    def _missed(self, missed: dict[int, tuple[int, int]]) -> None:
        if self._json:
            by_name = {
                name(signum): {"overwritten": overwritten, "dropped": dropped}
                for signum, (overwritten, dropped) in missed.items()
            }
            self._object({"missed": by_name})
            return
        overwritten = {signum: pair[0] for signum, pair in missed.items()}
        dropped = {signum: pair[1] for signum, pair in missed.items()}
        for lost, how in (
            (overwritten, "overwritten before they could be read"),
            (dropped, "dropped (counted, but not recorded)"),
        ):
            counts = {signum: n for signum, n in lost.items() if n}
            if counts:
                each = ", ".join(f"{name(signum)} × {number(n)}" for signum, n in counts.items())
                print(f"… {_events_were(sum(counts.values()))} {how}: {each}")

    def _as_printed(self, info: SignalInfo) -> str:
        parts = [
            local_time(info.time_ns, "%H:%M:%S.%f"),
            f"{info.signal_name:<10} #{info.ordinal}".ljust(16),
            printable(str(self._senders.of(info))),
            *carried(info),
        ]
        if info.tid != self._recording.pid:
            parts.append(f"thread {info.tid}")
        return "  ".join(parts)


def _did(doing: Doing) -> str:
    time = local_time(doing.time_ns, "%H:%M:%S.%f")
    what, words = told.words(doing)
    if isinstance(doing, SentSignal):
        what = f"{what:<10} #{doing.ordinal}"
    return f"{time}  {what:<16}  {words}"


def _events_were(n: int) -> str:
    return "1 event was" if n == 1 else f"{number(n)} events were"
