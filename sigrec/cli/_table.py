"""A table, as wide as the terminal allows."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def table(title: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as text: by rich on a terminal, where it is installed (sigrec[cli]), else plain.

    A column whose title ends with ">" is aligned to the right.
    """
    right = [name.endswith(">") for name in title]
    names = [name.removesuffix(">") for name in title]
    if sys.stdout.isatty():
        try:
            return _rich(names, right, rows)
        except ImportError:
            pass
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    lines = []
    for row in [names, *rows]:
        cells = [
            cell.rjust(width) if r else cell.ljust(width)
            for cell, width, r in zip(row, widths, right, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def fits(title: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the terminal is as wide as table() needs it; True if there is no terminal."""
    if not sys.stdout.isatty():
        return True
    import shutil

    widths = [max(map(len, column)) for column in zip(title, *rows, strict=True)]
    return sum(widths) + 3 * len(widths) <= shutil.get_terminal_size().columns


def _rich(names: Sequence[str], right: Sequence[bool], rows: Sequence[Sequence[str]]) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, r in zip(names, right, strict=True):
        grid.add_column(name, justify="right" if r else "left", overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    # rich itself respects NO_COLOR.
    console = Console(highlight=False, no_color=bool(os.environ.get("NO_COLOR")) or None)
    with console.capture() as capture:
        console.print(grid)
    return capture.get()
