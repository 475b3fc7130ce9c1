"""A few children that are killed right after fork(2); 500: python -m tests.proof spares."""

import pytest

from .spares import SPARES, bursts


@pytest.mark.parametrize("burst", [1, 16])
def test_those_that_there_are_spares_for_have_a_recording(burst, run_directory):
    found = bursts(str(run_directory), burst, 16)
    assert len(found) == 16 // burst and min(found) >= min(burst, SPARES)
