"""A recording in other programs' formats: ``sigrec export``.

A format is one module here with ``write(source, out)``, which reads the events once, in order,
and keeps no more of them than it must.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from typing import TextIO

    from sigrec._reader.recording import Recording
    from sigrec._signals.siginfo import SignalInfo

FORMATS = {
    "jsonl": "one JSON object a line, as of sigrec tail --json",
    "csv": "a table with a header, for spreadsheets and data frames",
    "chrome": "Trace Event Format, for ui.perfetto.dev and chrome://tracing",
    "html": "a page to look at: timeline, counters, senders, the newest events",
}


class Source:
    """A recording, and which of its events are wanted: an iterable of them.

    signums: only these; None: all. since: only from then on, in ns since 1970; None: all.
    """

    def __init__(
        self,
        recording: Recording,
        signums: Collection[int] | None = None,
        since: int | None = None,
    ) -> None:
        self.recording = recording
        self.signums = signums
        self.since = since

    def __iter__(self) -> Iterator[SignalInfo]:
        return self.recording.events(*(self.signums or ()), since=self.since)

    def wants(self, signum: int) -> bool:
        return self.signums is None or signum in self.signums


def writer(form: str) -> Callable[[Source, TextIO], None]:
    """The format's ``write``."""
    import importlib

    return importlib.import_module(f"sigrec.export.{form}").write  # type: ignore[no-any-return]
