"""Finds the process that ended last."""

from __future__ import annotations

import math
from bisect import bisect_right

from sigrec._errors import NoRecordingError
from sigrec._reader import index, places
from sigrec._tuples import NamedTuple
from sigrec._why.cause import Cause, cause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sigrec._errors import RecordingError
    from sigrec._reader.recording import Recording
    from sigrec._why.witnesses import Witnesses


def newest(bad: Callable[[RecordingError], None] | None = None) -> Recording:
    """The recording of this user's process that ended last; if none has ended, of the one that
    began last. If SIGREC_DIR is set, only recordings there count. bad: as of index.opened()."""
    found = list(index.opened(places.meant(), bad))
    if not found:
        raise NoRecordingError(
            f"no process of this user has a recording{places.where_meant()}{places.refused()}"
        )
    from sigrec._why.witnesses import Witnesses

    return in_order(found, Witnesses(found))[0].recording


class Ranked(NamedTuple):
    """A recording, to be sorted by its end. ended: whether its process has ended, as far as can be
    told. at_ns: when it ended, or else when it began."""

    recording: Recording
    cause: Cause
    ended: bool
    at_ns: float


def in_order(found: list[Recording], witnesses: Witnesses) -> list[Ranked]:
    """First those whose processes have ended, the newest end first;
    then the others, the last begun first."""
    begun = sorted(recording.started_ns for recording in found)

    def ranked(recording: Recording) -> Ranked:
        what = cause(recording, witnesses)
        if what.kind == "unknown" and recording.state == "unknown":
            again = successor(recording, found)
            if again is not None:
                return Ranked(recording, what, True, again.started_ns)
        elif what.kind != "alive":
            return Ranked(recording, what, True, _ended_ns(recording, what, begun))
        return Ranked(recording, what, False, recording.started_ns)

    return sorted(
        map(ranked, found), key=lambda process: (process.ended, process.at_ns), reverse=True
    )


def _ended_ns(recording: Recording, what: Cause, begun: list[int]) -> float:
    """The latest time at which it can have ended. An end without a recorded cause has no time; but
    each process that begins to record touches the files of those that are alive
    (sigrec/_recorder/retention.py)."""
    if recording.exit_time_ns is not None and what.own is None:
        return recording.exit_time_ns
    if what.told is not None:
        return what.told.info.time_ns
    if what.sent_by is not None:
        return what.sent_by.sent.time_ns
    if what.seen is not None and what.seen.time_ns is not None:
        return what.seen.time_ns
    stats = recording.signals.get(what.signal or 0)  # of SIGKILL there are none
    if stats is not None and stats.last is not None:
        return stats.last.time_ns
    at = bisect_right(begun, recording._seen_ns)
    return begun[at] if at < len(begun) else math.inf


def successor(recording: Recording, among: list[Recording] | None = None) -> Recording | None:
    """The recording of the same program that was started again later, with the same PID in another
    namespace, as in a container that is started again."""
    others = index.opened(places.beside(recording.path or "")) if among is None else iter(among)
    later = [
        other
        for other in others
        if other.started_ns > recording.started_ns
        and (other.pid, other._owner, other.argv)
        == (recording.pid, recording._owner, recording.argv)
        and other._header.namespace != recording._header.namespace
        and other.boot_id == recording.boot_id
    ]
    return min(later, key=lambda other: other.started_ns, default=None)
