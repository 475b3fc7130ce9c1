"""What does ``import sigrec`` cost?"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import sigrec
from benchmarks._common import median

NAME = "import"
WHERE = os.path.dirname(os.path.dirname(sigrec.__file__))  # python -c looks for modules there first


def start(code: str) -> float:
    before = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=WHERE, check=True)
    return time.perf_counter() - before


def run(rounds: int, quick: bool) -> dict[str, object]:
    start("from sigrec import register")  # leaves the bytecode behind
    pairs = [(start("import sigrec"), start("pass")) for _ in range(max(rounds, 2) * 4)]
    use = [(start("from sigrec import register"), start("pass")) for _ in pairs]
    return {
        "over_bare_python_ms": 1000 * median([a - b for a, b in pairs]),
        "with_register_ms": 1000 * median([a - b for a, b in use]),
    }


def show(result: dict[str, object]) -> str:
    return (
        "import sigrec: {over_bare_python_ms:.1f} ms over bare Python; "
        "with register, which is loaded when first used: {with_register_ms:.1f} ms\n"
    ).format(**result)
