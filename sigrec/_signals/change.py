"""Change: what a Disposition and a MaskChange have in common, since a call has made both."""

from __future__ import annotations

import os

from sigrec._signals.value import Timed
from sigrec._text import printable


class Change(Timed):
    """The attributes stand in the ``__slots__`` of the two classes,
    in the order that readers want."""

    __slots__ = ()

    si_signo: int
    signal_name: str
    how: str
    file: str | None
    line: int | None
    library: str | None
    monotonic_ns: int
    ordinal: int

    @property
    def by(self) -> str | None:
        """Where the call stands that made it, in short: ``"app.py:12"``, ``"libfoo.so.1"``; None:
        not known."""
        if self.file is not None:
            package, name = os.path.split(self.file)
            if name == "__init__.py":  # of some package
                name = os.path.join(os.path.basename(package), name)
            return f"{name}:{self.line}"
        return None if self.library is None else os.path.basename(self.library)

    def _what(self) -> str:
        """What is so from then on, in a word."""
        raise NotImplementedError

    def __repr__(self) -> str:
        by = None if self.by is None else printable(self.by)
        kind = type(self).__name__
        return f"<{kind} {self.signal_name} {self._what()} by {by} ({self.how})>"


Change.__module__ = "sigrec"  # as its members are public, in the two classes
