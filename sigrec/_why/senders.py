"""Who sent a signal that its victim could not record: as the sender wrote it down itself."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from sigrec._errors import RecordingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording
    from sigrec._signals.sent import SentSignal
    from sigrec._why.recordings import Recordings


class SentBy(NamedTuple):
    """sender: its recording. sent: the entry in it."""

    sender: Recording
    sent: SentSignal


class Senders:
    """What recorded processes sent to end others. Each recording is read once, for many answers."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings
        self._read: dict[str, tuple[int | None, list[SentSignal]]] = {}  # by path

    def sent_by(self, victim: Recording, signum: int, until_ns: int | None = None) -> SentBy | None:
        """The first that sent the signal to that process while it lived, and was not refused; None:
        no recording that can be read here says so.

        until_ns: when the victim had ended, as CLOCK_MONOTONIC; None: that is not known. Times are
        compared as CLOCK_MONOTONIC, which no clock that is set can move.
        """
        began_ns = victim._began_ns()
        if not victim.path or not victim.boot_id or began_ns is None:
            return None
        found: list[SentBy] = []
        for other in self._recordings.beside(victim.path):
            if not _may_speak_of(other, victim):
                continue
            other_began_ns, sent = self._endings(other)
            if other.pid == victim.pid and other_began_ns is not None and other_began_ns > began_ns:
                # The PID was used again: what came after that was not for the victim.
                until_ns = min(until_ns or other_began_ns, other_began_ns)
            found += [
                SentBy(other, one)
                for one in sent
                if one.si_signo == signum and _reaches(one, other, victim)
            ]
        return min(
            (
                one
                for one in found
                if began_ns <= one.sent.monotonic_ns
                and (until_ns is None or one.sent.monotonic_ns <= until_ns)
            ),
            key=lambda one: one.sent.monotonic_ns,
            default=None,
        )

    def _endings(self, other: Recording) -> tuple[int | None, list[SentSignal]]:
        path = other.path or ""
        if path not in self._read:
            self._read[path] = None, []
            with suppress(RecordingError):  # cut short just now
                sent = other._sent.signals(endings_only=True)
                self._read[path] = other._began_ns(), sent
        return self._read[path]


def _may_speak_of(other: Recording, victim: Recording) -> bool:
    """Only of pids that mean the same in both; and what a file says counts for what its owner could
    have done: the victim's user, and root, may signal it (kill(2))."""
    return (
        (other.boot_id, other._header.namespace) == (victim.boot_id, victim._header.namespace)
        and other._identity.time_namespace == victim._identity.time_namespace
        and other._owner in (0, victim._owner)
    )


def _reaches(sent: SentSignal, sender: Recording, victim: Recording) -> bool:
    """Whether it was for that process. The result is unknown where the call never came back: then
    the sender was among those that it ended."""
    if sent.error not in (0, None):
        return False
    if sent.target > 0:
        return sent.target == victim.pid
    group = victim._identity.pgid
    if sent.target == 0:  # kill(2), and killpg(2) of Linux: the sender's own group
        return sent.how in ("kill", "killpg") and group > 0 and sender._identity.pgid == group
    if sent.target == -1:
        return sent.how == "kill" and sender.pid != victim.pid
    return group == -sent.target
