"""That the right sender is named, of what needs no package; with packages: python -m tests.proof packages."""

import subprocess
import sys

import pytest

from tests.conftest import as_others

from .build import ROOT


@as_others
@pytest.mark.parametrize(
    "names",
    [
        ["os.kill", "multiprocessing.Pool.terminate"],
        pytest.param([], marks=pytest.mark.long),
    ],
    ids=["few", "all"],
)
def test_the_sender_is_named(names):
    done = subprocess.run(
        [sys.executable, "-m", "tests.proof.packages", *names, "--runs", "1"],
        cwd=ROOT, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{name}: 1 of 1 right" in done.stdout for name in names), done.stdout
