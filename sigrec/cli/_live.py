"""``sigrec stats --live``: a table that refreshes in place, with rates.

Drawn without rich: with one way to draw there is one to test, and Ctrl-Z, a resize and a
terminal that is left as it was need the terminal in our own hands anyway.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress

from sigrec._errors import RecordingError
from sigrec._reader import index
from sigrec._reader.stats import ProcessStats
from sigrec._text import number, printable
from sigrec._why.brief import STATES
from sigrec.cli import _arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Any

    from sigrec._reader.recording import Recording

    Line = list[tuple[str, str]]  # (text, style)

COLUMNS = 58  # of the table, without the bars
LOOK_S = 0.1  # between looks at the terminal's size
BOLD, DIM, GREEN, YELLOW = "1", "2", "32", "33"
NOTHING = "No process of this user records now; one that begins to will appear here."


def live(what: str | None, interval: float) -> int:
    """Until q or Ctrl-C."""
    source = _All() if what is None else _One(_arguments.recording(what))
    try:
        with _Screen() as screen:
            rates = _Rates()
            while True:
                began = time.monotonic()
                processes = source.read()
                rates.update(processes, began)
                # A look at a busy process is not free: a fifth of our time at most.
                pause = max(interval, 4 * (time.monotonic() - began))
                head = f"{time.strftime('%H:%M:%S')}, every {interval:g} s"
                if not screen.show(began + pause, lambda w: _lines(processes, rates, head, w)):
                    return 0
    except KeyboardInterrupt:
        return 0
    finally:
        source.close()


# --- what is watched -----------------------------------------------------------------------


class _One:
    """One recording: stays open, so that how its process ended can be seen."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def read(self) -> list[ProcessStats]:
        return [ProcessStats(self._recording)]

    def close(self) -> None:
        self._recording.close()


class _All:
    """All living processes of this user, and those that were seen alive and left a recording."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()

    def read(self) -> list[ProcessStats]:
        found = []
        for recording in index.opened():
            with recording, suppress(RecordingError):  # cut short just now
                key = (recording.pid, recording.started_ns)
                if key in self._seen or recording.state == "alive":
                    self._seen.add(key)
                    found.append(ProcessStats(recording))
        return sorted(found, key=lambda process: (process.state != "alive", process.pid))

    def close(self) -> None:
        pass


class _Rates:
    """Signals a second between two looks."""

    def __init__(self) -> None:
        self._at = 0.0
        self._counts: dict[tuple[int, int | None], dict[int, int]] = {}
        self._rates: dict[tuple[int, int | None, int], float] = {}

    def update(self, processes: list[ProcessStats], now: float) -> None:
        seconds, self._at = now - self._at, now
        counts, self._rates = {}, {}
        for process in processes:
            key = (process.pid, process.started_ns)
            counts[key] = {s.number: s.delivered for s in process.signals.values()}
            if key in self._counts:
                for signum, delivered in counts[key].items():
                    new = delivered - self._counts[key].get(signum, 0)
                    self._rates[*key, signum] = max(0, new) / seconds
        self._counts = counts

    def of(self, process: ProcessStats, signum: int) -> float | None:
        """None: seen for the first time."""
        return self._rates.get((process.pid, process.started_ns, signum))

    def highest(self) -> float:
        return max(self._rates.values(), default=0.0)


# --- the table -------------------------------------------------------------------------------


def _lines(processes: list[ProcessStats], rates: _Rates, head: str, width: int) -> Iterator[Line]:
    bars = max(0, min(20, width - COLUMNS - 1))
    from_whom = width >= COLUMNS + 1 + bars + 28
    yield [("sigrec stats --live", BOLD), (f"  {head}, q ends", "")]
    yield []
    if not processes:
        yield [(NOTHING, "")]
        return
    space = " " * (bars + 1) if bars else ""
    title = f"  {'signal':<11}{'delivered':>13}{'a second':>10}{space}{'handled':>13}{'pending':>9}"
    yield [(title + ("  mostly from" if from_whom else ""), BOLD)]
    highest = rates.highest()
    for process in processes:
        alive = process.state == "alive"
        argv = " ".join(map(printable, process.argv or []))
        yield [(f"PID {process.pid}", BOLD if alive else DIM), (f"  {argv}", "" if alive else DIM)]
        if not alive:
            yield [(f"  {STATES[process.state]}", YELLOW)]
        signals = process.worth_showing()
        if not signals:
            yield [("  no signals yet", "")]
        for stats in signals:
            rate = rates.of(process, stats.number) if alive else None
            handled = number(stats.handled) if stats.ever_registered else "-"
            pending = number(stats.pending) if stats.ever_registered else "-"
            line = [(f"  {stats.signal:<11}{number(stats.delivered):>13}{_rate(rate):>10}", "")]
            if bars:
                line.append((" " + _bar(rate or 0.0, highest, bars), GREEN))
            line.append((f"{handled:>13}", ""))
            line.append((f"{pending:>9}", YELLOW if stats.pending else ""))
            if from_whom and stats.senders:
                line.append((f"  {printable(str(stats.senders[0][0]))}", ""))
            yield line
            if stats.replaced:
                yield [("    another handler has replaced sigrec's", YELLOW)]


def _rate(rate: float | None) -> str:
    if rate is None:
        return "-"
    return f"{rate:.1f}" if 0 < rate < 10 else f"{rate:,.0f}"


def _bar(value: float, highest: float, width: int) -> str:
    """As long as it is large; nothing only for 0."""
    part = value / highest if highest else 0.0
    if not _utf8():
        filled = round(part * width) or (value > 0)
        return ("#" * filled).ljust(width)
    eighths = round(part * width * 8) or (value > 0)
    return ("█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()).ljust(width)


def _utf8() -> bool:
    return sys.stdout.encoding.lower().replace("-", "") == "utf8"


# --- the terminal ------------------------------------------------------------------------------


class _Screen:
    """The terminal's other screen, with its cursor hidden and its lines cut at the edge; left as
    it was found, also over Ctrl-Z."""

    ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
    LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"

    def __init__(self) -> None:
        self._colour = not os.environ.get("NO_COLOR")
        self._keys = sys.stdin.fileno() if sys.stdin and sys.stdin.isatty() else -1
        self._modes: Any = None
        self._redraw = False
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> _Screen:
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
            tty.setcbreak(self._keys)  # keys at once, and Ctrl-C and Ctrl-Z as ever
        self._write(self.ENTER)

    def _give_back(self) -> None:
        self._write(self.LEAVE)
        if self._modes is not None:
            import termios

            termios.tcsetattr(self._keys, termios.TCSADRAIN, self._modes)

    def _on_stop(self, signum: int, frame: FrameType | None) -> None:
        self._give_back()
        # The default, and not SIGSTOP: where no shell could wake us, the kernel ignores it.
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._on_stop)
        self._on_continue(signum, frame)

    def _on_continue(self, signum: int, frame: FrameType | None) -> None:
        self._take()  # whatever became of it meanwhile
        self._redraw = True

    def _on_term(self, signum: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + signum)

    def show(self, until: float, lines: Any) -> bool:
        """Shows lines(width) until that time, anew when the size changes; False: q was typed."""
        size = None
        while True:
            if self._redraw or size != self._size():
                self._redraw, size = False, self._size()
                self._draw(list(lines(size.columns - 1)), size)
            left = until - time.monotonic()
            if left <= 0:
                return True
            watched = [self._keys] if self._keys >= 0 else []
            if select.select(watched, [], [], min(left, LOOK_S))[0]:
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
        # One cell each, where stdout's own way to write it would take six.
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
