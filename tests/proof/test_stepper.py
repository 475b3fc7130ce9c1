"""The stepper at some instructions; at each of them: python -m tests.proof.stepper."""

import re

import pytest

from ..conftest import wants_long
from .stepper import CASES, PATHS, POSSIBLE, built, step

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="needs Linux on x86-64 and a C compiler")


@pytest.fixture(scope="module")
def stepper(tmp_path_factory, request):
    optimize = "-O2" if wants_long(request.config) else "-O1"  # which is sooner built
    return built(tmp_path_factory.mktemp("stepper"), optimize)


@pytest.mark.parametrize("stride", [2311, pytest.param(389, marks=pytest.mark.long)])
@pytest.mark.parametrize(("path", "injection"), CASES)
def test_at_some_instructions(stepper, path, injection, stride):
    said = step(stepper, path, injection, stride=stride, offset=7 * PATHS.index(path))
    instructions, injections = map(int, re.search(r"(\d+) instr.* (\d+) inj", said).groups())
    assert instructions > 500 and injections >= instructions // stride
