"""The models with two producers; with three: python -m tests.proof.models."""

import pytest

from .models import MODELS, POSSIBLE, bugs, check

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="needs Spin (Debian: spin) and a C compiler")


@pytest.mark.parametrize(
    "model",
    [pytest.param(one, marks=[pytest.mark.long] * (one != "queue")) for one in MODELS],  # seconds
)
def test_it_holds(model):
    result = check(model, 2)
    assert result.holds, result.why
    assert result.states > 10_000


@pytest.mark.long
@pytest.mark.parametrize("model, bug", [(model, bug) for model in MODELS for bug in bugs(model)])
def test_a_planted_bug_is_found(model, bug):
    # Some need a third producer; they are found long before every state was seen.
    assert not (check(model, 2, bug).holds and check(model, 3, bug).holds)
