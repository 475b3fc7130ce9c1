"""NamedTuple, as in typing. This module imports neither typing, which takes longer to import than
all of sigrec, nor collections.namedtuple, which compiles code for each class."""

from __future__ import annotations

from operator import itemgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:

    class _Fields(type):
        """Makes the fields of a class's annotations, and the defaults of their values."""

        def __new__(cls, name, bases, body):
            fields = tuple(body.get("__annotations__", ()))
            defaults = {field: body.pop(field) for field in fields if field in body}
            getters = {field: property(itemgetter(n)) for n, field in enumerate(fields)}
            body |= getters | {"__slots__": (), "_fields": fields, "_defaults": defaults}
            return super().__new__(cls, name, bases, body)

    class NamedTuple(tuple, metaclass=_Fields):
        def __new__(cls, *values, **named):
            if named or len(values) != len(cls._fields):
                given = dict(zip(cls._fields, values)) | named  # noqa: B905 - compared below
                made = cls._defaults | given
                if len(given) != len(values) + len(named) or made.keys() != set(cls._fields):
                    raise TypeError(f"{cls.__name__} has the fields {', '.join(cls._fields)}")
                values = [made[field] for field in cls._fields]
            return tuple.__new__(cls, values)

        def __getnewargs__(self):
            return tuple(self)

        def __repr__(self):
            fields = (f"{field}={value!r}" for field, value in self._asdict().items())
            return f"{type(self).__name__}({', '.join(fields)})"

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **named):
            return type(self)(**{**self._asdict(), **named})
