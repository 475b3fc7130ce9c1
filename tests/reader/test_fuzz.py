"""A seeded thousand of the hostile recordings; many more: ``python -m tests.reader.fuzz``."""

import pytest

from tests.reader import fuzz


@pytest.mark.parametrize("part", range(4))
def test_hostile_recordings(part, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "SECONDS", 300)  # the machine may be slow, but not that slow
    counts = fuzz.run(range(250 * part, 250 * (part + 1)), tmp_path)
    # Both kinds, or it does not fuzz what it means to.
    assert counts["read"] > 50 and counts["refused"] > 50
