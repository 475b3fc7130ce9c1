"""Which process ended last."""

from __future__ import annotations

import math
import os

from sigrec._errors import NoRecordingError, RecordingError
from sigrec._reader import places
from sigrec._reader.recording import open_recording
from sigrec._why.parents import Parents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording


def newest() -> Recording:
    """Of this user's recordings the one of the process that ended last; if none ended, of the one
    that began last."""
    found = []
    for path in places.recordings():
        try:
            recording = open_recording(path)
            found.append((recording, os.stat(path).st_mtime_ns))
        except (RecordingError, OSError):
            continue
    if not found:
        raise NoRecordingError("no process of this user has a recording")
    parents = Parents()
    begun = sorted(recording.started_ns for recording, _ in found)

    def ended_ns(recording: Recording, seen_ns: int) -> float:
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
        return next((ns for ns in begun if ns > seen_ns), math.inf)

    def rank(entry: tuple[Recording, int]) -> tuple[bool, float]:
        recording, seen_ns = entry
        if recording.state in ("alive", "unknown"):
            return False, recording.started_ns
        return True, ended_ns(recording, seen_ns)

    return max(found, key=rank)[0]
