"""The bytes of a recording, in a file or in this process's own memory.

A reader copies (pread(2)), and does not map the file: if that is truncated meanwhile, this is an
error and not a SIGBUS. It never writes, and so it can never disturb the process.
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
    """Reads a recording's bytes at an offset, until it is closed.

    path: of the file; None: the recording is in memory. fd: the file's descriptor, which this
    object closes; -1: the recording is in memory, or closed. status: what fstat(2) says about the
    file; None: the recording is in memory.
    """

    __slots__ = ("_descriptor", "_read", "fd", "path", "status")

    def __init__(
        self, read: Callable[[int, int], bytes], path: str | None = None, fd: int = -1
    ) -> None:
        self._read = read  # read(offset, size) returns fewer bytes only at the end of the recording
        self.path = path
        self.fd = fd
        self.status = None if fd < 0 else os.fstat(fd)
        self._descriptor = None if fd < 0 else _Descriptor(fd)

    def start(self, size: int) -> bytes:
        """The recording's first `size` bytes, or all of them if it has fewer."""
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
            self._read = closed  # the descriptor's number may soon mean another file
            self._descriptor.close()


class _Descriptor:
    """The descriptor of a recording's file, closed when nothing refers to this object any more. As
    what a handler raises inside a __del__ is lost, a recording in memory, of which stats() reads
    one each time, has none of these."""

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
    """Opens a file. Raises RecordingError if it cannot be a recording."""
    try:
        # With O_NONBLOCK a FIFO does not make us wait for a writer.
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
