"""How much memory this process takes, since it runs beside all others."""

from __future__ import annotations

import ctypes
import sys
from contextlib import contextmanager, suppress
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_ARENA_MAX = -8  # <malloc.h>


class _NoTls(ModuleType):
    """Stands in for what prometheus_client names when it is imported, and what is never called."""

    def __getattr__(self, name: str) -> None:
        return None


@contextmanager
def without_openssl() -> Iterator[None]:
    """A context manager: what is imported in it makes its hashes without OpenSSL, and has no TLS,
    which nothing here uses and which takes 4 MB. It does nothing if OpenSSL is loaded already."""
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


def one_arena() -> None:
    """Has all threads share one arena of malloc: with an arena each, glibc would keep 2 MB more,
    and these threads hardly ever run at once. (Other C libraries have no such setting.) To be
    called before serve begins its first thread."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
