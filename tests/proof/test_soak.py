"""The soak for two seconds, which is long enough to fail; for an hour: python -m tests.proof.soak."""

from .soak import soak


def test_nothing_is_missing():
    assert soak(2, 0.2) == []
