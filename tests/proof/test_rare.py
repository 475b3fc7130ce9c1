"""The short form of python -m tests.proof.rare."""

import sys

import pytest

from tests.proof import rare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="recording needs Linux")


def test_three_signals_before_a_flood_are_shown(run_directory):
    right = rare.run(400, history=64, alive=False)
    assert len(right) == 6
    assert [what for what, it_is in right.items() if not it_is] == []
