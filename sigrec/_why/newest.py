"""Which process ended last."""

from __future__ import annotations

import math

from sigrec._errors import NoRecordingError
from sigrec._reader import index
from sigrec._why.parents import Parents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording


def newest() -> Recording:
    """Of this user's recordings the one of the process that ended last; if none ended, of the one
    that began last."""
    found = list(index.opened())
    if not found:
        raise NoRecordingError("no process of this user has a recording")
    parents = Parents()
    begun = sorted(recording.started_ns for recording in found)

    def ended_ns(recording: Recording) -> float:
        """As late as it can have been: of an end without a word no time is known. But whoever
        begins to record touches the files of those who are alive (sigrec/_recorder/retention.py)."""
        if recording.leave_time_ns is not None:
            return recording.leave_time_ns
        if recording.ending is not None:
            info = recording.signals[recording.ending[0]].last
            if info is not None:
                return info.time_ns
        told = parents.told_of(recording)
        if told is not None:
            return told[1].time_ns
        return next((ns for ns in begun if ns > recording._seen_ns), math.inf)

    def rank(recording: Recording) -> tuple[bool, float]:
        if recording.state in ("alive", "unknown"):
            return False, recording.started_ns
        return True, ended_ns(recording)

    return max(found, key=rank)
