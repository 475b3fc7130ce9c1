"""The soak for a second, which is long enough to fail; for an hour: python -m tests.proof.soak."""

from .soak import soak


def test_nothing_is_missing():
    # An object that leaks for each event is some 5 MB in this time; less takes the hour.
    assert soak(1, 0.1, settling=512) == []
