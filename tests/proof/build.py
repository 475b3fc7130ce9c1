"""Builds C programs against the core, for proofs that need it built in their own way."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CC = os.environ.get("CC") or shutil.which("cc")
STRICT = ["-std=c11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-g", "-pthread"]


def build(source: Path, to: Path, *flags: str, cc: Sequence[str] = (CC or "cc",)) -> Path:
    """`source` and the whole core, as the program `to`."""
    core = sorted(map(str, (ROOT / "csrc").glob("*.c")))
    subprocess.run(
        [*cc, *STRICT, *flags, "-I", str(ROOT / "csrc"), "-o", str(to), str(source), *core, "-ldl"],
        check=True,
    )  # fmt: skip
    return to
