"""Show the signals that processes received: counters, and who sent the last ones.

  sigrec stats              every process of this user
  sigrec stats 4242         one process, by its pid; it may hang, or be dead
  sigrec stats run.sigrec   a recording's file
  sigrec stats --json       for programs

The watched process does nothing for it: its recording is read from outside.
"""

from __future__ import annotations

import json
import os
import sys

from sigrec import RecordingError, Stats, open_recording
from sigrec.cli._text import STATES, number, printable, shortened, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from sigrec._recording import Recording, SignalStats
    from sigrec._stats import ProcessStats

HELP = "counters and senders of a process, a file, or all processes of this user"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", metavar="PID|FILE", help="default: all of this user's")
    parser.add_argument("--json", action="store_true", help="JSON on stdout, with a version")


def run(args: argparse.Namespace) -> int:
    recordings, status = _recordings(args.what)
    stats = Stats(recordings)
    for recording in recordings:
        recording.close()
    if args.json:
        json.dump(stats.to_dict(), sys.stdout, indent=2)
        print()
    elif not stats.processes:
        print("No process of this user publishes a recording.")
    else:
        print("\n".join(map(_show, stats.processes)), end="")
    return status


def _recordings(what: str | None) -> tuple[list[Recording], int]:
    if what is not None:
        # A file in the way of a pid is meant only with a slash or a suffix.
        return [open_recording(int(what) if what.isdecimal() and what.isascii() else what)], 0
    from sigrec import _rundir

    opened, status = [], 0
    for path in _rundir.recordings():
        try:
            opened.append(open_recording(path))
        except RecordingError as error:
            if os.path.exists(path):  # and not just gone, as a process ended
                print(f"sigrec: {printable(str(error))}", file=sys.stderr)
                status = 1
    opened.sort(key=lambda recording: (recording.state != "alive", recording.pid))
    return opened, status


def _show(process: ProcessStats) -> str:
    from sigrec._times import aware

    argv = " ".join(map(printable, process.argv or []))
    head = f"PID {process.pid}  {STATES[process.state]}\n"
    if argv:
        head += f"  {shortened(argv, 76)}\n"
    if process.started_ns is not None:
        head += f"  recording since {aware(process.started_ns).astimezone():%Y-%m-%d %H:%M:%S}\n"
    if not process.signals:
        return head + "  no signals yet\n"
    rows = [
        [
            stats.signal,
            number(stats.delivered),
            number(stats.handled) if stats.mode != "none" else "-",
            number(stats.pending),
            number(stats.undetailed),
            number(stats.dropped),
            _last(stats),
        ]
        for stats in process.signals.values()
    ]
    title = ["signal", "delivered>", "handled>", "pending>", "no detail>", "dropped>", "last"]
    text = head + table(title, rows)
    for stats in process.signals.values():
        senders = ", ".join(
            f"{printable(str(sender))} × {number(count)}" for sender, count in stats.senders[:3]
        )
        if senders:
            more = len(stats.senders) - 3
            text += f"  {stats.signal} from {senders}{f', and {more} more' if more > 0 else ''}\n"
        if stats.replaced:
            text += f"  {stats.signal}: another handler has replaced sigrec's\n"
    return text


def _last(stats: SignalStats) -> str:
    from sigrec._times import aware

    return "" if stats.last is None else f"{aware(stats.last.time_ns).astimezone():%H:%M:%S.%f}"
