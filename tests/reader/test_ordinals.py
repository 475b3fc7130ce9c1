"""Which ordinals were seen: from the first on, or all."""

import itertools
import random

from sigrec._reader.ordinals import Ordinals


def test_holes_are_what_was_not_seen_in_any_order():
    rng = random.Random(7)
    for first in (0, None):
        for _ in range(50):
            seen = rng.sample(range(20), 8)
            ordinals = Ordinals(first)
            assert all(ordinals.take(ordinal, at=ordinal) for ordinal in seen)
            assert not any(ordinals.take(ordinal) for ordinal in seen)
            lowest = min(seen) if first is None else 0
            assert (ordinals.first, ordinals.next) == (lowest, max(seen) + 1)
            missing = itertools.chain(*(range(low, high) for low, high, _ in ordinals.holes))
            assert list(missing) == [n for n in range(lowest, max(seen)) if n not in seen]


def test_what_is_known_to_have_come_is_a_hole():
    ordinals = Ordinals()
    ordinals.take(0)
    ordinals.fill(3, at=7)
    ordinals.fill(2)
    assert ordinals.holes == [(1, 3, 7)]
    ordinals.take(5, at=9)
    assert ordinals.holes == [(1, 3, 7), (3, 5, 9)]
