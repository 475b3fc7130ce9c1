"""How much of its own work does the main thread get done under a sustained real-time flood?

    python -m benchmarks progress --json | python -m benchmarks.progress picture

draws it for the site (docs/pictures/progress.svg), and `image` instead of `picture` for README
(progress-alone.svg), which has its colours in itself.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import defaultdict

from benchmarks._common import Measured, answer, median, pin, table
from benchmarks._receiver import set_up
from sigrec import _core

NAME = "progress"

SIGNUM = signal.SIGRTMIN + 2
KINDS = ("sigrec", "sigrec, intake", "signal", "wakeup_fd", "sigwaitinfo", "C counter")
# Signals a second that the sender tries for; 0: as fast as it can.
RATES = (0, 100_000, 20_000)


BUCKETS = 1000  # a second


def work(seconds: float) -> tuple[float, list[int], list[float]]:
    """When it began, and, for each thousandth of a second, how many loops it made and how much of a
    processor's time it had had when that began (0.0: it did not get to run). A flood may stop it for
    long, so nothing may depend on it doing anything at a given moment."""
    loops = [0] * int(seconds * BUCKETS + 1)
    spent = [0.0] * len(loops)
    start = time.perf_counter()
    while (now := time.perf_counter()) - start < seconds:
        at = int((now - start) * BUCKETS)
        if not loops[at]:
            spent[at] = time.thread_time()
        loops[at] += 1
    return start, loops, spent


def each_second(loops: list[int], spent: list[float]) -> float:
    """Loops in a second of a processor's time."""
    known = [at for at, loop in enumerate(loops) if loop]
    if len(known) < 2:
        return 0.0
    return sum(loops[known[0] : known[-1]]) / (spent[known[-1]] - spent[known[0]])


def around(seconds: float) -> float:
    """How long to work, so that a flood of so many seconds, which begins 0.1 s later, lies within
    that time."""
    return 1.4 * seconds + 0.2


def measure(kind: str, seconds: float) -> None:
    pin("receiver")
    _, idle, idle_spent = work(seconds)
    counts = set_up(kind, SIGNUM)
    print("ready", flush=True)
    start, loops, spent = work(around(seconds))
    # perf_counter is CLOCK_MONOTONIC, the same for all processes.
    begin, end = map(float, sys.stdin.readline().split())
    during = slice(int((begin - start) * BUCKETS) + 1, int((end - start) * BUCKETS))
    delivered, handled = counts()
    answer(
        percent=100 * (sum(loops[during]) / (end - begin)) / (sum(idle) / seconds),
        percent_cpu=100 * each_second(loops[during], spent[during]) / each_second(idle, idle_spent),
        handled=delivered if handled is None else handled,
    )


def flood(process: Measured, rate: int, seconds: float) -> float:
    """Sends so many a second (0: as fast as it can) while the process works, and tells it when that
    was; how many a second were sent."""
    assert process.line() == "ready"
    time.sleep(0.1)  # it works already; the flood lies inside its time
    begin = time.perf_counter()
    every_ns = 10**9 // rate if rate else 0
    sent, _, ns = _core.flood(process.pid, SIGNUM, 1 << 60, True, int(seconds * 1e9), every_ns)
    process.tell(f"{begin} {time.perf_counter()}")
    return float(sent / ns * 1e9)


def run(rounds: int, quick: bool) -> dict[str, object]:
    pin("sender")
    seconds = 0.2 if quick else 2.0
    samples: dict[str, list[dict[str, float]]] = defaultdict(list)
    for _ in range(rounds):
        for rate in RATES:
            for kind in KINDS:
                with Measured("progress", kind, seconds) as process:
                    sent_a_second = flood(process, rate, seconds)
                    result = process.result()
                samples[f"{kind} {rate}"].append({**result, "sent_a_second": sent_a_second})
    return {
        name: {key: median([run[key] for run in runs]) for key in runs[0]}
        for name, runs in samples.items()
    }


def show(result: dict[str, object]) -> str:
    rows = []
    for rate in RATES:
        for kind in KINDS:
            row = result[f"{kind} {rate}"]
            assert isinstance(row, dict)
            rows.append(
                [
                    kind,
                    f"{rate:,} a second" if rate else "as fast as it can",
                    f"{row['sent_a_second']:,.0f}",
                    f"{row['percent']:.1f} %",
                    f"{row['percent_cpu']:.1f} %",
                    f"{row['handled']:,.0f}",
                ]
            )
    title = [
        "receiver uses",
        "the sender tries for",
        "sent a second>",
        "own work>",
        "a CPU second>",
        "handled>",
    ]
    return table(title, rows)


# --- the picture -----------------------------------------------------------------------------

LEFT, WIDTH, STEP = 212, 412, 22
HEAD, BETWEEN = 26, 16  # of each group of bars, in which the sender has one pace


# For whoever shows the file by itself, as README does; the site has pictures.css.
STYLE = """<style>
text { font: 14px sans-serif; fill: #222; }
.small { font-size: 12px; fill: #555; }
.bar { fill: #888; }
.ours { fill: #0a4bff; }
@media (prefers-color-scheme: dark) {
  text { fill: #eee; }
  .small { fill: #bbb; }
  .ours { fill: #7aa2ff; }
}
</style>
"""


def picture(result: dict[str, object], style: str = "") -> str:
    """What the main thread keeps of its own work, by receiver, for each pace of the sender."""
    parts = []
    y = 22
    for rate in RATES:
        pace = f"{rate:,} signals a second" if rate else "signals as fast as they can be sent"
        parts.append(f'<text x="10" y="{y}">{pace}</text>')
        for kind in KINDS:
            row = result[f"{kind} {rate}"]
            assert isinstance(row, dict)
            y += STEP
            share = min(row["percent"], 100.0)
            ours = " ours" if kind.startswith("sigrec") else ""
            parts.append(
                f'<text class="small" x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{kind}</text>'
                f'<rect class="bar{ours}" x="{LEFT}" y="{y - 9}" '
                f'width="{max(2.0, WIDTH * share / 100):.0f}" height="16" rx="3"/>'
                f'<text class="small" x="{LEFT + WIDTH * share / 100 + 8:.0f}" y="{y + 4}">'
                f"{share:.0f} %</text>"
            )
        y += HEAD + BETWEEN
    says = "What the main thread keeps of its own work in a flood, by what receives the signals"
    return (
        f'<svg class="picture" viewBox="0 0 760 {y - HEAD}" role="img" '
        f'aria-label="{says}" xmlns="http://www.w3.org/2000/svg">\n'
        + style
        + "\n".join(parts)
        + "\n</svg>"
    )


if __name__ == "__main__":
    if sys.argv[1] == "picture":
        print(f'<div class="scroll">{picture(json.load(sys.stdin)["results"][NAME])}</div>')
    elif sys.argv[1] == "image":
        print(picture(json.load(sys.stdin)["results"][NAME], STYLE))
    else:
        measure(sys.argv[1], float(sys.argv[2]))
