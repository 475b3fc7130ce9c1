"""Which cgroup a process's memory is counted in, and whom the OOM killer ended there: cgroups(7)."""

from __future__ import annotations

import os

from sigrec._proc.process import is_ending
from sigrec._proc.status import status
from sigrec._tuples import NamedTuple

PROC = "/proc"
MOUNT = "/sys/fs/cgroup"
_SIGKILL = 9


class Cgroup(NamedTuple):
    """path: as proc_pid_cgroup(5) has it. counters: the file that counts, of this very cgroup
    and not of those below it, whom the OOM killer ended: memory.events.local of version 2,
    memory.oom_control of version 1."""

    path: str
    directory: str
    counters: str

    def oom_kills(self) -> int | None:
        """How many, since the cgroup was made; None: this kernel does not count, or it is gone."""
        try:
            with open(self.counters, encoding="ascii", errors="replace") as file:
                lines = [line.split() for line in file]
        except OSError:
            return None
        found = [words[1] for words in lines if len(words) == 2 and words[0] == "oom_kill"]
        return int(found[0]) if found and found[0].isdecimal() else None

    def members(self) -> frozenset[int]:
        """The processes in it that run: not those that are ending."""
        return frozenset(pid for pid in self.listed() if not _ends(pid))

    def listed(self) -> frozenset[int]:
        """All that are in it."""
        try:
            with open(os.path.join(self.directory, "cgroup.procs"), encoding="ascii") as file:
                return frozenset(int(line) for line in file if line.strip().isdecimal())
        except OSError:
            return frozenset()


def of_process(pid: int) -> Cgroup | None:
    """None: it is gone, or counts nothing. (A zombie is in no cgroup of version 1.)"""
    try:
        with open(f"{PROC}/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return None
    by_controller = {
        name: line[2] for line in lines if len(line) == 3 for name in line[1].split(",")
    }
    # "0::PATH" is version 2; where version 1 has the memory controller it is counted there.
    if "memory" in by_controller:
        return _version_1(by_controller["memory"])
    return _version_2(by_controller[""]) if "" in by_controller else None


def at(path: str) -> Cgroup | None:
    """By what a process in it read of itself, with the mounts that there are here."""
    return _version_1(path) or _version_2(path)


def _version_1(path: str) -> Cgroup | None:
    return _existing(path, f"{MOUNT}/memory{path}", "memory.oom_control")


def _version_2(path: str) -> Cgroup | None:
    # systemd's hybrid layout has it beside the controllers of version 1.
    for mount in (MOUNT, f"{MOUNT}/unified"):
        found = _existing(path, mount + path, "memory.events.local")
        if found is not None:
            return found
    return None


def _existing(path: str, directory: str, counters: str) -> Cgroup | None:
    file = os.path.join(directory, counters)
    # "/../x" is outside of the cgroup namespace, and so of what is mounted here.
    usable = path.startswith("/") and ".." not in path.split("/") and os.path.isfile(file)
    return Cgroup(path, directory, file) if usable else None


def _ends(pid: int) -> bool:
    """Whether it has a SIGKILL pending, or is on its way out: freeing its memory takes a while."""
    if is_ending(pid):
        return True
    now = status(pid)
    return now is None or _SIGKILL in now.pending
