"""Objects that are equal if their fields are, and are hashed, copied and pickled by these."""

from __future__ import annotations

from sigrec._times import aware

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime


class Value:
    """``_fields`` names the attributes that count.
    A list or a dict among them is hashed by its length alone."""

    __slots__ = ()

    _fields: tuple[str, ...] = ()

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self._fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(tuple(len(v) if isinstance(v, (list, dict)) else v for v in self._values()))

    def __reduce__(self) -> tuple[object, ...]:
        return _made, (type(self), self._values())


class Timed(Value):
    """Such an object of what a process did at some time."""

    __slots__ = ()

    time_ns: int

    @property
    def time(self) -> datetime:
        """The time, as an aware datetime in UTC."""
        return aware(self.time_ns)


Timed.__module__ = "sigrec"  # as its member is public, in the classes that are


def _made(value_class: type[Value], values: tuple[object, ...]) -> Value:
    made = object.__new__(value_class)
    for attribute, value in zip(value_class._fields, values, strict=True):
        setattr(made, attribute, value)
    return made
