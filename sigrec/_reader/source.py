"""The bytes of a recording: of a file, or of this process's own memory.

Reads by copying (pread(2)) and not through a mapping: a file that is truncated while it is
read is then an error and not a SIGBUS. A reader never writes, so it can never disturb.
"""

from __future__ import annotations

import os
import stat
import sys

from sigrec._errors import NoRecordingError, RecordingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

BYTE_ORDER = sys.byteorder  # a recording of the other order is refused


class Source:
    """Bytes by their offset, until it is closed.

    path: its file; None: it is in memory. fd: the file's descriptor, from here on this object's to
    close; -1: it is in memory, or closed. status: what fstat(2) said of it; None: it is in memory.
    """

    __slots__ = ("_descriptor", "_read", "fd", "path", "status")

    def __init__(
        self, read: Callable[[int, int], bytes], path: str | None = None, fd: int = -1
    ) -> None:
        self._read = read  # (offset, size): fewer bytes only where the recording ends
        self.path = path
        self.fd = fd
        self.status = None if fd < 0 else os.fstat(fd)
        self._descriptor = None if fd < 0 else _Descriptor(fd)

    def start(self, size: int) -> bytes:
        """So many bytes from its start, or fewer: all that there are."""
        return self._read(0, size)

    def bytes(self, offset: int, size: int) -> bytes:
        raw = self._read(offset, size)
        if len(raw) != size:
            raise self.bad(f"is cut short: {len(raw)} of {size} bytes at {offset}")
        return raw

    def word(self, offset: int) -> int:
        return int.from_bytes(self.bytes(offset, 8), BYTE_ORDER)

    def bad(self, why: str) -> RecordingError:
        return RecordingError(f"{self.path or 'this process'}: {why}")

    @property
    def closed(self) -> bool:
        return self._read is closed

    def close(self) -> None:
        if self._descriptor is not None:
            self.fd = -1
            self._read = closed  # the number of the descriptor is soon someone else's
            self._descriptor.close()


class _Descriptor:
    """Closed when nobody has it any more. Not of a recording in memory, which stats() makes each
    time: what a signal's handler raises inside of a __del__ is lost."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    __del__ = close


def closed(offset: int, size: int) -> bytes:
    raise ValueError("the recording is closed")


def open_file(path: str, flags: int = os.O_NOFOLLOW) -> Source:
    """RecordingError where there is no file that could be one."""
    try:
        # O_NONBLOCK: a FIFO must not make us wait for a writer.
        fd = os.open(path, os.O_RDONLY | flags | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NoRecordingError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecordingError(f"{path}: cannot be opened: {reason}") from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise RecordingError(f"{path}: is not a regular file")
        if status.st_size == 0:
            raise RecordingError(f"{path}: is empty")
        return Source(lambda offset, size: os.pread(fd, size, offset), path, fd)
    except BaseException:
        os.close(fd)
        raise
