"""What is exported: a recording, and which of its events are wanted."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

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

    def __iter__(self) -> Iterator[SignalInfo]:
        return self.recording.events(*(self.signums or ()), since=self.since)

    def wants(self, signum: int) -> bool:
        return self.signums is None or signum in self.signums
