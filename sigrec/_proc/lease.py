"""Whether any process writes a file, in whatever namespace it is: F_SETLEASE of fcntl(2)."""

from __future__ import annotations

import errno

_SETLEASE, _RDLCK, _UNLCK = 1024, 0, 2  # <fcntl.h>: the module fcntl has no F_SETLEASE everywhere


def is_written(fd: int) -> bool | None:
    """Whether a process has the file open for writing, or mapped so; None: that cannot be known.

    The kernel gives a lease for reading only to the file's owner, and only while no process writes
    the file. This one is given back at once; but if a process opens the file in between, the kernel
    sends SIGIO to this process, which has to ignore it.
    """
    import fcntl

    try:
        fcntl.fcntl(fd, _SETLEASE, _RDLCK)
    except OSError as error:
        return True if error.errno in (errno.EAGAIN, errno.EBUSY) else None
    fcntl.fcntl(fd, _SETLEASE, _UNLCK)
    return False
