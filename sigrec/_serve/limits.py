"""How much this process may have, which runs beside all others: descriptors, and memory."""

from __future__ import annotations

import ctypes
import resource
from contextlib import suppress

_ARENA_MAX = -8  # <malloc.h>


def raise_descriptors() -> None:
    """As far as it is allowed: each recording is one, and each process another."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (ValueError, OSError):
        pass


def one_arena() -> None:
    """For all threads: with one each glibc keeps 2 MB more, and these threads hardly ever run at once.
    Before the first one begins; nothing, with another C library."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
