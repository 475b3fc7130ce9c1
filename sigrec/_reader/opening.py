"""open_recording(): opens a recording by pid or path, or says why there is none."""

from __future__ import annotations

import os

from sigrec import _check
from sigrec._errors import NoRecordingError, RecordingError
from sigrec._proc import host, namespace, process
from sigrec._proc.status import status
from sigrec._reader import places
from sigrec._reader.recording import Recording
from sigrec._reader.source import open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def open_recording(pid_or_path: int | str | os.PathLike[str]) -> Recording:
    """Open the recording of a process, alive or ended, by its pid or by the recording's path.

    Raises NoRecordingError if there is none, RecordingError for a file that is no recording, is
    corrupt or has another version, and ValueError for another kind of argument.
    """
    by = "a recording is opened by a pid or a path"
    if not isinstance(pid_or_path, int):
        path = _check.path(by, pid_or_path)
        try:
            return _open_at(path, 0)
        except NoRecordingError:
            found = _newest_recording(places.of_name(path))
            if found is None:
                raise
            return found
    pid = _check.integer(by, pid_or_path, 1, _check.INT_MAX)
    meant = namespace.inside(pid) or (host.pid_namespace(), pid)
    found = _newest_recording(places.find(pid), lambda recording: _is_of_process(recording, *meant))
    if found is None:
        raise NoRecordingError(_no_recording_of(pid))
    return found


def _newest_recording(
    paths: list[str], wanted: Callable[[Recording], bool] | None = None
) -> Recording | None:
    """The recording of a living process, or else the one that was begun last."""
    opened: list[Recording] = []
    bad: RecordingError | None = None
    for path in paths:
        try:
            recording = _open_at(path, os.O_NOFOLLOW)
        except NoRecordingError:
            continue  # it was removed meanwhile
        except RecordingError as error:
            bad = bad or error  # there may be a good one elsewhere
            continue
        if wanted is None or wanted(recording):
            opened.append(recording)
        else:
            recording.close()
    opened.sort(key=lambda recording: (recording.state == "alive", recording.started_ns))
    for recording in opened[:-1]:
        recording.close()
    if bad is not None and not opened:
        raise bad
    return opened[-1] if opened else None


def _is_of_process(recording: Recording, within: int, pid: int) -> bool:
    """Whether the recording is of the process that has that PID in that namespace. After another
    boot the namespaces are others, and only the file's name says whose it is."""
    if recording.boot_id == host.boot_id() and recording._header.namespace != within:
        return False
    return recording.pid == pid


def _open_at(path: str, flags: int) -> Recording:
    source = open_file(path, flags)
    try:
        return Recording(source)
    except BaseException:
        source.close()
        raise


def _no_recording_of(pid: int) -> str:
    seen = host.names_ours()  # or /proc has another process under that PID
    owner = process.owner(pid) if seen else None
    others = places.recordings_of_other_namespaces()
    same = [path for there, path in others if there == pid]
    hint = ""
    if same:
        hint = (
            f"; {same[0]} is of a process that has that PID in another PID namespace: name the file"
        )
    elif others and owner is None:
        # One that has ended cannot be asked any more which PID it had in its own.
        hint = (
            "; recordings of processes in other PID namespaces, as in containers, are kept under the "
            "PIDs that these had there: `sigrec why --all` has all, or name the file"
        )
    if owner is None and seen:
        whose = (
            "" if os.geteuid() == 0 else " of this user's (another's only that user and root find)"
        )
        return (
            f"there is no process {pid}, and no recording of one{whose}: nothing is kept of one that "
            "exited with status 0, got no SIGTERM, SIGINT, SIGHUP or SIGQUIT and sent none that ends "
            "others, unless `sigrec run` recorded it or its recording had a name; of others only the "
            f"newest are kept{hint}"
            f"{places.refused()}"
        )
    now = status(pid) if seen else None
    if now is not None and now.tgid not in (None, pid):
        return f"{pid} is a thread of process {now.tgid}, and has no recording of its own{hint}"
    if seen and os.geteuid() not in (0, owner):
        return (
            f"process {pid} belongs to uid {owner}: only that user and root can find its recording"
        )
    # Of a process whose main thread alone has ended, proc_pid_stat(5) says the same.
    if now is not None and now.state == "Z" and len(process.threads(pid)) == 1:
        return (
            f"process {pid} has ended, and no recording of it is found: `sigrec why --wait {pid}` says how it "
            f"ended, as long as its parent has not waited for it{hint}{places.refused()}"
        )
    refused = places.named_directory() if places.refused() else None
    searched = ", ".join(d for d in dict.fromkeys(places.directories()) if d != refused)
    if os.geteuid() == 0:
        searched += ", and those of other users"
    parent = process.parent(pid) if seen else None
    while parent and not hint:
        if places.find(parent):
            hint = f"; PID {parent}, which it descends from, has one: `sigrec run --children` records both"
        parent = process.parent(parent)
    return f"no recording of process {pid} is found (searched: {searched}){hint}{places.refused()}"


open_recording.__module__ = "sigrec"
