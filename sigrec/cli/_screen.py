"""Draws on the terminal's alternate screen, without rich, so that there is only one way to draw, and
to test. To handle Ctrl-Z and a resize, and to leave the terminal as it was, this must control it
anyway.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    Line = list[tuple[str, str]]  # (text, style)


SIZE_LOOK_S = 0.1  # how often to look at the terminal's size


class Screen:
    """The terminal's other screen, with a hidden cursor and lines cut at the edge. At the end, and
    while Ctrl-Z stops this process, the terminal is as it was before."""

    ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
    LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"

    def __init__(self) -> None:
        self._colour = not os.environ.get("NO_COLOR")
        self._keys = sys.stdin.fileno() if sys.stdin and sys.stdin.isatty() else -1
        self._modes: Any = None
        self._redraw = False
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Screen:
        for signum, handler in (
            (signal.SIGTSTP, self._on_stop),
            (signal.SIGCONT, self._on_continue),
            (signal.SIGTERM, self._on_term),
            (signal.SIGHUP, self._on_term),
        ):
            self._handlers[signum] = signal.signal(signum, handler)
        self._take()
        return self

    def __exit__(self, *exc: object) -> None:
        self._give_back()
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)

    def _take(self) -> None:
        if self._keys >= 0:
            import termios
            import tty

            if self._modes is None:
                self._modes = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys)  # keys come at once; Ctrl-C and Ctrl-Z work as usual
        self._write(self.ENTER)

    def _give_back(self) -> None:
        self._write(self.LEAVE)
        if self._modes is not None:
            import termios

            termios.tcsetattr(self._keys, termios.TCSADRAIN, self._modes)

    def _on_stop(self, signum: int, frame: FrameType | None) -> None:
        self._give_back()
        # This is the default action and not SIGSTOP: the kernel ignores it where no shell could
        # continue us.
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._on_stop)
        self._on_continue(signum, frame)

    def _on_continue(self, signum: int, frame: FrameType | None) -> None:
        self._take()  # the terminal may have changed meanwhile
        self._redraw = True

    def _on_term(self, signum: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + signum)

    def show(self, until: float, lines: Any) -> bool:
        """Shows lines(width) until that time,
        and anew when the size changes. False: q was typed."""
        size = None
        while True:
            if self._redraw or size != self._size():
                self._redraw, size = False, self._size()
                self._draw(list(lines(size.columns - 1)), size)
            left = until - time.monotonic()
            if left <= 0:
                return True
            keyboard = [self._keys] if self._keys >= 0 else []
            if select.select(keyboard, [], [], min(left, SIZE_LOOK_S))[0]:
                keys = os.read(self._keys, 64)
                if not keys or keys.lower().startswith(b"q"):
                    return False

    def _size(self) -> os.terminal_size:
        size = os.get_terminal_size(sys.stdout.fileno())
        return size if size.columns and size.lines else os.terminal_size((80, 24))

    def _draw(self, lines: list[Line], size: os.terminal_size) -> None:
        if len(lines) > size.lines:
            more = len(lines) - size.lines + 1
            lines = [*lines[: size.lines - 1], [(f"… {more} more lines", DIM)]]
        drawn = []
        for line in lines:
            left, text = size.columns - 1, ""
            for part, style in line:
                part = part[:left]
                left -= len(part)
                text += f"\x1b[{style}m{part}\x1b[m" if style and self._colour else part
            drawn.append(text + "\x1b[K")
        self._write("\x1b[H" + "\r\n".join(drawn) + "\x1b[J")

    def _write(self, text: str) -> None:
        encoding = sys.stdout.encoding
        # A character that cannot be shown takes one cell, and not six as an escape would.
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()


BOLD, DIM, GREEN, YELLOW = "1", "2", "32", "33"
