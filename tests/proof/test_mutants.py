"""The mutants can still be planted, and some of them are caught; all: python -m tests.proof.mutants."""

import re

import pytest

from . import litmus, tags
from .build import CC, ROOT
from .mutants import MUTANTS, Lab

SOME = [m for m in MUTANTS if m.name in ("never-full", "forget-errno", "undetailed-last")]


def test_there_is_one_place_to_plant_each():
    assert [m.name for m in MUTANTS if len(m.places(ROOT)) != 1] == []


def test_no_mutant_hangs_on_the_words_of_a_comment():
    assert [m.name for m in MUTANTS if re.search(r"/\*|\*/|//|# ", m.old)] == []


def test_each_tag_stands_once_and_has_a_proof():
    found = tags.all_tags()
    assert [tag for tag, places in found.items() if len(places) != 1] == []
    used = {place.tag for test in litmus.LITMUS for place in litmus.places(test)}
    assert {m.tag for m in MUTANTS if m.tag} | used == set(found)


@pytest.mark.long
@pytest.mark.skipif(CC is None, reason="no C compiler (cc) on this machine")
def test_some_are_caught(tmp_path):
    lab = Lab(tmp_path)
    for mutant in SOME:
        held, how = lab.try_out(None, mutant.proof)
        assert held, how
        survived, _ = lab.try_out(mutant, mutant.proof)
        assert not survived, mutant.name
