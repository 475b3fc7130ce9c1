"""How much of its own work does the main thread get done under a sustained real-time flood?"""

from __future__ import annotations

import signal
import sys
import time
from collections import defaultdict

from benchmarks._common import Measured, answer, median, pin, table
from sigrec import _core

NAME = "progress"

SIGNUM = signal.SIGRTMIN + 2
KINDS = ("sigrec", "signal")
# Signals a second that the sender tries for; 0: as fast as it can.
RATES = (0, 100_000, 20_000)


BUCKETS = 1000  # a second


def work(seconds: float) -> tuple[float, list[int]]:
    """When it began, and how many loops it made in each thousandth of a second. A flood may stop
    it for long, so nothing may depend on it doing anything at a given moment."""
    loops = [0] * int(seconds * BUCKETS + 1)
    start = time.perf_counter()
    while (now := time.perf_counter()) - start < seconds:
        loops[int((now - start) * BUCKETS)] += 1
    return start, loops


def measure(kind: str, seconds: float) -> None:
    pin("receiver")
    handled = 0

    def handler(signum: int, frame: object) -> None:
        nonlocal handled
        handled += 1

    _, idle = work(seconds)
    if kind == "sigrec":
        import sigrec

        sigrec.register(SIGNUM, handler)
    else:
        signal.signal(SIGNUM, handler)
    print("ready", flush=True)
    start, loops = work(seconds + 1.0)
    # perf_counter is CLOCK_MONOTONIC, the same for all processes.
    begin, end = map(float, sys.stdin.readline().split())
    flooded = sum(loops[int((begin - start) * BUCKETS) + 1 : int((end - start) * BUCKETS)])
    answer(
        percent=100 * (flooded / (end - begin)) / (sum(idle) / seconds),
        handled=handled,
    )


def run(rounds: int, quick: bool) -> dict[str, object]:
    pin("sender")
    seconds = 0.2 if quick else 2.0
    samples: dict[str, list[dict[str, float]]] = defaultdict(list)
    for _ in range(rounds):
        for rate in RATES:
            for kind in KINDS:
                with Measured("progress", kind, seconds) as process:
                    assert process.line() == "ready"
                    time.sleep(0.1)  # it works already; the flood lies inside its time
                    begin = time.perf_counter()
                    every_ns = 10**9 // rate if rate else 0
                    sent, _, ns = _core.flood(
                        process.pid, SIGNUM, 1 << 60, True, int(seconds * 1e9), every_ns
                    )
                    process.tell(f"{begin} {time.perf_counter()}")
                    result = process.result()
                samples[f"{kind} {rate}"].append({**result, "sent_a_second": sent / ns * 1e9})
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
                    f"{row['handled']:,.0f}",
                ]
            )
    title = ["receiver uses", "the sender tries for", "sent a second>", "own work>", "handled>"]
    return table(title, rows)


if __name__ == "__main__":
    measure(sys.argv[1], float(sys.argv[2]))
