"""The ring, and what is borrowed, as models, every interleaving of them, by Spin (Debian: spin).

    python -m tests.proof.models [--producers 3]

Each model of models/ must hold, and must not, with each bug that can be planted in it.
Three producers take Spin a few minutes and a few GB; two take seconds.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from .build import CC

HERE = Path(__file__).parent / "models"
POSSIBLE = shutil.which("spin") is not None and CC is not None
MODELS = ("history", "queue", "spare", "borrow")


class Result(NamedTuple):
    holds: bool
    states: int
    why: str


def bugs(model: str) -> list[str]:
    return sorted(set(re.findall(r"BUG_\w+", (HERE / f"{model}.pml").read_text())))


def check(model: str, producers: int, bug: str | None = None) -> Result:
    define = [f"-DPRODUCERS={producers}", *([f"-D{bug}"] if bug else [])]
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(
            ["spin", "-a", *define, HERE / f"{model}.pml"], cwd=directory, check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        subprocess.run(
            [CC or "cc", "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=20000", "-o", "pan", "pan.c"],
            cwd=directory, check=True,
        )  # fmt: skip
        done = subprocess.run(
            ["./pan", "-m1000000", "-w26"], cwd=directory, capture_output=True, text=True
        )
    said = done.stdout
    states = re.search(r"([\d.e+]+) states, stored", said)
    errors = re.search(r"errors: (\d+)", said)
    assert states and errors, said + done.stderr
    # A search that was cut short shows nothing.
    incomplete = re.search(r"max search depth too small|reached -DMEMLIM|out of memory", said)
    why = re.search(r"pan:\d+: (.*?) \(at depth", said)
    return Result(
        errors[1] == "0" and not incomplete, int(float(states[1])),
        (why[1] if why else "") + (incomplete[0] if incomplete else ""),
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--producers", type=int, default=3, choices=(2, 3))
    producers = parser.parse_args().producers
    if not POSSIBLE:
        print("needs Spin (Debian: spin) and a C compiler")
        return 1
    fine = True
    for model in MODELS:
        result = check(model, producers)
        print(f"{model}, {producers} producers: {'holds' if result.holds else 'FAILS'} {result.why}"
              f"in {result.states:,} states", flush=True)  # fmt: skip
        fine &= result.holds
        for bug in bugs(model):
            found = check(model, 2, bug)
            if found.holds:
                found = check(model, 3, bug)
            print(f"  {bug}: {'NOT FOUND' if found.holds else 'found'} after {found.states:,} states: "
                  f"{found.why}", flush=True)  # fmt: skip
            fine &= not found.holds
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
