"""A recording in other programs' formats: ``sigrec export``.

A format is one module here with ``write(selection, out)``, which reads the events once, in order,
and keeps no more of them than it must.
"""

from __future__ import annotations

from sigrec.export.selection import Selection as Selection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO


def writer(form: str) -> Callable[[Selection, TextIO], None]:
    """The format's ``write``."""
    import importlib

    return importlib.import_module(f"sigrec.export.{form}").write  # type: ignore[no-any-return]
