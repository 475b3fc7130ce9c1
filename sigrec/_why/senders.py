"""Who sent a signal that its target could not record, as the sender itself wrote it down."""

from __future__ import annotations

import signal

from sigrec._errors import RecordingError
from sigrec._tuples import NamedTuple
from sigrec._why.joining import life, may_speak_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigrec._reader.recording import Recording
    from sigrec._signals.sent import SentSignal
    from sigrec._why.recordings import Recordings


class SentBy(NamedTuple):
    """Who sent a signal, by the sender's own recording. sender: that recording. sent: its entry."""

    sender: Recording
    sent: SentSignal


class Senders:
    """The signals that recorded processes sent to end others. Each
    recording is read once, for many answers."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings
        # By the id of the list that Recordings keeps of a directory.
        self._of: dict[int, list[tuple[Recording, list[SentSignal]]]] = {}

    def sent_by(self, victim: Recording, signum: int, ended_ns: int | None = None) -> SentBy | None:
        """The first process that sent the signal to that one while it lived, and was not refused;
        None: no recording that can be read here says so.

        ended_ns: when the victim had ended, by CLOCK_MONOTONIC; None: that is not known.
        """
        if victim.pid == 1:
            return None  # to a PID 1 the kernel gives no such signal of its own namespace
        found = [by for by in self._to(victim, ended_ns) if by.sent.si_signo == signum]
        stats = victim.signals.get(signum) if found else None
        if stats is None or stats.last is None:
            return min(found, key=_when_sent, default=None)
        # What was sent before the victim had taken its last signal did not end it; but its handler
        # may have ended it by the same signal, as such handlers do.
        last = stats.last
        abort = aborted(victim) if signum == signal.SIGABRT else None
        later = [by for by in found if _when_sent(by) > last.monotonic_ns or by.sent == abort]
        if later or victim.handling != signum:
            return min(later, key=_when_sent, default=None)
        return max(
            (by for by in found if by.sender.pid == last.si_pid), key=_when_sent, default=None
        )

    def asked_by(self, victim: Recording, signums: set[int]) -> SentBy | None:
        """The last process that sent one of those signals to that one while it lived."""
        found = (by for by in self._to(victim, None) if by.sent.si_signo in signums)
        return max(found, key=_when_sent, default=None)

    def _to(self, victim: Recording, ended_ns: int | None) -> Iterator[SentBy]:
        if not victim.path:
            return
        lived = life(victim, self._recordings.of_pid(victim.path, victim.pid))
        if lived is None:
            return
        for sender, endings in self._who_sent(victim.path):
            if may_speak_of(sender, victim):
                for sent in endings:
                    after = ended_ns is not None and sent.monotonic_ns > ended_ns
                    # A process can be killed before it records.
                    start = sent.target_start_ticks
                    same = start is not None and start == victim._header.start_ticks
                    if (same or lived.has(sent.monotonic_ns)) and not after:
                        if _reaches(sent, sender, victim):
                            yield SentBy(sender, sent)

    def _who_sent(self, path: str) -> list[tuple[Recording, list[SentSignal]]]:
        """The recordings beside that file whose processes sent such signals, which most did not."""
        others = self._recordings.beside(path)
        if id(others) not in self._of:
            found = ((other, endings(other)) for other in others)
            self._of[id(others)] = [(other, sent) for other, sent in found if sent]
        return self._of[id(others)]


def endings(sender: Recording) -> list[SentSignal]:
    """The signals that its process sent to end others, or itself."""
    try:
        return sender._sent.signals(endings_only=True)
    except RecordingError:
        return []  # cut short just now


def aborted(recording: Recording) -> SentSignal | None:
    """The call of abort(3), or raise(3) of SIGABRT, that did not return and after which the process
    recorded nothing; None: there is none. abort(3) sends SIGABRT again within the C library, with
    its default action, if a handler returned or it is ignored, and nobody writes that down."""
    try:
        sent = recording.sent()
        last = sent[-1] if sent else None
        if last is None or (last.si_signo, last.how, last.error) != (signal.SIGABRT, "raise", None):
            return None
        if recording.handling == signal.SIGABRT:
            return None  # it was not over with the first
        others = [one.last for n, one in recording.signals.items() if n != signal.SIGABRT]
        times = [
            *(info.monotonic_ns for info in others if info is not None),
            *(told.monotonic_ns for told in recording._sent.children()),
            *(change.monotonic_ns for change in recording.dispositions()),
            *(change.monotonic_ns for change in recording.masks()),
        ]
    except RecordingError:
        return None  # cut short just now
    # A handler may have left it by longjmp(3), so that the process went on.
    return None if max(times, default=0) > last.monotonic_ns else last


def _when_sent(by: SentBy) -> int:
    return by.sent.monotonic_ns


def _reaches(sent: SentSignal, sender: Recording, victim: Recording) -> bool:
    """Whether that process was a target of the signal. If the call never returned, its result is
    not known: then the signal has ended the sender, too."""
    if sent.error not in (0, None):
        return False
    if sent.target > 0:
        began = victim._header.start_ticks
        same = not sent.target_start_ticks or not began or sent.target_start_ticks == began
        return sent.target == victim.pid and same
    group = victim._identity.pgid
    if sent.target == 0:  # kill(2), and killpg(2) of Linux: the sender's own group
        return sent.how in ("kill", "killpg") and group > 0 and sender._identity.pgid == group
    if sent.target == -1:
        return sent.how == "kill" and sender.pid != victim.pid
    # A group has the number of the process that made it, which no other process can get meanwhile.
    return -sent.target in (group, victim.pid)
