"""What a program is called in a metric: its executable, its
script or its module, and no argument."""

from __future__ import annotations

import os
import re

from sigrec._proc.process import of_python
from sigrec._text import json_text, printable, shortened

LONGEST = 64
UNKNOWN = "unknown"
_PYTHON = re.compile(r"(python|pypy)(\d+(\.\d+)*)?t?d?")


def program(argv: list[str], executable: str) -> str:
    """``"gunicorn"``, ``"worker.py"``, ``"celery"`` for ``python -m celery``, ``"nginx"``. It has
    no arguments: they may be secret, and there are too many different ones."""
    named = os.path.basename(executable) or os.path.basename(argv[0] if argv else "")
    if _PYTHON.fullmatch(named):
        named = _of_python(argv[1:]) or named
    return label(named) or UNKNOWN


def label(text: str) -> str:
    """The text as the value of a label, printable and not
    long: a process can give itself any name."""
    return shortened(printable(json_text(text)), LONGEST)


def _of_python(arguments: list[str]) -> str | None:
    """The script or module that the interpreter runs; None: it runs code
    from its command line, or none at all."""
    _, how, rest = of_python(arguments)
    if how == "c" or not rest or rest[0] == "-":
        return None
    return rest[0] if how == "m" else _script(rest[0])


def _script(path: str) -> str | None:
    """The name of a script. ``python directory`` and
    ``directory/__main__.py`` are named after the directory."""
    head, name = os.path.split(path.rstrip("/"))
    return os.path.basename(head) if name == "__main__.py" and head else name
