"""The built library at some instructions of its handler; at each: python -m tests.proof.library."""

import re

import pytest

from .library import INJECTIONS, POSSIBLE, built, run, survey

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="needs Linux on x86-64, glibc and a compiler")


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    return built(tmp_path_factory.mktemp("library"))


def test_its_handler_calls_nothing_that_it_must_not(programs):
    calls, wrong = survey(programs)
    assert wrong == []
    assert {"syscall", "rt_sigreturn(2)"} <= set(calls)


@pytest.mark.parametrize("stride", [701, pytest.param(97, marks=pytest.mark.long)])
@pytest.mark.parametrize("injection", INJECTIONS)
def test_at_some_instructions(programs, injection, stride):
    said = run(programs, injection, str(stride), "11")
    instructions, injections = map(int, re.search(r"(\d+) instr.* (\d+) inj", said).groups())
    assert instructions > 400 and injections >= instructions // stride
