"""What a process did itself: the signals that it sent, and
what wait(2) told it about its children."""

from __future__ import annotations

import signal

from sigrec._signals.sent import ChildTold, SentSignal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from sigrec._reader.recording import Recording
    from sigrec._signals.siginfo import SignalInfo

    Doing = SentSignal | ChildTold

_SIGCHLD = int(signal.SIGCHLD)


class Doings:
    """What a process did since the last look. signums: only the signals of these numbers that the
    process sent, and what it was told about its children if SIGCHLD is among them. since: only what
    is not older, in ns since 1970."""

    def __init__(
        self,
        recording: Recording,
        signums: Collection[int] | None = None,
        since: int | None = None,
    ) -> None:
        self._sent = recording._sent
        self._signums = signums
        self._since = since
        self._heads: tuple[int, ...] | None = None
        self._given: set[object] = set()
        self._unreturned: set[object] = set()

    def all(self) -> list[Doing]:
        """All that is kept, in order."""
        sent = [doing for doing in self._sent.signals() if self.wants(doing.si_signo)]
        told = self._sent.children() if self.wants(_SIGCHLD) else []
        doings: list[Doing] = [*sent, *told]
        if self._since is not None:
            doings = [doing for doing in doings if doing.time_ns >= self._since]
        return sorted(doings, key=lambda doing: doing.monotonic_ns)

    def new(self, last: bool = False) -> list[Doing]:
        """What came since the last call, as far as it is kept. A signal whose kill(2) has not
        returned yet is left for the next call, but only once. last: nothing more will come. This
        takes one system call if nothing is new."""
        heads = self._sent.heads()
        if heads == self._heads and not self._unreturned:
            return []
        self._heads = heads
        found = {_key(doing): doing for doing in self.all()}
        on_their_way = {
            key
            for key, doing in found.items()
            if isinstance(doing, SentSignal)
            and doing.error is None
            and key not in self._unreturned | self._given
        }
        self._unreturned = set() if last else on_their_way
        new = [key for key in found if key not in self._given and key not in self._unreturned]
        self._given = (self._given & found.keys()) | set(new)
        return [found[key] for key in new]

    def wants(self, signum: int) -> bool:
        return self._signums is None or signum in self._signums


def _key(doing: Doing) -> object:
    return doing if isinstance(doing, ChildTold) else (doing.si_signo, doing.ordinal)


def merged(events: Iterable[SignalInfo], doings: Iterable[Doing]) -> Iterator[SignalInfo | Doing]:
    """The events in their own order, and each doing among them at its time."""
    later_doings = list(doings)
    later_doings.reverse()
    for info in events:
        while later_doings and later_doings[-1].monotonic_ns <= info.monotonic_ns:
            yield later_doings.pop()
        yield info
    yield from reversed(later_doings)
