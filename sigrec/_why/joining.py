"""Joins recordings:
whether what one process wrote down is about the process of another recording."""

from __future__ import annotations

from sigrec._reader.identity import recording_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from sigrec._reader.recording import Recording


def may_speak_of(other: Recording, victim: Recording) -> bool:
    """Whether one recording may tell of the other's process. PIDs and times must mean the same in
    both, and its owner must have been able to do it: only the victim's user and root may signal it
    (kill(2)), or be its parent."""
    return (
        (other.boot_id, other._header.namespace) == (victim.boot_id, victim._header.namespace)
        and other._identity.time_namespace == victim._identity.time_namespace
        and other._owner in (0, victim._owner)
    )


def is_same(one: Recording, other: Recording) -> bool:
    """Whether both are the same recording. It may have several names, and copies."""
    return recording_id(one._header) == recording_id(other._header)


class Life:
    """When a PID was this process's, as CLOCK_MONOTONIC, which no clock that is set can move and
    which is not shown to people. pid_reused_ns: another process had the PID then; None: that is
    not known.
    """

    def __init__(self, victim: Recording, began_ns: int, others: Iterable[Recording]) -> None:
        self.began_ns = began_ns
        later = [
            other_ns
            for other in others
            if other.pid == victim.pid and may_speak_of(other, victim)
            if (other_ns := other._began_ns()) is not None and other_ns > began_ns
        ]
        self.pid_reused_ns = min(later, default=None)

    def has(self, monotonic_ns: int) -> bool:
        return self.began_ns <= monotonic_ns and (
            self.pid_reused_ns is None or monotonic_ns <= self.pid_reused_ns
        )


def life(victim: Recording, others: Iterable[Recording]) -> Life | None:
    """When the victim lived; None: its recording does not say when it began, or on which boot."""
    began_ns = victim._began_ns()
    if not victim.path or not victim.boot_id or began_ns is None:
        return None
    return Life(victim, began_ns, others)
