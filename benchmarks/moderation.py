"""How late is a signal handled, and what does it cost, by moderation= and by the rate of signals?

    python -m benchmarks moderation --json | python -m benchmarks.moderation picture

draws docs/pictures/moderation.svg. The sender's n-th signal carries n, and is due n times the pace
after the sender's beginning. So the latency includes how late the sender itself was.
"""

from __future__ import annotations

import array
import json
import math
import statistics
import sys
import time
from collections import defaultdict

from benchmarks._common import Measured, answer, median, pin, table
from benchmarks.progress import BUCKETS, SIGNUM, around, each_second, flood, work

NAME = "moderation"

RATES = (1_000, 5_000, 20_000, 100_000)  # a second
# Seconds; None: intake="handler".
MODERATIONS = (None, 0.0, 0.0001, 0.001, 0.01)


def label(moderation: float | None) -> str:
    return "by handlers" if moderation is None else f"{1000 * moderation:g} ms"


def measure(moderation: float | None, rate: int, seconds: float) -> None:
    import sigrec

    pin("receiver")
    _, idle, idle_spent = work(seconds)
    taken, values = array.array("q"), array.array("q")

    def handler(signum: int, info: sigrec.SignalInfo | None, frame: object) -> None:
        taken.append(time.monotonic_ns())
        values.append(-1 if info is None else info.si_value or 0)

    sigrec.register(
        SIGNUM,
        handler,
        siginfo=True,
        intake="handler" if moderation is None else "thread",
        moderation=moderation or 0.0,
    )
    print("ready", flush=True)
    start, loops, spent = work(around(seconds))
    begin, end = map(float, sys.stdin.readline().split())
    during = slice(int((begin - start) * BUCKETS) + 1, int((end - start) * BUCKETS))
    late = [
        (when - value * 10**9 // rate) / 1000 - begin * 1e6
        for when, value in zip(taken, values, strict=True)
        if value >= 0
    ]
    answer(
        handled=len(taken),
        percent_cpu=100 * each_second(loops[during], spent[during]) / each_second(idle, idle_spent),
        median_us=statistics.median(late),
        p99_us=statistics.quantiles(late, n=100, method="inclusive")[98],
    )


def run(rounds: int, quick: bool) -> dict[str, object]:
    pin("sender")
    seconds = 0.2 if quick else 1.0
    samples: dict[str, list[dict[str, float]]] = defaultdict(list)
    for _ in range(rounds):
        for moderation in MODERATIONS:
            for rate in RATES:
                with Measured("moderation", json.dumps(moderation), rate, seconds) as process:
                    flood(process, rate, seconds)
                    samples[f"{label(moderation)} {rate}"].append(process.result())
    return {
        name: {key: median([run[key] for run in runs]) for key in runs[0]}
        for name, runs in samples.items()
    }


def rows_of(result: dict[str, object]) -> dict[tuple[str, int], dict[str, float]]:
    rows = {}
    for moderation in MODERATIONS:
        for rate in RATES:
            row = result[f"{label(moderation)} {rate}"]
            assert isinstance(row, dict)
            rows[label(moderation), rate] = row
    return rows


def show(result: dict[str, object]) -> str:
    return table(
        ["moderation", "a second>", "own work, a CPU second>", "median µs>", "99th percentile µs>"],
        [
            [
                name,
                f"{rate:,}",
                f"{row['percent_cpu']:.1f} %",
                f"{row['median_us']:,.0f}",
                f"{row['p99_us']:,.0f}",
            ]
            for (name, rate), row in rows_of(result).items()
        ],
    )


# --- the picture -----------------------------------------------------------------------------

LEFT, WIDTH, TOP, HEIGHT, GAP = 60, 240, 50, 170, 90
FASTEST_US, SLOWEST_US = 10, 100_000
DASHES = ("", "", "8 3", "4 3", "2 3")


def picture(result: dict[str, object]) -> str:
    """Two panels: what is left of a CPU second for the program's own work, and the median
    latency."""
    rows = rows_of(result)

    def x(rate: int, panel: int) -> float:
        along = math.log(rate / RATES[0]) / math.log(RATES[-1] / RATES[0])
        return LEFT + panel * (WIDTH + GAP) + WIDTH * along

    def y(row: dict[str, float], panel: int) -> float:
        share = min(row["percent_cpu"], 100) / 100
        if panel:
            us = min(max(row["median_us"], FASTEST_US), SLOWEST_US)
            share = math.log(us / FASTEST_US) / math.log(SLOWEST_US / FASTEST_US)
        return TOP + HEIGHT * (1 - share)

    parts = []
    for panel, (title, low, high) in enumerate(
        (("own work, of a CPU second", "0 %", "100 %"), ("median latency", "10 µs", "100 ms"))
    ):
        left = x(RATES[0], panel)
        parts.append(f'<text x="{left:.0f}" y="{TOP - 16}">{title}</text>')
        parts.append(
            f'<path class="line" d="M{left:.0f} {TOP} v{HEIGHT} h{WIDTH}" opacity="0.5"/>'
            f'<text class="small" x="{left - 6:.0f}" y="{TOP + 5}" text-anchor="end">{high}</text>'
            f'<text class="small" x="{left - 6:.0f}" y="{TOP + HEIGHT}" text-anchor="end">{low}</text>'
        )
        parts.extend(
            f'<text class="small" x="{x(rate, panel):.0f}" y="{TOP + HEIGHT + 18}" '
            f'text-anchor="middle">{rate:,}</text>'
            for rate in RATES
        )
        for moderation, dashes in zip(MODERATIONS, DASHES, strict=True):
            at = [rows[label(moderation), rate] for rate in RATES]
            points = " ".join(
                f"{x(rate, panel):.0f},{y(row, panel):.0f}"
                for rate, row in zip(RATES, at, strict=True)
            )
            kind = "lost" if moderation is None else "line"
            dash = f' style="stroke-dasharray:{dashes or "none"}"'
            parts.append(f'<polyline class="{kind}" fill="none" points="{points}"{dash}/>')
    bottom = TOP + HEIGHT + 46
    for n, (moderation, dashes) in enumerate(zip(MODERATIONS, DASHES, strict=True)):
        left = LEFT + n * 125
        kind = "lost" if moderation is None else "line"
        parts.append(
            f'<path class="{kind}" style="stroke-dasharray:{dashes or "none"}" '
            f'd="M{left} {bottom - 4} h28"/>'
            f'<text class="small" x="{left + 34}" y="{bottom}">{label(moderation)}</text>'
        )
    says = "Signals a second, and what they cost and how late they are handled, by moderation"
    return (
        f'<div class="scroll"><svg class="picture" viewBox="0 0 760 {bottom + 14}" role="img" '
        f'aria-label="{says}" xmlns="http://www.w3.org/2000/svg">\n'
        + "\n".join(parts)
        + "\n</svg></div>"
    )


if __name__ == "__main__":
    if sys.argv[1] == "picture":
        print(picture(json.load(sys.stdin)["results"][NAME]))
    else:
        measure(json.loads(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
