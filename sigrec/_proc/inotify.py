"""What happens to files: inotify(7)."""

from __future__ import annotations

import ctypes
import os
import struct

from sigrec._tuples import NamedTuple

CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF = 0x400, 0x800
OVERFLOW, IGNORED = 0x4000, 0x8000
ONLYDIR, ISDIR = 0x1000000, 0x40000000
_EVENT = struct.Struct("=iIII")  # watch, mask, cookie, bytes of the name


class Event(NamedTuple):
    """What has happened to a file.
    watch: the number that add() returned for its directory; -1: the queue has overflowed."""

    watch: int
    mask: int
    name: str


class Inotify:
    """Watches directories. fd: poll(2) shows it as ready to read once something has happened.

    Raises OSError where the system allows no further one.
    """

    def __init__(self) -> None:
        self.fd = -1
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self._called(self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))

    @staticmethod
    def _called(result: int) -> int:
        if result < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        return result

    def add(self, path: str, mask: int) -> int:
        """Watches a file or directory; returns the number of the watch."""
        return self._called(self._libc.inotify_add_watch(self.fd, os.fsencode(path), mask))

    def remove(self, watch: int) -> None:
        """Ends a watch; does nothing if the watch is gone already."""
        self._libc.inotify_rm_watch(self.fd, watch)

    def read(self) -> list[Event]:
        """What has happened since the last call."""
        found: list[Event] = []
        while True:
            try:
                raw = os.read(self.fd, 1 << 16)
            except BlockingIOError:
                return found
            at = 0
            while at < len(raw):
                watch, mask, _, size = _EVENT.unpack_from(raw, at)
                at += _EVENT.size
                found.append(Event(watch, mask, os.fsdecode(raw[at : at + size].split(b"\0")[0])))
                at += size

    def close(self) -> None:
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    __del__ = close
