"""open_recording(): by pid or path; and why there is none."""

from __future__ import annotations

import os

from sigrec import _check
from sigrec._errors import NoRecordingError, RecordingError
from sigrec._proc import process
from sigrec._reader import places
from sigrec._reader.recording import Recording
from sigrec._reader.source import open_file


def open_recording(pid_or_path: int | str | os.PathLike[str]) -> Recording:
    """Open the recording of a process, by its pid, or of a file; live or dead.

    Raises NoRecordingError where there is none, RecordingError for a file that is not a
    recording, or corrupt, or of another version; ValueError for another kind of argument.
    """
    by = "a recording is opened by a pid or a path"
    if not isinstance(pid_or_path, int):
        return _opened(_check.path(by, pid_or_path), 0)
    pid = _check.integer(by, pid_or_path, 1, _check.INT_MAX)
    opened: list[Recording] = []
    bad: RecordingError | None = None
    for path in places.find(pid):
        try:
            opened.append(_opened(path, os.O_NOFOLLOW))
        except NoRecordingError:
            continue  # it went as we looked
        except RecordingError as error:
            bad = bad or error  # a good one elsewhere is better than this
    opened.sort(key=lambda recording: (recording.state == "alive", recording.started_ns))
    for recording in opened[:-1]:
        recording.close()
    if opened:
        return opened[-1]
    if bad is not None:
        raise bad
    raise NoRecordingError(_none_of(pid))


def _opened(path: str, flags: int) -> Recording:
    source = open_file(path, flags)
    try:
        return Recording(source)
    except BaseException:
        source.close()
        raise


def _none_of(pid: int) -> str:
    owner = process.owner(pid)
    if owner is None:
        return (
            f"there is no process {pid}, and no recording of one (kept are the newest "
            f"{places.KEEP} of processes that ended, and as many that exited with status 0)"
        )
    if os.geteuid() not in (0, owner):
        return (
            f"process {pid} belongs to uid {owner}: only that user and root can find its recording"
        )
    searched = ", ".join(dict.fromkeys(places.directories()))
    if os.geteuid() == 0:
        searched += ", and those of other users"
    hint = ""
    parent = process.parent(pid)
    while parent and not hint:
        if places.find(parent):
            hint = f"; PID {parent}, which it descends from, does: `sigrec run --children` records both"
        parent = process.parent(parent)
    return f"process {pid} publishes no recording (searched: {searched}){hint}"


open_recording.__module__ = "sigrec"
