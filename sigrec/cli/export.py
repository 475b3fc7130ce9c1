"""Write the events that a recording holds in a format for other programs, or as
a page to look at.

  sigrec export 4242 --format html -o report.html
      one page that needs no network: timeline, counters, senders, events
  sigrec export 4242 --format jsonl | jq .sender    one JSON object a line
  sigrec export run.sigrec --format csv -o run.csv  for a spreadsheet
  sigrec export 4242 --format chrome -o trace.json  open it in ui.perfetto.dev
  sigrec export 4242 --format csv --signal TERM --since 5m
  sigrec export --format parquet -o lake            all that `sigrec stats` shows
      (if SIGREC_DIR is set, what is in there; for root those of all users),
      as Parquet files for DuckDB, Spark, ClickHouse ...: what is new since the
      last time. --follow keeps running; --compact DATE joins a day's files.
      Needs the extra: pip install 'sigrec[fleet]'

The process may run, hang, or be dead. With -o the file appears only when it is
complete.
"""

from __future__ import annotations

import argparse
import os
import signal
import stat
import sys
from contextlib import contextmanager

from sigrec import SigrecError
from sigrec._reader import index, places
from sigrec._text import number, printable
from sigrec.cli import _arguments
from sigrec.export import Selection, writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from sigrec._reader.recording import Recording
    from sigrec._signals.siginfo import SignalInfo
    from sigrec.cli._progress import Progress

BAR_STEPS = 100  # how often the progress bar moves
PARQUET = "parquet"
FORMATS = {
    "jsonl": "one JSON object a line, as of sigrec tail --json",
    "csv": "a table with a header, for spreadsheets and data frames",
    "chrome": "Trace Event Format, for ui.perfetto.dev and chrome://tracing",
    "html": "a page to look at: timeline, counters, senders, the newest events",
    PARQUET: "a directory of tables",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        metavar="PID|FILE",
        nargs="*",
        help="a process, or a recording's file (for parquet any number; without any: all in SIGREC_DIR, "
        "if it is set, else all that `sigrec stats` shows, for root those of all users)",
    )
    parser.add_argument(
        "--format",
        required=True,
        choices=[*FORMATS],
        metavar="FORMAT",
        help="; ".join(f"{name}: {text}" for name, text in FORMATS.items()),
    )
    parser.add_argument(
        "-o",
        "--output",
        type=_arguments.path,
        metavar="FILE|DIR",
        help="default: standard output, also named -",
    )
    _arguments.add_filters(parser)
    lake = parser.add_argument_group("with --format parquet")
    lake.add_argument("--follow", action="store_true", help="keep running, until SIGTERM or SIGINT")
    lake.add_argument(
        "--interval",
        type=_arguments.seconds,
        metavar="SECONDS",
        help="write a file after so many seconds (300), or after 64 MB",
    )
    lake.add_argument(
        "--argv",
        choices=("none", "redacted", "full"),
        help="how much of command lines is exported; they may hold secrets (none)",
    )
    lake.add_argument(
        "--spool",
        metavar="DIR",
        help="where unfinished files are kept, and the notes of what was exported (DIR.spool)",
    )
    lake.add_argument(
        "--compact",
        metavar="DATE",
        type=_date,
        help="join each dataset's files of that day into one",
    )
    parser.set_defaults(usage_error=parser.error)


def _date(text: str) -> str:
    from datetime import date

    try:
        if date.fromisoformat(text).isoformat() == text:  # it also knows 20260131 and 2026-W05
            return text
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"not a date: {text!r}; say 2026-01-31")


def run(args: argparse.Namespace) -> int:
    if args.format == PARQUET:
        return _to_parquet(args)
    for option in ("follow", "interval", "argv", "spool", "compact"):
        if getattr(args, option) not in (None, False):
            args.usage_error(f"--{option} is for --format parquet")
    if len(args.what) != 1:
        args.usage_error("give one PID or FILE")
    (what,) = args.what
    output = None if args.output == "-" else args.output
    if output is None and args.format == "html" and sys.stdout.isatty():
        args.usage_error("a page is not for a terminal: give -o FILE")
    from sigrec.cli._progress import Progress

    write = writer(args.format)
    index.raise_descriptors()
    with _arguments.recording(what) as recording:
        if output is not None and recording.path is not None:
            if os.path.exists(output) and os.path.samefile(output, recording.path):
                raise SigrecError(f"{output} is the recording itself: give another FILE")
        # The bar and our output must not mix on one terminal.
        shown = output is not None or not sys.stdout.isatty()
        with Progress(BAR_STEPS, shown) as progress:
            selection = _WithBar(recording, args.signal, args.since, progress)
            if output is None:
                write(selection, sys.stdout)
            else:
                with _whole(output) as out:
                    write(selection, out)
    return 0


def _to_parquet(args: argparse.Namespace) -> int:
    output: str = args.output or "-"
    if output == "-":
        args.usage_error("parquet is a directory of tables: give -o DIR")
    if args.signal or args.since is not None:
        args.usage_error("parquet has every event: ask with SQL for those that you want")
    if args.interval is not None and not args.follow:
        args.usage_error("--interval is for --follow")
    if args.compact and (args.what or args.follow):
        args.usage_error("--compact is about what is in the lake: without PID, FILE and --follow")
    try:
        import pyarrow.parquet as parquet

        del parquet
    except ImportError as error:
        raise SigrecError(
            f"parquet needs {error.name}, which is not installed: pip install 'sigrec[fleet]'"
        ) from None
    spool = args.spool or output.rstrip("/") + ".spool"
    if args.compact:
        from sigrec._lake.compact import compact

        for dataset, files in compact(output, spool, args.compact).items():
            print(f"{dataset}: {number(files)} files are one")
        return 0
    from sigrec._lake.shipping import Shipping
    from sigrec._lake.spool import Spool, as_sigrec_error
    from sigrec._serve.directories import Directories

    index.raise_descriptors()
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # sigrec/_proc/lease.py
    shipping = Shipping(
        Spool(output, spool),
        None if args.what else Directories([]),
        args.argv or "none",
        lambda text: print(f"sigrec: {text}", file=sys.stderr, flush=True),
    )
    if args.follow:
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda signum, frame: shipping.stop())
    shipping.begin()
    for what in args.what:
        with _arguments.recording(what) as recording:
            assert recording.path is not None
        shipping.hold(recording.path)
    with as_sigrec_error(spool):
        if args.follow:
            shipping.follow(300.0 if args.interval is None else args.interval)
        else:
            shipping.once()
    if not (args.what or args.follow or shipping.seen):
        where = places.where_meant() + places.refused()
        print(f"sigrec: there is no recording{printable(where)}", file=sys.stderr)
    ends = (
        "the end of 1 process"
        if shipping.ends == 1
        else f"the ends of {number(shipping.ends)} processes"
    )
    print(f"{number(shipping.events)} event{'s' * (shipping.events != 1)}, and {ends}")
    return 0


class _WithBar(Selection):
    """A selection that moves the bar as its events are read."""

    def __init__(
        self,
        recording: Recording,
        signums: list[int] | None,
        since: int | None,
        progress: Progress,
    ) -> None:
        super().__init__(recording, signums, since)
        self._progress = progress

    def __iter__(self) -> Iterator[SignalInfo]:
        ledger = self.recording.signals.values()
        kept = sum(max(0, s.recorded - s.overwritten) for s in ledger if self.wants(s.signum))
        each = max(1, min(kept, self.recording.capacity) // BAR_STEPS)
        done = 0
        for done, info in enumerate(super().__iter__(), 1):
            if done % each == 0:
                self._progress.note(f"{number(done)} events")
                self._progress.step()
            yield info


@contextmanager
def _whole(path: str) -> Iterator[TextIO]:
    """Opens a file that is written under another name, and gets this name when it is complete."""
    old = os.stat(path) if os.path.exists(path) else None
    if old is not None and not stat.S_ISREG(old.st_mode):
        try:
            out = open(path, "w", encoding="utf-8", newline="")  # it is a pipe or a device
        except OSError as error:
            raise SigrecError(f"{path}: cannot be written: {error.strerror}") from None
        with out:
            yield out
        return
    target = os.path.realpath(path)  # the target of a link is replaced, and not the link
    part = os.path.join(os.path.dirname(target), f".sigrec-{os.getpid()}.part")
    try:
        out = open(part, "x", encoding="utf-8", newline="")
    except OSError as error:
        raise SigrecError(f"{path}: cannot be written: {error.strerror}") from None
    with out:
        try:
            if old is not None:
                os.fchmod(out.fileno(), stat.S_IMODE(old.st_mode))
            yield out
            out.flush()
            os.rename(part, target)
        except BaseException as error:
            os.unlink(part)
            if isinstance(error, OSError):
                raise SigrecError(f"{path}: cannot be written: {error.strerror}") from None
            raise
