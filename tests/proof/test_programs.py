"""That real programs do the same when they are recorded; all of them: python -m tests.proof programs."""

import platform
import subprocess
import sys

import pytest

from .build import ROOT

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="interposition needs Linux on x86-64 or aarch64",
)


@pytest.mark.parametrize(
    "names",
    [
        ["sleep, KILL", "setsid", "pipes"],
        pytest.param(["sleep", "bash", "perl", "redis", "nginx", "loop", "xargs", "make", "terminal"], marks=pytest.mark.long),
    ],
    ids=["few", "many"],
)  # fmt: skip
def test_they_do_the_same(names):
    done = subprocess.run(
        [sys.executable, "-m", "tests.proof.programs", *names],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " tried, 0 differ" in done.stdout
