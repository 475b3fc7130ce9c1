"""Which machine and boot this is, whom it lets trace others, which namespaces this process is in,
and which file systems."""

from __future__ import annotations

import os

_boot_id = ""


def boot_id() -> str:
    global _boot_id
    if not _boot_id:  # it cannot change while this process lives
        try:
            with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
                _boot_id = file.read().strip()
        except OSError:
            return ""
    return _boot_id


def pid_namespace() -> int:
    """The inode of this process's PID namespace; 0: not known."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


NO_PROC = "there is no /proc that shows the processes of this PID namespace"


def names_ours() -> bool:
    """Whether /proc has the PIDs of this process's namespace, and not those of another."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


def mount_namespace() -> int:
    """The inode of this process's mount namespace; 0: not known."""
    try:
        return os.stat("/proc/self/ns/mnt").st_ino
    except OSError:
        return 0


def booted_ns() -> int:
    """When this machine was started, in ns since 1970, to the second; 0: not known."""
    try:
        with open("/proc/stat", "rb") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(b"btime ")) * 10**9
    except (OSError, StopIteration, ValueError):
        return 0


def machine_id() -> str:
    """This machine's machine-id(5); "": there is none, as in many containers."""
    try:
        with open("/etc/machine-id", encoding="ascii", errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return ""


def ptrace_scope() -> int:
    """Which processes may trace others, by the sysctl kernel.yama.ptrace_scope. 0, also without
    Yama: those that ptrace(2) lets; 1: of these only ancestors; 2: only those with CAP_SYS_PTRACE;
    3: none."""
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def filesystem(directory: str) -> str | None:
    """The type of the file system of a directory: proc_pid_mountinfo(5). None: not known."""
    try:
        device = os.stat(directory).st_dev
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                before, _, after = line.partition(" - ")
                if before.split()[2] == f"{os.major(device)}:{os.minor(device)}":
                    return after.split()[0]
    except (OSError, IndexError):
        pass
    return None
