"""Text for a terminal: made safe, laid out as tables."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sigrec._reader.recording import Recording


STATES = {
    "alive": "alive",
    "exited": "exited cleanly",
    "replaced": "replaced by another program (exec)",
    "ended": "ended without saying (killed, crashed, or os._exit)",
    "unknown": "cannot be told from here",
}


def state_words(recording: Recording) -> str:
    """Its state, and where it is known what ended it: that. (``sigrec why`` says it whole.)"""
    state = recording.state
    if state == "ended" and recording.ending is not None:
        return f"ended by {recording.name(recording.ending[0])}"
    if state == "ended" and recording.leave == "_exit":
        return "ended by os._exit"
    return STATES[state]


def printable(text: str) -> str:
    """With every character that a terminal could act on, or that cannot be printed, escaped.
    A process can name itself anything."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def local_time(time_ns: int, today: str, other: str = "") -> str:
    """As people here write it: by the format ``today``, or for another day by ``other``
    (default: the date, and ``today``)."""
    from datetime import datetime

    from sigrec._times import aware

    local = aware(time_ns).astimezone()
    if local.date() == datetime.now().date():
        return local.strftime(today)
    return local.strftime(other or f"%Y-%m-%d {today}")


def number(n: int) -> str:
    return f"{n:,}"


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
    """Whether the terminal has as many columns as table() needs; where there is none: yes."""
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
