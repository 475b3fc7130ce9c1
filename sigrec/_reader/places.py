"""Where recordings are: the directories that a writer tries and a reader searches."""

from __future__ import annotations

import os
import stat

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
