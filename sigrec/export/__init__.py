"""A recording in other programs' formats: ``sigrec export``.

A format is one module here with ``write(source, out)``, which reads the events once, in order,
and keeps no more of them than it must.
"""

from __future__ import annotations

from sigrec.export.source import Source as Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO


def writer(form: str) -> Callable[[Source, TextIO], None]:
    """The format's ``write``."""
    import importlib

    return importlib.import_module(f"sigrec.export.{form}").write  # type: ignore[no-any-return]
