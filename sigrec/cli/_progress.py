"""A progress bar on stderr."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Progress:
    """A bar by rich, if that is installed, else a plain one; none if stderr is no terminal."""

    def __init__(self, steps: int, shown: bool = True) -> None:
        self._steps = max(steps, 1)
        self._done = 0
        self._note = ""
        self._terminal = shown and sys.stderr.isatty()
        self._rich: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if self._terminal:
            try:
                from rich.console import Console
                from rich.progress import BarColumn, Progress, TextColumn
            except ImportError:
                return self
            self._rich = Progress(
                BarColumn(),
                TextColumn("{task.description}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._rich.start()
            self._task = self._rich.add_task("", total=self._steps)
        return self

    def note(self, text: str) -> None:
        self._note = text
        self._draw()

    def step(self) -> None:
        self._done = min(self._done + 1, self._steps)
        self._draw()

    def _draw(self) -> None:
        if self._rich is not None:
            self._rich.update(self._task, completed=self._done, description=self._note)
        elif self._terminal:
            filled = 30 * self._done // self._steps
            bar = "#" * filled + "." * (30 - filled)
            print(f"\r[{bar}] {self._note:<45}", end="", file=sys.stderr, flush=True)

    def __exit__(self, *exc: object) -> None:
        if self._rich is not None:
            self._rich.stop()
        elif self._terminal:
            print("\r" + " " * 78 + "\r", end="", file=sys.stderr, flush=True)
