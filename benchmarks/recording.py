"""What does recording cost a program that handles its signals itself? CPU time, with and without."""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
from collections import defaultdict

from benchmarks._common import Measured, answer, median, pin, table
from sigrec import _core

NAME = "recording"

SIGNUM = signal.SIGUSR1
RATE = 10_000  # signals a second
# What the program does meanwhile: counts, or sleeps between the signals. Without any: counts.
CASES = ("no signals", "working", "sleeping")
# "plain again": the noise of the machine, that is, plain beside plain.
KINDS = ("plain", "recorded", "plain again")


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(kind: str, case: str, signals: int) -> None:
    pin("receiver")
    calls = 0

    def handler(signum: int, frame: object) -> None:
        nonlocal calls
        calls += 1

    signal.signal(SIGNUM, handler)
    # All load the same modules, and clean up the recordings' directory, as the first record() does:
    # these alone, by where they leave things in memory, move a loop by some percent.
    import sigrec._recorder.record
    from sigrec._recorder import retention

    directory = _core.usable_directory()
    if directory is not None:
        retention.clean(os.fsdecode(directory))
    if kind == "recorded":
        sigrec.record()
    print("ready", flush=True)
    sys.stdin.readline()
    before = cpu()
    if case == "no signals":
        total = 0
        for n in range(200 * signals):
            total += n
    elif case == "working":
        while calls < signals:
            for _ in range(100):
                pass
    else:
        while calls < signals:
            select.select([], [], [], 1)  # until a signal comes: PEP 475 makes it go on
    answer(cpu=cpu() - before, calls=calls)


def run(rounds: int, quick: bool) -> dict[str, object]:
    pin("sender")
    signals = 500 if quick else 2 * RATE
    samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for n in range(max(rounds, 1 if quick else 9)):
        for case in CASES:
            # In turn first: what comes first may find a warmer or colder machine.
            for kind in KINDS[n % 3 :] + KINDS[: n % 3]:
                with Measured("recording", kind, case, signals) as process:
                    assert process.line() == "ready"
                    process.tell("go")
                    while case != "no signals" and not answered(process):
                        _core.flood(process.pid, SIGNUM, RATE // 20, False, 0, 10**9 // RATE)
                    result = process.result()
                cost = result["cpu"]
                samples[case][kind].append(cost / (result["calls"] or 1))
    return {
        case: {
            "us_a_signal": 1e6 * median(of["plain"]) if case != "no signals" else None,
            **{
                kind: median([b / a for a, b in zip(of["plain"], of[kind], strict=True)])
                for kind in KINDS[1:]
            },
        }
        for case, of in samples.items()
    }


def answered(process: Measured) -> bool:
    assert process.process.stdout is not None
    return bool(select.select([process.process.stdout], [], [], 0)[0])


def show(result: dict[str, object]) -> str:
    rows = []
    for case in CASES:
        row = result[case]
        assert isinstance(row, dict)
        rows.append(
            [
                case if case == "no signals" else f"{case}, {RATE:,} signals a second",
                f"{row['us_a_signal']:.1f} µs a signal" if row["us_a_signal"] else "",
                f"{100 * (row['recorded'] - 1):+.1f} %",
                f"{100 * (row['plain again'] - 1):+.1f} %",
            ]
        )
    return table(["the program", "its CPU time>", "recorded>", "noise (plain again)>"], rows)


if __name__ == "__main__":
    measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))
