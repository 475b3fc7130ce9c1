"""NamedTuple does as typing's does."""

from __future__ import annotations

import copy
import pickle

import pytest

from sigrec._tuples import NamedTuple


class Point(NamedTuple):
    """Somewhere."""

    x: int
    y: int = 3
    name: str | None = None

    @property
    def sum(self):
        return self.x + self.y


def test_fields_defaults_and_methods():
    point = Point(1, name="a")
    assert point == (1, 3, "a")
    assert (point.x, point.y, point.name, point.sum) == (1, 3, "a", 4)
    assert repr(point) == "Point(x=1, y=3, name='a')"
    assert Point(x=1) == Point(1, 3) == Point(1, 3, None)
    assert point._replace(y=7) == Point(1, 7, "a")
    assert point._asdict() == {"x": 1, "y": 3, "name": "a"}
    with pytest.raises(AttributeError):
        point.x = 2


def test_it_is_copied_and_pickled_by_value():
    point = Point(1, name="a")
    for made in (copy.copy(point), pickle.loads(pickle.dumps(point))):
        assert type(made) is Point
        assert made == point


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), ((1, 2, "a", 4), {}), ((1,), {"z": 1}), ((1,), {"x": 1}), ((), {"y": 1})],
)
def test_other_fields_are_refused(values, named):
    with pytest.raises(TypeError, match="Point has the fields x, y, name"):
        Point(*values, **named)
