"""What is exported: a recording, and which of its events are wanted."""

from __future__ import annotations

from sigrec._reader.doings import Doings, merged
from sigrec._why.ending import end_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Any

    from sigrec._reader.doings import Doing
    from sigrec._reader.recording import Recording
    from sigrec._signals.siginfo import SignalInfo


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
        self._doings = Doings(recording, signums, since)

    def __iter__(self) -> Iterator[SignalInfo]:
        return self.recording.events(*(self.signums or ()), since=self.since)

    def doings(self) -> list[Doing]:
        """What it sent, and was told of its children."""
        return self._doings.all()

    def everything(self) -> Iterator[SignalInfo | Doing]:
        """The events, and these at their time."""
        return merged(self, self.doings())

    def end(self) -> dict[str, Any]:
        """As the last line of ``tail -f --json``: what became of the process, in a sentence too."""
        return {"end": end_fields(self.recording)}

    def wants(self, signum: int) -> bool:
        return self._doings.wants(signum)
