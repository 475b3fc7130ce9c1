"""``sigrec stats --live``: a table that refreshes in place, with rates."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

from sigrec._errors import RecordingError
from sigrec._proc.pidfd import bystander
from sigrec._reader import index
from sigrec._reader.stats import ProcessStats, worth_showing
from sigrec._text import number, printable
from sigrec._why.brief import state_words
from sigrec._why.cause import cause
from sigrec.cli import _arguments
from sigrec.cli._screen import BOLD, DIM, GREEN, YELLOW, Screen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sigrec._proc.pidfd import Bystander
    from sigrec._reader.recording import Recording
    from sigrec.cli._screen import Line

WIDTH_WITHOUT_BARS = 58
NOTHING = "No process of this user records now; one that begins to will appear here."


def live(what: str | None, interval: float) -> int:
    """Shows the table until q or Ctrl-C is typed."""
    source = _All() if what is None else _One(_arguments.recording(what))
    try:
        with Screen() as screen:
            rates = _Rates()
            while True:
                began = time.monotonic()
                processes = source.read()
                rates.update(processes, began)
                # To look at a busy process takes time: a fifth of it at most.
                pause = max(interval, 4 * (time.monotonic() - began))
                head = f"{time.strftime('%H:%M:%S')}, every {interval:g} s"
                if not screen.show(began + pause, lambda w: _lines(processes, rates, head, w)):
                    return 0
    except KeyboardInterrupt:
        return 0
    finally:
        source.close()


# --- what the table shows ------------------------------------------------------------------


class _LiveProcess(ProcessStats):
    """A ProcessStats that also has, in words, what became of the process."""

    def __init__(self, recording: Recording, its_end: Bystander | None) -> None:
        super().__init__(recording)
        seen = its_end.wait(0) if its_end is not None else None
        self.words = state_words(recording, cause(recording, seen=seen))


class _One:
    """Shows one recording, which stays open so that the end of its process can be seen."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        alive = recording.state == "alive"
        self._its_end = bystander(recording._pid_here()) if alive else None

    def read(self) -> list[_LiveProcess]:
        return [_LiveProcess(self._recording, self._its_end)]

    def close(self) -> None:
        self._recording.close()


class _All:
    """Shows all living processes of this user, and those that the table has shown alive and that
    left a recording."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], Bystander | None] = {}

    def read(self) -> list[_LiveProcess]:
        found = []
        for recording in index.opened():
            with recording, suppress(RecordingError):  # it may have been truncated just now
                key = (recording.pid, recording.started_ns)
                if key not in self._seen and recording.state == "alive":
                    self._seen[key] = bystander(recording._pid_here())
                if key in self._seen:
                    found.append(_LiveProcess(recording, self._seen[key]))
        return sorted(found, key=lambda process: (process.state != "alive", process.pid))

    def close(self) -> None:
        pass


class _Rates:
    """How many signals a second came between two looks."""

    def __init__(self) -> None:
        self._at = 0.0
        self._counts: dict[tuple[int, int | None], dict[int, int]] = {}
        self._rates: dict[tuple[int, int | None, int], float] = {}

    def update(self, processes: Sequence[ProcessStats], now: float) -> None:
        seconds, self._at = now - self._at, now
        counts, self._rates = {}, {}
        for process in processes:
            key = (process.pid, process.started_ns)
            counts[key] = {s.signum: s.delivered for s in process.signals.values()}
            if key in self._counts:
                for signum, delivered in counts[key].items():
                    new = delivered - self._counts[key].get(signum, 0)
                    self._rates[*key, signum] = max(0, new) / seconds
        self._counts = counts

    def of(self, process: ProcessStats, signum: int) -> float | None:
        """The rate of that signal; None: it is seen for the first time."""
        return self._rates.get((process.pid, process.started_ns, signum))

    def highest(self) -> float:
        return max(self._rates.values(), default=0.0)


# --- the table -------------------------------------------------------------------------------


def _lines(processes: list[_LiveProcess], rates: _Rates, head: str, width: int) -> Iterator[Line]:
    bars = max(0, min(20, width - WIDTH_WITHOUT_BARS - 1))
    from_whom = width >= WIDTH_WITHOUT_BARS + 1 + bars + 28
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
        if process.words != "alive":
            yield [(f"  {process.words}", YELLOW)]
        signals = worth_showing(process)
        if not signals:
            yield [("  no signals yet" if process.words == "alive" else "  no signals", "")]
        for stats in signals:
            rate = rates.of(process, stats.signum) if alive else None
            handled = number(stats.handled) if stats.ever_registered else "-"
            pending = number(stats.pending) if stats.ever_registered else "-"
            line = [
                (f"  {stats.signal_name:<11}{number(stats.delivered):>13}{_rate(rate):>10}", "")
            ]
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
    """A bar whose length stands for the value; only 0 has none."""
    part = value / highest if highest else 0.0
    if not _utf8():
        filled = round(part * width) or (value > 0)
        return ("#" * filled).ljust(width)
    eighths = round(part * width * 8) or (value > 0)
    return ("█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()).ljust(width)


def _utf8() -> bool:
    return sys.stdout.encoding.lower().replace("-", "") == "utf8"
