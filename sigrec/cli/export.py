"""Write the events that a recording holds in a format for other programs, or as
a page to look at.

  sigrec export 4242 --format html -o report.html
      one page that needs no network: timeline, counters, senders, events
  sigrec export 4242 --format jsonl | jq .sender    one JSON object a line
  sigrec export run.sigrec --format csv -o run.csv  for a spreadsheet
  sigrec export 4242 --format chrome -o trace.json  open it in ui.perfetto.dev
  sigrec export 4242 --format csv --signal TERM --since 5m

The process may run, hang, or be dead. With -o the file appears when it is
complete: nobody ever reads half of it.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager

from sigrec import SigrecError
from sigrec._text import number
from sigrec.cli import _arguments
from sigrec.export import FORMATS, Source, writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import TextIO

    from sigrec._reader.recording import Recording
    from sigrec._signals.siginfo import SignalInfo
    from sigrec.cli._progress import Progress

STEPS = 100  # of the progress bar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="PID|FILE", help="a process, or a recording's file")
    parser.add_argument(
        "--format",
        required=True,
        choices=FORMATS,
        metavar="FORMAT",
        help="; ".join(f"{name}: {text}" for name, text in FORMATS.items()),
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="default: standard output, also named -"
    )
    _arguments.add_filters(parser)
    parser.set_defaults(usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    output = None if args.output == "-" else args.output
    if output is None and args.format == "html" and sys.stdout.isatty():
        args.usage_error("a page is not for a terminal: give -o FILE")
    from sigrec.cli._progress import Progress

    write = writer(args.format)
    with _arguments.recording(args.what) as recording:
        if output is not None and recording.path is not None:
            if os.path.exists(output) and os.path.samefile(output, recording.path):
                raise SigrecError(f"{output} is the recording itself: give another FILE")
        # The bar and our output must not mix on one terminal.
        shown = output is not None or not sys.stdout.isatty()
        with Progress(STEPS, shown) as progress:
            source = _Watched(recording, args.signal, args.since, progress)
            if output is None:
                write(source, sys.stdout)
            else:
                with _whole(output) as out:
                    write(source, out)
    return 0


class _Watched(Source):
    """Moves the bar as its events are read."""

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
        each = max(1, min(kept, self.recording.capacity) // STEPS)
        done = 0
        for done, info in enumerate(super().__iter__(), 1):
            if done % each == 0:
                self._progress.note(f"{number(done)} events")
                self._progress.step()
            yield info


@contextmanager
def _whole(path: str) -> Iterator[TextIO]:
    """A file that is written under another name, and gets this name when it is complete."""
    old = os.stat(path) if os.path.exists(path) else None
    if old is not None and not stat.S_ISREG(old.st_mode):
        try:
            out = open(path, "w", encoding="utf-8", newline="")  # a pipe, a device
        except OSError as error:
            raise SigrecError(f"{path}: cannot be written: {error.strerror}") from None
        with out:
            yield out
        return
    target = os.path.realpath(path)  # what a link points at is replaced, and not the link
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
        except BaseException:
            os.unlink(part)
            raise
