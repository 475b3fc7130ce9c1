"""The cgroup that counts a process's memory, and what the OOM killer did there: cgroups(7)."""

from __future__ import annotations

import os

from sigrec._proc.process import is_ending
from sigrec._proc.status import status
from sigrec._tuples import NamedTuple

PROC = "/proc"
MOUNT = "/sys/fs/cgroup"
_SIGKILL = 9


class Cgroup(NamedTuple):
    """A memory cgroup. path: as proc_pid_cgroup(5) shows it. counters: the file that counts the
    processes that the OOM killer has ended in this very cgroup, without those below it:
    memory.events.local of version 2, memory.oom_control of version 1."""

    path: str
    directory: str
    counters: str

    def oom_kills(self) -> int | None:
        """How many processes the OOM killer has ended since the cgroup was made. None: this kernel
        does not count them, or the cgroup is gone."""
        try:
            with open(self.counters, encoding="ascii", errors="replace") as file:
                lines = [line.split() for line in file]
        except OSError:
            return None
        found = [words[1] for words in lines if len(words) == 2 and words[0] == "oom_kill"]
        return int(found[0]) if found and found[0].isdecimal() else None

    def members(self) -> frozenset[int]:
        """The processes in the cgroup, without those that are about to end."""
        return frozenset(pid for pid in self.listed() if not _ends(pid))

    def listed(self) -> frozenset[int]:
        """All processes in the cgroup."""
        try:
            with open(os.path.join(self.directory, "cgroup.procs"), encoding="ascii") as file:
                return frozenset(int(line) for line in file if line.strip().isdecimal())
        except OSError:
            return frozenset()


def of_process(pid: int) -> Cgroup | None:
    """The cgroup of that process. None: the process is gone, or its cgroup does not count memory.
    (A zombie is in no cgroup of version 1.)"""
    try:
        with open(f"{PROC}/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return None
    by_controller = {
        name: line[2] for line in lines if len(line) == 3 for name in line[1].split(",")
    }
    # "0::PATH" is version 2. Where version 1 has the memory controller, memory is counted there.
    if "memory" in by_controller:
        return _version_1(by_controller["memory"])
    return _version_2(by_controller[""]) if "" in by_controller else None


def at(path: str) -> Cgroup | None:
    """The cgroup at that path, as one of its processes saw it, where the file systems that this
    process has mounted show it."""
    return _version_1(path) or _version_2(path)


def _version_1(path: str) -> Cgroup | None:
    return _existing(path, f"{MOUNT}/memory{path}", "memory.oom_control")


def _version_2(path: str) -> Cgroup | None:
    # systemd's hybrid layout has version 2 beside the controllers of version 1.
    for mount in (MOUNT, f"{MOUNT}/unified"):
        found = _existing(path, mount + path, "memory.events.local")
        if found is not None:
            return found
    return None


def _existing(path: str, directory: str, counters: str) -> Cgroup | None:
    file = os.path.join(directory, counters)
    # "/../x" is outside of the cgroup namespace, and so not among what is mounted here.
    usable = path.startswith("/") and ".." not in path.split("/") and os.path.isfile(file)
    return Cgroup(path, directory, file) if usable else None


def _ends(pid: int) -> bool:
    """Whether the process has a SIGKILL pending, or is about
    to end: freeing its memory takes time."""
    if is_ending(pid):
        return True
    now = status(pid)
    return now is None or _SIGKILL in now.pending
