"""Show the signals that processes received: counters, and their senders.

  sigrec stats              every process of this user
  sigrec stats 4242         one process, by its pid; it may hang, or be dead
  sigrec stats run.sigrec   a recording's file
  sigrec stats --json       for programs
  sigrec stats --live       a new look each second, with rates; q ends it

The process itself is not asked: its recording is read from outside.
"""

from __future__ import annotations

import os
import sys

from sigrec._errors import RecordingError
from sigrec._reader import index
from sigrec._reader.stats import Stats, worth_showing
from sigrec._text import json_text, number, printable, shortened, wrapped
from sigrec._times import local_clock, local_date, local_time
from sigrec._why import dispositions, masks
from sigrec._why.brief import gap_words, pending_words, state_words
from sigrec._why.cause import cause
from sigrec.cli import _arguments
from sigrec.cli._table import fits, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from sigrec._reader.ledger import SignalStats
    from sigrec._reader.recording import Recording
    from sigrec._reader.stats import ProcessStats
    from sigrec._why.cause import Cause


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", metavar="PID|FILE", help="default: all of this user's")
    parser.add_argument("--json", action="store_true", help="JSON on stdout, with a version")
    parser.add_argument("--live", action="store_true", help="refresh in place, on a terminal")
    parser.add_argument(
        "-n",
        "--interval",
        type=_seconds,
        metavar="SECONDS",
        help="with --live: the time between two looks (default 1)",
    )
    parser.set_defaults(usage_error=parser.error)


def _seconds(text: str) -> float:
    import argparse

    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 86400:
        raise argparse.ArgumentTypeError(f"not from 0.1 to 86400 seconds: {text!r}")
    return seconds


def run(args: argparse.Namespace) -> int:
    if args.interval is not None and not args.live:
        args.usage_error("-n/--interval goes with --live")
    index.raise_descriptors()
    if args.live:
        if args.json:
            args.usage_error("--live is for people; for a program: sigrec tail -f --json")
        if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
            args.usage_error("--live needs a terminal; elsewhere: sigrec stats, sigrec tail -f")
        from sigrec.cli._live import live

        return live(args.what, args.interval or 1.0)
    recordings, status = _recordings(args.what)
    stats = Stats(recordings)
    causes = _causes(recordings)
    if args.json:
        _json(stats, recordings, causes)
    elif not stats.processes:
        print("No process of this user publishes a recording.")
    else:
        words = map(state_words, recordings, causes)
        waits = map(pending_words, recordings)
        over = args.what is not None and causes[0].kind != "alive"
        sentences = [_sentence(recordings[0], causes[0]) if over else None] * len(recordings)
        changes = map(_changes, recordings)
        gaps = map(gap_words, recordings)
        print(
            "\n".join(map(_show, stats.processes, words, changes, waits, sentences, gaps)), end=""
        )
    for recording in recordings:
        recording.close()
    return status


def _causes(recordings: list[Recording]) -> list[Cause]:
    if all(recording.state == "alive" for recording in recordings):
        return [cause(recording) for recording in recordings]
    from sigrec._why.witnesses import Witnesses

    witnesses = Witnesses(recordings)
    return [cause(recording, witnesses) for recording in recordings]


def _json(stats: Stats, recordings: list[Recording], causes: list[Cause]) -> None:
    import json

    from sigrec._why.sentence import why

    document = stats.to_dict()
    for process, recording, found in zip(document["processes"], recordings, causes, strict=True):
        process["sentence"] = json_text(why(recording, found=found))
    json.dump(document, sys.stdout, indent=2)
    print()


def _sentence(recording: Recording, found: Cause) -> str:
    from sigrec._why.sentence import why

    return "".join(f"{line}\n" for line in wrapped(why(recording, found=found), 78, "  "))


def _recordings(what: str | None) -> tuple[list[Recording], int]:
    if what is not None:
        return [_arguments.recording(what)], 0
    status = 0

    def bad(error: RecordingError) -> None:
        nonlocal status
        print(f"sigrec: {printable(str(error))}", file=sys.stderr)
        status = 1

    opened = list(index.opened(bad=bad))
    opened.sort(key=lambda recording: (recording.state != "alive", recording.pid))
    return opened, status


def _changes(recording: Recording) -> str:
    """Where its handlers are from, and what its main thread blocks: a line for each signal, or for
    several of which it says the same."""
    set_by = dispositions.lines(dispositions.standing(recording))
    blocked = masks.lines(masks.of_now(recording), local_clock)
    return "".join(f"  {line}\n" for line in (*set_by, *blocked))


def _show(
    process: ProcessStats,
    state: str,
    changes: str = "",
    pending: str | None = None,
    sentence: str | None = None,
    gap: str | None = None,
) -> str:
    """The text about one process."""
    argv = " ".join(map(printable, process.argv or []))
    head = f"PID {process.pid}  {state}\n"
    if argv:
        head += f"  {shortened(argv, 76)}\n"
    if process.started_ns is not None:
        head += f"  recording since {local_date(process.started_ns)}\n"
    if gap:
        head += f"  {gap}\n"
    if pending:
        head += f"  {pending}\n"
    if sentence:
        head += sentence
    signals = worth_showing(process)
    if not signals:
        return f"{head}  no signals{' yet' if state == 'alive' else ''}\n{changes}"
    text = head + _counters(signals)
    for stats in signals:
        senders = ", ".join(
            f"{printable(str(sender))} × {number(count)}" for sender, count in stats.senders[:3]
        )
        if senders:
            more = len(stats.senders) - 3
            text += (
                f"  {stats.signal_name} from {senders}{f', and {more} more' if more > 0 else ''}\n"
            )
        if stats.replaced:
            text += f"  {stats.signal_name}: another handler has replaced sigrec's\n"
    return text + changes


def _counters(signals: list[SignalStats]) -> str:
    """The table of counters. A column that says nothing is left out."""
    # These columns are shown only if one of their cells is not "".
    more = {
        "mode": [f"mode {s.mode}" if s.mode != "registered" else "" for s in signals],
        "recorded>": [number(s.recorded) if s.recorded != s.delivered else "" for s in signals],
        "overwritten>": [_unless_0(s.overwritten) for s in signals],
        "no detail>": [_unless_0(s.undetailed) for s in signals],
        "dropped>": [_unless_0(s.dropped) for s in signals],
        "sent>": [_unless_0(s.sent) for s in signals],
    }
    columns = {
        "signal": [s.signal_name for s in signals],
        "mode": [s.mode for s in signals],
        "delivered>": [number(s.delivered) for s in signals],
        "recorded>": [number(s.recorded) for s in signals],
        "overwritten>": [number(s.overwritten) for s in signals],
        "handled>": [number(s.handled) if s.ever_registered else "-" for s in signals],
        "pending>": [number(s.pending) if s.ever_registered else "-" for s in signals],
        "no detail>": [number(s.undetailed) for s in signals],
        "dropped>": [number(s.dropped) for s in signals],
        "sent>": [number(s.sent) for s in signals],
        "last": [_last(s) for s in signals],
    }
    for title, cells in more.items():
        if not any(cells):
            del columns[title]
    notes = ""
    if not fits(list(columns), list(zip(*columns.values(), strict=True))):
        for title in more:
            columns.pop(title, None)
        for n, stats in enumerate(signals):
            said = [
                f"{cells[n]} {title[:-1]}" if title.endswith(">") else cells[n]
                for title, cells in more.items()
                if cells[n]
            ]
            if said:
                notes += f"  {stats.signal_name}: {', '.join(said)}\n"
    return table(list(columns), list(zip(*columns.values(), strict=True))) + notes


def _unless_0(n: int) -> str:
    return number(n) if n else ""


def _last(stats: SignalStats) -> str:
    if stats.last is None:
        return ""
    return local_time(stats.last.time_ns, "%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S")
