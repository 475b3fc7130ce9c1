"""What a program is called in a metric: its executable, its
script or its module, and no argument."""

from __future__ import annotations

import os
import re

from sigrec._text import json_text, printable, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 64
UNKNOWN = "unknown"
_PYTHON = re.compile(r"(python|pypy)(\d+(\.\d+)*)?t?d?")
_TAKES_ONE = ("--check-hash-based-pycs",)


def program(argv: list[str], executable: str) -> str:
    """``"gunicorn"``, ``"worker.py"``, ``"celery"`` for ``python -m celery``, ``"nginx"``. It has
    no arguments: they may be secret, and there are too many different ones."""
    named = os.path.basename(executable) or os.path.basename(argv[0] if argv else "")
    if _PYTHON.fullmatch(named):
        named = _of_python(iter(argv[1:])) or named
    return label(named) or UNKNOWN


def label(text: str) -> str:
    """The text as the value of a label, printable and not
    long: a process can give itself any name."""
    return shortened(printable(json_text(text)), LONGEST)


def _of_python(arguments: Iterator[str]) -> str | None:
    """The script or module that the interpreter runs; None: it runs code
    from its command line, or none at all."""
    for argument in arguments:
        if argument == "-":
            return None
        if argument.startswith("--"):
            if argument in _TAKES_ONE:
                next(arguments, None)
            continue
        if not argument.startswith("-"):
            return _script(argument)
        # -Im means -I -m; but what follows -X or -W in a word is its value, as in -Xdev.
        at = next((n for n, letter in enumerate(argument) if letter in "cmWX"), len(argument))
        rest = argument[at + 1 :]
        if argument[at : at + 1] == "m":
            return rest or next(arguments, None)
        if argument[at : at + 1] == "c":
            return None
        if at == len(argument) - 1:
            next(arguments, None)
    return None


def _script(path: str) -> str | None:
    """The name of a script. ``python directory`` and
    ``directory/__main__.py`` are named after the directory."""
    head, name = os.path.split(path.rstrip("/"))
    return os.path.basename(head) if name == "__main__.py" and head else name
