"""Older files in the place of a new recording: which are in the way, are put aside, or are
removed."""

from __future__ import annotations

import os
import stat
from collections import Counter

from sigrec._proc import namespace
from sigrec._proc.host import boot_id, booted_ns, pid_namespace
from sigrec._reader import places
from sigrec._reader.places import KEEP
from sigrec._signals.names import ASK_TO_END

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording

    # By kind, for each recording: when it was last written, its inode, its path.
    _Stale = dict[str, list[tuple[int, int, str]]]


def in_the_way(path: str) -> str | None:
    """Why no recording may be written to that file, as a text to show. None: there is no file, or
    an empty one (as mktemp makes them), or one that make_way() keeps."""
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
    """Why the file may not be overwritten: it is not empty, and is no recording. None: it may
    be."""
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
    try:
        texts = os.listdir(directory)
    except OSError:
        return
    here = pid_namespace() or namespace.FIRST
    for text in texts:
        # .<pid>.<something>.tmp: recording_publish() in csrc/recording.c
        pid = text[1:].partition(".")[0]
        path = os.path.join(directory, text)
        if text.startswith(".") and text.endswith(".tmp") and pid.isdigit():
            # Only after an hour: a process of another PID namespace may be making it just now.
            if not os.path.exists(f"/proc/{pid}") and _age_s(path) > 3600:
                _remove(path)
        # .<pid>.<number>.spare: csrc/spare.c. A child that has mapped it keeps it, without its
        # name.
        maker = places.spare(text)
        if maker is not None and (
            not os.path.exists(f"/proc/{maker.pid}")
            if maker.namespace == here
            else _age_s(path) > 86400
        ):
            _remove(path)
    named = sorted(found for text in texts if (found := places.name(text)) is not None)
    of_pid = Counter(name[:2] for name in named if name.suffix == "sigrec")
    links: list[str] = []
    gone: list[str] = []
    stale: _Stale = {}
    boot = boot_id()
    for name in named:
        path = os.path.join(directory, str(name))
        lives = name.namespace == here and os.path.exists(f"/proc/{name.pid}")
        if name.suffix == "named":
            if not lives:
                links.append(path)
            continue
        if lives:
            # The process lives, or its pid is used again: this one is looked at another time. The
            # file is marked as new, so that it is not among the oldest when a process of a long
            # life ends: a tmpfs does not note when a mapped file is written.
            if of_pid[name[:2]] == 1:
                _touch(path)
                continue
            if path == own:
                continue
        elif name.namespace == here and _look(path, name.pid, here, boot, stale):
            continue
        if places.is_left_empty(path):
            _remove(path)
        else:
            gone.append(path)
    if len(links) > keep:
        by_time = sorted((-_time_ns(path), path) for path in links)
        for _, path in by_time[keep:]:
            _remove(path)
    if len(gone) + sum(map(len, stale.values())) > keep:
        _clean(gone, stale, keep, own)


def _look(path: str, pid: int, here: int, boot: str, stale: _Stale) -> bool:
    """Looks at a recording whose process is gone and was of this boot and namespace: its header
    tells all that is needed. An empty file is removed. False: the file is something else."""
    try:
        from sigrec._reader.glance import any_delivered, glance

        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        seen = glance(fd)
        if seen is None:
            return False
        if not seen.status.st_size:
            _remove(path, seen.status.st_ino)
            return True
        if (seen.pid, seen.namespace, seen.boot_id) != (pid, here, boot):
            return False
        clean = seen.exited and seen.went_well and not any_delivered(fd, seen, ASK_TO_END)
        entry = seen.status.st_mtime_ns, seen.status.st_ino, path
        stale.setdefault("clean" if clean else "of interest", []).append(entry)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


def _clean(paths: list[str], stale: _Stale, keep: int, own: str | None) -> None:
    from sigrec._reader.opening import open_recording

    program: tuple[int, list[str]] | None = None
    for path in paths:
        try:
            with open_recording(path) as recording:
                kind = _kind(recording)
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
            _remove(path, inode)


def _kind(recording: Recording) -> str:
    """The recording's kind. The newest few of each kind are kept, so that many short programs do
    not push out the others."""
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


def _time_ns(path: str) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0


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
        # A new process may have got the pid, and have published there since. (It still could
        # between this look and the next line: then its file loses its name, and the process goes
        # on.)
        if inode is None or os.lstat(path).st_ino == inode:
            os.unlink(path)
    except OSError:
        pass
