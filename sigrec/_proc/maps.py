"""What a process maps: proc_pid_maps(5)."""

from __future__ import annotations

import os


def shared_maps(pid: int) -> list[tuple[str, int, bytes]] | None:
    """The files that the process maps shared and writable:
    device, inode, path (proc_pid_maps(5)). None: this user may not see that."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            lines = file.read().splitlines()
    except PermissionError:
        return None
    except OSError:
        return []
    found = []
    for line in lines:
        # address perms offset dev inode pathname
        part = line.split(None, 5)
        if len(part) == 6 and part[1][1:4:2] == b"ws":
            found.append((part[3].decode(), int(part[4]), part[5]))
    return found


def maps_writable(pid: int, device: int, inode: int, path: str = "") -> bool | None:
    """Whether the process maps that file shared and writable; None: this user may not see that."""
    maps = shared_maps(pid)
    if maps is None:
        return None
    dev = f"{os.major(device):02x}:{os.minor(device):02x}"
    # btrfs and overlayfs show another device there than stat(2) does. Then the path decides; a
    # file that was made without a name is shown as #inode (open(2), O_TMPFILE).
    try:
        real = os.fsencode(os.path.realpath(path)) if path else None
    except OSError:  # the path is below /proc/PID/root, of a process that has ended
        real = None
    unnamed = b"/#%d (deleted)" % inode
    return any(
        ino == inode and (there == dev or at == real or at.endswith(unnamed))
        for there, ino, at in maps
    )


def maps_library(pid: int, name: bytes) -> bool | None:
    """Whether the process maps a file in whose path this name is;
    None: this user may not see that, or the process is gone."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            return name in file.read()
    except OSError:
        return None


def path_of(mapped: str, inode: int) -> str:
    """The path of a mapped file. For one that was made without a name,
    /proc/PID/maps shows none: open(2), O_TMPFILE."""
    directory, name = os.path.split(mapped)
    if name == f"#{inode} (deleted)":
        try:
            for entry in os.scandir(directory):
                if entry.inode() == inode:
                    return entry.path
        except OSError:
            pass
    return mapped
