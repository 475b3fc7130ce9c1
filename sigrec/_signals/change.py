"""Who changed what a signal does, or what a thread blocks, in short."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Change(Protocol):
        """As Disposition and MaskChange have it."""

        file: str | None
        line: int | None
        library: str | None


def changed_by(change: Change) -> str | None:
    """``"app.py:12"``, ``"libfoo.so.1"``; None: not known."""
    if change.file is not None:
        folder, name = os.path.split(change.file)
        if name == "__init__.py":  # of some package
            name = os.path.join(os.path.basename(folder), name)
        return f"{name}:{change.line}"
    return None if change.library is None else os.path.basename(change.library)
