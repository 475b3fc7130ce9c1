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


class Selection:
    """An iterable of the events of a recording that are exported.

    signums: only these signals; None: all. since: only events from then on, in ns since 1970; None:
    all.
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
        """What the process sent, and what it was told about its children."""
        return self._doings.all()

    def everything(self) -> Iterator[SignalInfo | Doing]:
        """The events, with the doings among them at their times."""
        return merged(self, self.doings())

    def end(self) -> dict[str, Any]:
        """What became of the process, as in the last line of ``tail -f --json``."""
        return {"end": end_fields(self.recording)}

    def wants(self, signum: int) -> bool:
        return self._doings.wants(signum)
