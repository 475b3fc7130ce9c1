"""Where recordings are: the directories that a reader searches, and the names there. Where a writer
makes its own, and what it is called, csrc/host/places.c says."""

from __future__ import annotations

import errno
import os
import stat

from sigrec._proc import namespace
from sigrec._proc.host import pid_namespace
from sigrec._proc.maps import path_of, shared_maps
from sigrec._text import whole
from sigrec._tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def directories() -> list[str]:
    """All directories that may have recordings, in the order in which a writer tries them. A
    service and a shell have different environments, so a reader looks in all of them."""
    uid = os.geteuid()
    named = [os.environ.get("SIGREC_DIR", "")]
    # tmpfs first: on a disk, page write-back stalls the writer.
    named.append(f"/dev/shm/sigrec-{uid}")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        named.append(f"{runtime}/sigrec")
    named.append(f"{os.environ.get('TMPDIR') or '/tmp'}/sigrec-{uid}")
    return [os.path.abspath(path) for path in named if path]


def unusable(directory: str, uid: int | None = None) -> str | None:
    """Why the files in the directory cannot be trusted as that user's (default: this user's);
    None: they can be trusted."""
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


# --- names ----------------------------------------------------------------------------------


class Name(NamedTuple):
    """A file name of sigrec's own making: ``4242.sigrec``, ``1@4026532345+2.sigrec``.

    Containers that share a directory may have the same PIDs, so outside of the first PID namespace
    the name has the namespace's number. A process that has the PID of an earlier one, or that has
    exec'ed, counts on: +2. A link that ends in .named leads to a recording that the user has named.
    """

    pid: int
    namespace: int
    number: int = 1
    suffix: str = "sigrec"

    def __str__(self) -> str:
        within = "" if self.namespace in (0, namespace.FIRST) else f"@{self.namespace}"
        again = "" if self.number == 1 else f"+{self.number}"
        return f"{self.pid}{within}{again}.{self.suffix}"


def name(text: str) -> Name | None:
    """The parts of the name of a recording's file, or of a link to it; None: the text is no such name."""
    stem, _, suffix = text.partition(".")
    stem, _, number = stem.partition("+")
    pid, _, within = stem.partition("@")
    if suffix not in ("sigrec", "named"):
        return None
    numbers = whole(pid), whole(within or str(namespace.FIRST)), whole(number or "1")
    if numbers[0] is None or numbers[1] is None or numbers[2] is None:
        return None
    found = Name(numbers[0], numbers[1], numbers[2], suffix)
    return found if found.pid and found.number and str(found) == text else None


# --- finding ----------------------------------------------------------------------------------


def recordings(in_directory: str | None = None) -> list[str]:
    """Paths of this user's recordings: those in every directory that can be trusted (or in that
    one), and those elsewhere that the user has named."""
    found: dict[str, None] = {}
    for directory in dict.fromkeys(directories() if in_directory is None else [in_directory]):
        if _not_read(directory) is None:
            found |= dict.fromkeys(_within(directory))
    return list(found)


def _not_read(directory: str) -> str | None:
    """Why this user's recordings are not looked for there; None: they are. Root may name any user's
    directory (SIGREC_DIR), which has to be one that this user can trust."""
    uid = None
    if os.geteuid() == 0 and directory == named_directory():
        try:
            uid = os.lstat(directory).st_uid
        except OSError:
            pass  # it is missing, which unusable() says
    return unusable(directory, uid)


def meant() -> list[str]:
    """Paths of the recordings that are meant where the user names none: those in SIGREC_DIR, if
    that is set, else all of this user's."""
    return recordings(named_directory())


def named_directory() -> str | None:
    directory = os.environ.get("SIGREC_DIR")
    return os.path.abspath(directory) if directory else None


def where_meant() -> str:
    """Where those are that are meant where the user names none,
    to be put behind a message; "" if that is in all directories."""
    directory = named_directory()
    return "" if directory is None else f" in {directory} (SIGREC_DIR)"


def refused() -> str:
    """Why SIGREC_DIR is not looked into, to be put behind a message; "" where it is."""
    directory = named_directory()
    reason = None if directory is None else _not_read(directory)
    return "" if reason is None else f"; SIGREC_DIR is not read: {reason}"


def beside(path: str) -> list[str]:
    """Paths of recordings that may belong to that one: this user's, and those in its directory."""
    found = recordings()
    try:
        found += _within(os.path.dirname(os.path.abspath(path)))
    except OSError:
        pass
    return [other for other in dict.fromkeys(found) if other != os.path.abspath(path)]


def _names(directory: str) -> list[str]:
    """The names in a directory, in order; none if another process has just removed it, or if it is
    another user's and closed: in a container, root may not read it without CAP_DAC_READ_SEARCH."""
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
    except PermissionError:
        if unusable(directory) is None:
            raise
        return []


def _within(directory: str) -> Iterator[str]:
    for text in _names(directory):
        path = os.path.join(directory, text)
        if text.endswith(".sigrec"):
            yield path
        elif text.endswith(".named") and name(text) is not None:
            target = points_to(path)
            if target is not None:
                yield target


def points_to(link: str) -> str | None:
    """The path of the recording that a link ending in .named leads to; None: the file is not there any
    more, or does not belong to the owner of the link."""
    try:
        target = os.readlink(link)
        status = os.lstat(target)
        if os.path.isabs(target) and status.st_uid == os.lstat(link).st_uid:
            return target if stat.S_ISREG(status.st_mode) else None
    except OSError:
        pass
    return None


def is_left_empty(path: str) -> bool:
    """Whether the path is of an empty file with the name of a recording whose process is gone. A
    recording is complete before it has a name, so somebody has
    truncated this one, or a disk has lost it."""
    named = name(os.path.basename(path))
    try:
        status = os.lstat(path)
        empty = stat.S_ISREG(status.st_mode) and status.st_size == 0
        return empty and named is not None and not os.path.exists(f"/proc/{named.pid}")
    except OSError:
        return False


def find(pid: int) -> list[str]:
    """Paths at which that process may have its recordings; for root also those of other users. The
    PID is that of this namespace; a process that lives in a
    namespace within it has another one there."""
    within, there = namespace.inside(pid) or (pid_namespace(), pid)
    searched = [path for path in directories() if _not_read(path) is None]
    if os.geteuid() == 0:
        searched += directories_of_others()
    searched += _of_another_root(pid)
    found = dict.fromkeys(_that_it_writes(pid))
    for directory in dict.fromkeys(searched):
        for text in _names(directory):
            parsed = name(text)
            if parsed is not None and (parsed.pid, parsed.namespace) == (
                there,
                within or namespace.FIRST,
            ):
                path = os.path.join(directory, text)
                target = path if parsed.suffix == "sigrec" else points_to(path)
                if target is not None:
                    found[target] = None
    return list(found)


def _that_it_writes(pid: int) -> list[str]:
    """Paths of files that the living process maps as its recording. They may be anywhere: a service
    and a shell have different environments."""
    found = []
    for _, inode, mapped in shared_maps(pid) or ():
        for root in ("", f"/proc/{pid}/root"):
            path = path_of(root + os.fsdecode(mapped), inode)
            try:
                status = os.lstat(path) if path.endswith(".sigrec") else None
            except OSError:
                continue
            if status and stat.S_ISREG(status.st_mode) and status.st_ino == inode:
                found.append(path)
                break
    return found


def _of_another_root(pid: int) -> list[str]:
    """Paths at which a process may publish that lives in a mount namespace of its own, as in a
    container: /proc/PID/root shows from here what it has there."""
    try:
        if os.stat(f"/proc/{pid}/ns/mnt").st_ino == os.stat("/proc/self/ns/mnt").st_ino:
            return []
        uid = os.stat(f"/proc/{pid}").st_uid
    except OSError:  # it has ended, or this user may not see it
        return []
    bases = "dev/shm", "tmp"
    paths = [f"/proc/{pid}/root/{base}/sigrec-{uid}" for base in bases]
    return [path for path in paths if unusable(path, uid) is None]


def of_name(path: str) -> list[str]:
    """For a path ``<directory>/<pid>.sigrec`` that does not exist: paths of the recordings there of
    processes that had that PID in any namespace."""
    directory, text = os.path.split(path)
    asked = name(text)
    if asked is None or text != f"{asked.pid}.sigrec":
        return []
    try:
        found = filter(None, map(name, sorted(os.listdir(directory or "."))))
    except OSError:
        return []
    return [
        os.path.join(directory, str(parsed))
        for parsed in found
        if (parsed.pid, parsed.suffix) == (asked.pid, "sigrec")
    ]


def recordings_of_other_namespaces() -> list[tuple[int, str]]:
    """This user's recordings of processes in other PID namespaces: the PID there, and the path."""
    found = []
    for path in recordings():
        parsed = name(os.path.basename(path))
        if parsed is not None and parsed.namespace != pid_namespace():
            found.append((parsed.pid, path))
    return found


def of_others() -> list[str]:
    """Paths of other users' recordings, for root."""
    return [path for directory in directories_of_others() for path in _within(directory)]


def directories_closed_to_us() -> bool:
    """Whether root, who may end any process, has recordings on this
    machine, and this user cannot read them."""
    bases = "/dev/shm", os.environ.get("TMPDIR") or "/tmp"
    return os.geteuid() != 0 and any(os.path.isdir(f"{base}/sigrec-0") for base in bases)


def closed_to_root() -> bool:
    """Whether other users have recordings on this machine, and this
    process is root's and may not read them."""
    for directory in directories_of_others() if os.geteuid() == 0 else ():
        try:
            os.listdir(directory)
        except OSError as error:
            if error.errno == errno.EACCES:
                return True
    return False


def directories_of_others() -> list[str]:
    """For root, the directories of other users that can be trusted as theirs."""
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
