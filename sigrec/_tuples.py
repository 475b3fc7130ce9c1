"""NamedTuple as typing has it, without importing typing, which takes longer than all of sigrec."""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:

    class _Fields(type):
        """A class with it is made as a namedtuple of its annotations, and their values the defaults."""

        def __new__(cls, name, bases, body):
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = list(body["__annotations__"])
            defaults = [body.pop(field) for field in fields if field in body]
            return type(
                name, (namedtuple(name, fields, defaults=defaults),), {"__slots__": (), **body}
            )

    class NamedTuple(metaclass=_Fields):
        pass
