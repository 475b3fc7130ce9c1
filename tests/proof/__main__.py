"""All the long proofs, one after another: about five hours.

    python -m tests.proof [NAME ...]
    python -m tests.proof NAME ARGUMENTS    one, with arguments of its own: foreign trio --python 3.12

What each of them shows, and what it last showed, is in docs/explanation/proof.md. As root, and with perf,
valgrind, Relacy, qemu-user and the like (docs/explanation/proof.md has the packages), nothing is left out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

# Signals to itself, each kind in a row; the kernel's count and ours must agree.
AUDITED = """
import os, signal
for signum in (signal.SIGUSR1, signal.SIGRTMIN + 3):
    signal.signal(signum, lambda signum, frame: None)
    for _ in range(20000):
        os.kill(os.getpid(), signum)
"""

PROOFS = {
    "models": ["tests.proof.models"],
    "orders": ["tests.proof.orders"],
    "litmus": ["tests.proof.litmus"],
    "stepper": ["tests.proof.stepper"],
    "library": ["tests.proof.library"],
    "mutants": ["tests.proof.mutants", "--python"],
    "sanitizers": ["tests.proof.sanitizers"],
    "platforms": ["tests.platforms"],
    "fuzz": ["tests.reader.fuzz", "--count", "100000"],
    "fuzz-coverage": ["tests.reader.fuzz_coverage", "tests/reader/corpus", "-max_total_time=600"],
    "audit": ["tests.proof.audit", "-c", AUDITED],
    "forms": ["tests.proof.forms"],
    "endings": ["tests.proof.endings"],
    "rare": ["tests.proof.rare"],
    "attach": ["tests.proof.attach"],
    "packages": ["tests.proof.packages"],
    "programs": ["tests.proof.programs"],
    "spares": ["tests.proof.spares"],
    "foreign": ["tests.proof.foreign"],
    "green": ["tests.proof.green"],
    "reentry": ["tests.proof.reentry", "--rounds", "10000"],
    "crowd": ["tests.proof.crowd"],
    "fleet": ["tests.proof.fleet"],
    "lake": ["tests.proof.lake"],
    "lake-kills": ["tests.proof.lake_kills"],
    "chaos": ["tests.proof.chaos", "--seconds", "1800"],
    "native": ["tests.proof.native", "--rounds", "200"],
    "soak": ["tests.proof.soak", "--seconds", "3600"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PROOFS)}")
    first, *own = sys.argv[1:] or [""]
    if first in PROOFS and own and not set(own) <= set(PROOFS):
        return subprocess.run([sys.executable, "-m", *PROOFS[first], *own]).returncode
    names = parser.parse_args().names
    if unknown := sorted(set(names) - set(PROOFS)):
        parser.error(f"no proof named {', '.join(unknown)}; there are {', '.join(PROOFS)}")
    results = {}
    for name in names or PROOFS:
        print(f"=== {name}: python -m {' '.join(PROOFS[name])}", flush=True)
        began = time.monotonic()
        status = subprocess.run([sys.executable, "-m", *PROOFS[name]]).returncode
        results[name] = status
        print(
            f"=== {name}: {'holds' if status == 0 else 'FAILS'}, {time.monotonic() - began:.0f} s"
        )
    print("; ".join(f"{name} {'holds' if not bad else 'FAILS'}" for name, bad in results.items()))
    return 1 if any(results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
