"""Older files in the place of a new recording: which are in the way, or are put aside; and which
are removed of those that the core (csrc/recording/retention.h) leaves to a reader: of other boots,
PID namespaces and versions, and those whose PID lives."""

from __future__ import annotations

import os
import stat

from sigrec import _core
from sigrec._signals.names import ASK_TO_END

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording

KEEP = 16  # how many recordings of ended processes stay: so many of clean ends, and so many others


def in_the_way(path: str) -> str | None:
    """Why no recording of this process may be written to that file, as a text to show. None: there
    is no file, or an empty one (as mktemp makes them), or one that make_way() keeps."""
    from sigrec._errors import RecordingError
    from sigrec._reader.opening import open_recording

    reason = _not_ours(path)
    if reason is not None or not os.path.lexists(path) or not os.path.getsize(path):
        return reason
    try:
        with open_recording(path) as recording:
            if recording.state == "alive" and recording.pid != os.getpid():
                return f"{path}: is the recording of PID {recording.pid}, which is alive"
    except RecordingError:
        pass  # it is corrupt, or of another version
    return _not_ours(f"{path}.1")  # where it would be put aside


def _not_ours(path: str) -> str | None:
    """Why the file may not be overwritten: it is not
    empty, and is no recording. None: it may be."""
    from sigrec._reader.format import MAGIC

    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            return f"{path}: is there, and is a symbolic link; it is not overwritten"
        if not stat.S_ISREG(status.st_mode):
            return f"{path}: is there, and is not a file"
        if status.st_size == 0:
            return None
        with open(path, "rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                return f"{path}: is there, and is not a recording; it is not overwritten"
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{path}: cannot be read, so it is not overwritten: {error.strerror}"
    return None


def make_way(path: str) -> None:
    """Keeps an earlier recording as ``<path>.1`` before a new one is written there: people ask how
    a service ended when it has been started again."""
    if not os.path.lexists(path):
        return
    if os.path.getsize(path):
        os.replace(path, f"{path}.1")
    else:
        os.unlink(path)


def clean(directory: str, keep: int = KEEP, own: str | None = None) -> None:
    """Removes recordings whose process is gone, except the newest few, and files that such
    processes left half made; but only files with a name of sigrec's own making. Never raises.

    own: the recording that this process makes there.
    """
    # The core knows those of this boot and PID namespace by their headers.
    names = _core.clean(os.fsencode(directory), keep)
    if len(names) > keep:
        _clean_readable([os.path.join(directory, os.fsdecode(name)) for name in names], keep, own)


def _clean_readable(paths: list[str], keep: int, own: str | None) -> None:
    from sigrec._reader.opening import open_recording

    # By kind, for each recording: when it was last written, its inode, its path.
    stale: dict[str, list[tuple[int, int, str]]] = {}
    program: tuple[int, list[str]] | None = None
    for path in paths:
        try:
            with open_recording(path) as recording:
                if path == own and recording.state == "alive":
                    continue
                kind = _kind_of_end(recording)
                if kind == "unknown":
                    # The process may be alive, in another namespace that shares the directory. But
                    # a container that is started again and again must not fill the directory: of
                    # the recordings with this process's own PID and command line that began before
                    # it, only the newest stay, too.
                    if program is None and own is not None:
                        with open_recording(own) as mine:
                            program = mine.pid, mine.argv
                    if program != (recording.pid, recording.argv):
                        continue
                status = os.stat(path)
                entry = status.st_mtime_ns, status.st_ino, path
                stale.setdefault(kind, []).append(entry)
        except Exception:
            continue  # it is no recording, or it is gone: there is nothing for us to remove
    for kept in stale.values():
        for _, inode, path in sorted(kept, reverse=True)[keep:]:
            _remove_recording(path, inode)


def _kind_of_end(recording: Recording) -> str:
    """The recording's kind. The newest few of each kind are kept, so that many short programs do
    not push out the others."""
    from sigrec._proc.host import boot_id, booted_ns

    state = recording.state
    if state == "alive":
        return "unknown"
    if state == "unknown":
        # A recording of another boot that lies where this user publishes is of an earlier boot.
        if recording.boot_id == boot_id() or recording.started_ns >= booted_ns():
            return "unknown"
    went_well = (
        recording.exit_kind == "exit"
        and not recording.exit_status
        and recording.exit_reason is None
    )
    asked = recording._any_delivered(ASK_TO_END)
    return "clean" if state == "exited" and went_well and not asked else "of interest"


def _remove_recording(path: str, inode: int) -> None:
    try:
        # A new process may have got the pid, and have published there since. (It still could
        # between this look and the next line: then its file
        # loses its name, and the process goes on.)
        if os.lstat(path).st_ino == inode:
            os.unlink(path)
    except OSError:
        pass
