"""The mutants can still be planted, and some of them are caught; all: python -m tests.proof.mutants."""

import pytest

from .build import CC, ROOT
from .mutants import MUTANTS, Lab

SOME = [m for m in MUTANTS if m.name in ("never-full", "forget-errno", "undetailed-last")]


def test_there_is_one_place_to_plant_each():
    wrong = [m.name for m in MUTANTS if (ROOT / m.file).read_text().count(m.old) != 1]
    assert not wrong


@pytest.mark.long
@pytest.mark.skipif(CC is None, reason="no C compiler (cc) on this machine")
def test_some_are_caught(tmp_path):
    lab = Lab(tmp_path)
    for mutant in SOME:
        held, how = lab.try_out(None, mutant.proof)
        assert held, how
        survived, _ = lab.try_out(mutant, mutant.proof)
        assert not survived, mutant.name
