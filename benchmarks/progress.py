"""How much of its own work does the main thread get done under a sustained real-time flood?"""

from __future__ import annotations

import signal
import sys
import time

from benchmarks._common import Measured, answer, median, pin, table
from sigrec import _core

NAME = "progress"

SIGNUM = signal.SIGRTMIN + 2
KINDS = ("sigrec", "signal")


def work(seconds: float) -> float:
    """Loops a second."""
    loops = 0
    start = time.perf_counter()
    while (now := time.perf_counter()) - start < seconds:
        loops += 1
    return loops / (now - start)


def measure(kind: str, seconds: float) -> None:
    pin("receiver")
    handled = 0

    def handler(signum: int, frame: object) -> None:
        nonlocal handled
        handled += 1

    idle = work(seconds)
    if kind == "sigrec":
        import sigrec

        sigrec.register(SIGNUM, handler)
    else:
        signal.signal(SIGNUM, handler)
    print("ready", flush=True)
    sys.stdin.readline()
    flooded = work(seconds)
    answer(percent=100 * flooded / idle, handled=handled)


def run(rounds: int, quick: bool) -> dict[str, object]:
    pin("sender")
    seconds = 0.2 if quick else 2.0
    samples: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            with Measured("progress", kind, seconds) as process:
                assert process.line() == "ready"
                process.tell("go")
                _core.flood(process.pid, SIGNUM, 1 << 60, True, int((seconds + 0.2) * 1e9))
                samples[kind].append(process.result())
    return {
        kind: {key: median([run[key] for run in runs]) for key in ("percent", "handled")}
        for kind, runs in samples.items()
    }


def show(result: dict[str, object]) -> str:
    rows = []
    for kind in KINDS:
        row = result[kind]
        assert isinstance(row, dict)
        rows.append([kind, f"{row['percent']:.2f} %", f"{row['handled']:,.0f}"])
    return table(["under a flood", "main thread's own work>", "handled meanwhile>"], rows)


if __name__ == "__main__":
    measure(sys.argv[1], float(sys.argv[2]))
