"""Every form begun and ended 800 times and more: nothing is left behind."""

import re
from pathlib import Path

import pytest

from tests.handling.begins_and_ends import FORMS

HERE = Path(__file__).parent


# Of the longest a leak of 22 bytes each time is 16 pages, of the shorter ones 109 and 328: a timer
# and a recorder take a millisecond each.
def times_of(form):
    short = 200 if form in ("timer", "record") else 600
    return [(form, short), pytest.param(form, 3000, marks=pytest.mark.long)]


@pytest.mark.parametrize("form, times", [each for form in FORMS for each in times_of(form)])
def test_nothing_is_left_behind(child, form, times):
    p = child(HERE / "begins_and_ends.py", form, times)
    same, grown, each = re.fullmatch(r"(.*) (-?\d+) (\[.*\])", p.line(180)).groups()
    assert same == "True"
    assert int(grown) < 16, f"pages: {each}"
    assert p.line() == p.line() == "True"
    p.end()
