"""Where recordings are: the directories that a writer tries and a reader searches."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording

KEEP = 16  # recordings of processes that ended and that stay: of clean ends, and of others


def publishing_off() -> bool:
    """``SIGREC_DIR=`` (empty) turns publishing off."""
    return os.environ.get("SIGREC_DIR") == ""


def directories() -> list[str]:
    """All of them, in the writer's order. A service and a shell have different environments,
    so a reader looks in every one."""
    uid = os.geteuid()
    named = [os.environ.get("SIGREC_DIR", "")]
    # tmpfs first: on a disk, page write-back stalls the writer.
    named.append(f"/dev/shm/sigrec-{uid}")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        named.append(f"{runtime}/sigrec")
    named.append(f"{os.environ.get('TMPDIR') or '/tmp'}/sigrec-{uid}")
    return [os.path.abspath(path) for path in named if path]


def candidates() -> list[str]:
    """Where a writer may publish, the best first."""
    return [] if publishing_off() else directories()


def prepare(directory: str) -> str | None:
    """Make the directory if it is missing; a reason, if it cannot be used.

    It must be a directory of this user, not a link, and writable by nobody else: a recording
    must not be planted or replaced. (The core checks again, on the descriptor that it uses.)
    """
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        return f"{directory}: {error.strerror}"
    return unusable(directory)


def unusable(directory: str, uid: int | None = None) -> str | None:
    """Why its files are not to be trusted as that user's (this one's); None: they are."""
    uid = os.geteuid() if uid is None else uid
    try:
        status = os.lstat(directory)
    except OSError as error:
        return f"{directory}: {error.strerror}"
    if stat.S_ISLNK(status.st_mode):
        return f"{directory}: is a symbolic link"
    if not stat.S_ISDIR(status.st_mode):
        return f"{directory}: is not a directory"
    if status.st_uid != uid:
        return f"{directory}: belongs to uid {status.st_uid}, not to uid {uid}"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"{directory}: is writable by others (mode {stat.S_IMODE(status.st_mode):04o})"
    return None


def recordings() -> list[str]:
    """Paths of this user's recordings, in every directory that can be trusted."""
    found = []
    for directory in dict.fromkeys(directories()):
        if unusable(directory) is None:
            for name in os.listdir(directory):
                if name.endswith(".sigrec"):
                    found.append(os.path.join(directory, name))
    return found


def beside(path: str) -> list[str]:
    """Paths of other recordings: of this user's, and of those in that file's directory."""
    found = recordings()
    directory = os.path.dirname(os.path.abspath(path))
    try:
        found += [
            os.path.join(directory, name)
            for name in os.listdir(directory)
            if name.endswith(".sigrec")
        ]
    except OSError:
        pass
    return [other for other in dict.fromkeys(found) if other != os.path.abspath(path)]


def find(pid: int) -> list[str]:
    """Paths at which that process may have its recording; for root also one of another user."""
    name = f"{pid}.sigrec"
    mine = [path for path in recordings() if os.path.basename(path) == name]
    if mine or os.geteuid() != 0:
        return mine
    paths = [os.path.join(directory, name) for directory in _of_others()]
    return [path for path in paths if os.path.lexists(path)]


def _of_others() -> list[str]:
    found = []
    for base in ("/dev/shm", os.environ.get("TMPDIR") or "/tmp", "/run/user"):
        try:
            names = os.listdir(base)
        except OSError:
            continue
        for name in names:
            uid = name if base == "/run/user" else name.removeprefix("sigrec-")
            directory = os.path.join(base, name, *(["sigrec"] if uid == name else []))
            if uid.isdecimal() and unusable(directory, int(uid)) is None:
                found.append(directory)
    return found


def in_the_way(path: str) -> str | None:
    """Why no recording may be written to that file, a reason to show; None: there is none, or it
    may go, or ``make_way()`` keeps it."""
    from sigrec._errors import RecordingError
    from sigrec._reader.recording import MAGIC, open_recording

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
    from sigrec._reader.recording import open_recording

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
