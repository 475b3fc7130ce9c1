"""Where recordings are: the directories that a writer tries and a reader searches."""

from __future__ import annotations

import os
import stat

KEEP = 16  # stale recordings that stay, the newest ones


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


def unusable(directory: str) -> str | None:
    try:
        status = os.lstat(directory)
    except OSError as error:
        return f"{directory}: {error.strerror}"
    if stat.S_ISLNK(status.st_mode):
        return f"{directory}: is a symbolic link"
    if not stat.S_ISDIR(status.st_mode):
        return f"{directory}: is not a directory"
    if status.st_uid != os.geteuid():
        return f"{directory}: belongs to uid {status.st_uid}, not to uid {os.geteuid()}"
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


def find(pid: int) -> list[str]:
    """Paths at which that process may have its recording."""
    return [path for path in recordings() if os.path.basename(path) == f"{pid}.sigrec"]


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
    recordings = [name for name in names if name.endswith(".sigrec")]
    if len(recordings) <= keep:
        return
    from sigrec._recording import open_recording

    stale = []
    for name in recordings:
        pid = name[: -len(".sigrec")]
        if pid.isdigit() and os.path.exists(f"/proc/{pid}"):
            continue  # alive, or its pid is in use again: looked at another time
        path = os.path.join(directory, name)
        try:
            with open_recording(path) as recording:
                # "unknown": alive perhaps, in another namespace that shares the directory.
                if recording.state in ("ended", "exited", "replaced"):
                    status = os.stat(path)
                    stale.append((status.st_mtime_ns, status.st_ino, path))
        except Exception:
            continue  # not a recording, or gone: not ours to remove
    stale.sort(reverse=True)
    for _, inode, path in stale[keep:]:
        _remove(path, inode)


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
