"""How much this process may have, which runs beside all others: descriptors, and memory."""

from __future__ import annotations

import ctypes
import resource
import sys
from contextlib import contextmanager, suppress
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_ARENA_MAX = -8  # <malloc.h>


class _NoTls(ModuleType):
    """What prometheus_client names as it is imported, and nobody calls."""

    def __getattr__(self, name: str) -> None:
        return None


@contextmanager
def without_openssl() -> Iterator[None]:
    """What is imported in here makes its hashes without OpenSSL, and has no TLS: nothing here speaks it,
    and it takes 4 MB. Nothing, where that is loaded already."""
    if "ssl" in sys.modules or "hashlib" in sys.modules:
        yield
        return
    placeholders: dict[str, ModuleType | None] = {"_hashlib": None, "ssl": _NoTls("ssl")}
    sys.modules.update(placeholders)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in placeholders:
            del sys.modules[name]


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
