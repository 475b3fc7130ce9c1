"""Some, seeded, of the hostile recordings; many more: ``python -m tests.reader.fuzz``."""

import random

import pytest

from sigrec._reader import format, places
from tests.reader import fuzz, fuzz_coverage


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """`why` asks the recordings beside this one as well: not those of all this machine's processes."""
    monkeypatch.setattr(places, "directories", lambda: [str(tmp_path)])
    monkeypatch.setattr(places, "of_others", list)


@pytest.mark.parametrize("files", [30, pytest.param(250, marks=pytest.mark.long)])
@pytest.mark.parametrize("part", range(4))
def test_hostile_recordings(part, files, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "SECONDS", 300)  # the machine may be slow, but not that slow
    counts = fuzz.run(range(files * part, files * (part + 1)), tmp_path)
    # Both kinds, or it does not fuzz what it means to.
    assert counts["read"] > files // 5 and counts["refused"] > files // 5


def test_each_section_of_the_format_is_changed(monkeypatch):
    """Also one that only the format knows as yet: what is written there, and what the table says of it."""
    new = max(format.SECTIONS) + 1
    monkeypatch.setitem(format.SECTIONS, new, ("what is new", 64, 64, 8))
    changed = set()
    for seed in range(400):
        raw = fuzz.base(random.Random(seed)).raw
        places = {kind: (at, size * entries) for kind, at, size, entries in fuzz.table(raw)}
        before = bytes(raw)
        fuzz.change(random.Random(seed), raw)
        changed.update(
            kind
            for kind, (at, size) in places.items()
            if len(raw) == len(before) and raw[at : at + size] != before[at : at + size]
        )
    assert changed == set(format.SECTIONS)


@pytest.mark.parametrize("name", sorted(path.name for path in fuzz_coverage.CORPUS.iterdir()))
def test_what_the_coverage_led_fuzzer_found_worth_keeping(name, tmp_path):
    file = tmp_path / "hostile.sigrec"
    file.write_bytes(fuzz_coverage.apply((fuzz_coverage.CORPUS / name).read_bytes()))
    assert fuzz.check(file) in ("read", "refused")
