"""That nobody is harmed by it, of a few; of all, 20 times each: python -m tests.proof attach."""

import platform
import subprocess
import sys

import pytest

from .build import CC, ROOT

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64" or CC is None,
    reason="needs Linux on x86-64, and a C compiler",
)


@pytest.mark.parametrize(
    "names",
    [["C, handler", "C, coroutine", "bash, busy"], pytest.param([], marks=pytest.mark.long)],
    ids=["few", "all"],
)
def test_nobody_is_harmed(names):
    done = subprocess.run(
        [sys.executable, "-m", "tests.proof.attach", *names, "--runs", "1"],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " attempts, 0 wrong" in done.stdout
