"""Places in the source that a proof is about, each marked there by a tag in a comment.

A tag is `proof: keep-publish`, say. It stands once, and marks what comes after it: for a litmus
test the next memory order, for a mutant the next code that it changes.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import NamedTuple

from .build import ROOT

TAG = re.compile(r"\bproof: ([a-z-]+)")


class Tagged(NamedTuple):
    path: Path
    offset: int  # behind the tag


@functools.cache
def all_tags() -> dict[str, list[Tagged]]:
    found: dict[str, list[Tagged]] = {}
    for path in sorted([*ROOT.glob("csrc/**/*.[ch]"), *ROOT.glob("sigrec/_core*.p*")]):
        for match in TAG.finditer(path.read_text()):
            found.setdefault(match[1], []).append(Tagged(path, match.end()))
    return found


def find(tag: str) -> Tagged:
    places = all_tags().get(tag, [])
    assert len(places) == 1, f"the tag {tag!r} stands in {len(places)} places"
    return places[0]
