"""Whether any process writes a file, in whatever namespace it is: F_SETLEASE of fcntl(2)."""

from __future__ import annotations

import errno

_SETLEASE, _RDLCK, _UNLCK = 1024, 0, 2  # <fcntl.h>: the module fcntl has no F_SETLEASE everywhere


def is_written(fd: int) -> bool | None:
    """Whether somebody has the file open for writing, or mapped so; None: that is not to be known.

    The kernel gives a lease for reading only while nobody does, to the file's owner alone. It is
    given back at once; but who opens the file just then makes it send SIGIO to this process, which
    has to ignore that.
    """
    import fcntl

    try:
        fcntl.fcntl(fd, _SETLEASE, _RDLCK)
    except OSError as error:
        return True if error.errno in (errno.EAGAIN, errno.EBUSY) else None
    fcntl.fcntl(fd, _SETLEASE, _UNLCK)
    return False
