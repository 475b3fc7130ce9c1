"""What a new recording finds in its place: what is in the way, what is put aside, what is removed."""

from __future__ import annotations

import os
import stat

from sigrec._reader.places import KEEP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording


def in_the_way(path: str) -> str | None:
    """Why no recording may be written to that file, a reason to show; None: there is none, or it
    may go, or ``make_way()`` keeps it."""
    from sigrec._errors import RecordingError
    from sigrec._reader.format import MAGIC
    from sigrec._reader.opening import open_recording

    try:
        status = os.stat(path)
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
    try:
        with open_recording(path) as recording:
            if recording.state == "alive" and recording.pid != os.getpid():
                return f"{path}: is the recording of PID {recording.pid}, which is alive"
    except RecordingError:
        pass  # corrupt, or of another version
    return None


def make_way(path: str) -> None:
    """Before a recording is written there: keep the one before, as ``<path>.1``. How a service
    ended is asked when it has been started again."""
    if os.path.exists(path) and os.path.getsize(path):
        os.replace(path, f"{path}.1")


def clean(directory: str, keep: int = KEEP) -> None:
    """Remove recordings whose process is gone, but for the newest few, and what such processes
    left half made. Never raises."""
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        # .<pid>.<something>.tmp: recording_publish() in csrc/recording.c
        pid = name[1:].partition(".")[0]
        if name.startswith(".") and name.endswith(".tmp") and pid.isdigit():
            path = os.path.join(directory, name)
            # An hour: a process of another PID namespace may be making it just now.
            if not os.path.exists(f"/proc/{pid}") and _age_s(path) > 3600:
                _remove(path)
    gone = []
    for name in names:
        pid, _, suffix = name.partition(".")
        if suffix != "sigrec":
            continue
        path = os.path.join(directory, name)
        if pid.isdigit() and os.path.exists(f"/proc/{pid}"):
            # Alive, or its pid is in use again: looked at another time. When one of a long life
            # ends, this is the newest that is known of it: a tmpfs keeps no time of writes to a map.
            _touch(path)
        else:
            gone.append(path)
    if len(gone) <= keep:
        return
    from sigrec._reader.opening import open_recording

    stale: dict[bool, list[tuple[int, int, str]]] = {True: [], False: []}
    for path in gone:
        try:
            with open_recording(path) as recording:
                # "unknown": alive perhaps, in another namespace that shares the directory.
                if recording.state in ("ended", "exited", "replaced"):
                    status = os.stat(path)
                    kept = stale[_of_interest(recording)]
                    kept.append((status.st_mtime_ns, status.st_ino, path))
        except Exception:
            continue  # not a recording, or gone: not ours to remove
    for kept in stale.values():
        for _, inode, path in sorted(kept, reverse=True)[keep:]:
            _remove(path, inode)


def _of_interest(recording: Recording) -> bool:
    """Not an exit with status 0: of those that many a short program leaves there are others."""
    return not (recording.state == "exited" and recording.leave == "exit" and not recording.status)


def _touch(path: str) -> None:
    try:
        os.utime(path)
    except OSError:
        pass


def _age_s(path: str) -> float:
    import time

    try:
        return time.time() - os.lstat(path).st_mtime
    except OSError:
        return 0.0


def _remove(path: str, inode: int | None = None) -> None:
    try:
        # A new process may have got the pid, and have published there since. (Between this look
        # and the next line it still could: then its file is without a name, and it goes on.)
        if inode is None or os.lstat(path).st_ino == inode:
            os.unlink(path)
    except OSError:
        pass
