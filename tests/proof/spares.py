"""Children that are killed right after fork(2): which of them have a recording, and what that costs.

    python -m tests.proof.spares

500 children and more, in bursts of 1, 8 and 64: of each burst at least as many as there are spares (8) must have a
recording which says how they ended. Then fork, exit and wait in C, with spares and without, in one run.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from .build import CC, build

CHILDREN, SPARES = 500, 8
BURSTS = Path(__file__).with_name("spares_bursts.py")


def bursts(directory: str, burst: int, children: int = CHILDREN) -> list[int]:
    """How many of each burst have a recording that says how they ended."""
    environment = {**os.environ, "SIGREC_DIR": directory}
    program = subprocess.run(
        [sys.executable, "-W", "ignore", BURSTS, str(burst), str(children)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [int(line) for line in program.stdout.splitlines()]


FORKS = Path(__file__).with_name("spares_forks.py")


def in_python(directory: str, modules: str, turns: int = 40) -> dict[str, float]:
    """How many times as much CPU time a fork, exit and wait takes as a plain one: the median of turns."""
    environment = {**os.environ, "SIGREC_DIR": directory}
    kinds = {
        kind: subprocess.Popen(
            [sys.executable, "-W", "ignore", FORKS, kind, modules],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for kind in ("plain", "hook", "ours")
    }  # fmt: skip
    took: dict[str, list[float]] = {kind: [] for kind in kinds}
    for turn in range(turns):
        for kind, process in kinds.items():
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            seconds = float(process.stdout.readline())
            if turn:
                took[kind].append(seconds)
    for process in kinds.values():
        process.communicate()
    return {
        kind: statistics.median(a / b for a, b in zip(took[kind], took["plain"], strict=True))
        for kind in ("hook", "ours")
    }


def main() -> int:
    fine = True
    for burst in (1, 8, 64):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
            found = bursts(directory, burst)
        right = min(found) >= min(burst, SPARES)
        fine = fine and right
        print(f"bursts of {burst}: {sum(found)} of {burst * len(found)} have a recording, the least of a "
              f"burst {min(found)}: {'right' if right else 'WRONG'}", flush=True)  # fmt: skip
    if CC is not None:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
            program = build(Path(__file__).with_suffix(".c"), Path(directory) / "forks", "-O2")
            said = subprocess.run([program, directory], capture_output=True, text=True, check=True)
        plain, ours, ratio = said.stdout.split()
        print(
            f"fork, exit and wait in C: {int(plain) // 1000} us, with spares {int(ours) // 1000} us: {ratio}"
        )
        fine = fine and float(ratio) <= 1.3
    for modules in ("", "threading logging subprocess", "threading logging multiprocessing.pool"):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
            times = in_python(directory, modules)
        print(f"fork, exit and wait in Python, {modules or 'nothing'} imported: {times['ours']:.2f} times plain; with one "
              f"empty hook {times['hook']:.2f}", flush=True)  # fmt: skip
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
