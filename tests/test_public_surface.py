"""What people may rely on. A change to it is a decision: see CONTRIBUTING.md, and then

python -m tests.test_public_surface > tests/public_surface.txt
"""

import argparse
import inspect
from pathlib import Path

import pytest

import sigrec
from sigrec.cli import parser
from tests.reader.builder import RecordingBuilder

LISTED = Path(__file__).with_name("public_surface.txt")


def lines():
    for name in sigrec.__all__:
        value = getattr(sigrec, name)
        if not inspect.isclass(value):
            yield f"sigrec.{name}{inspect.signature(value)}"
            continue
        bases = [base.__name__ for base in value.__mro__[1:] if base is not object]
        yield f"class sigrec.{name}({', '.join(bases)})"
        for member, what in sorted(inspect.getmembers_static(value)):
            own = any(member in vars(base) for base in value.__mro__ if base.__module__ == "sigrec")
            if member.startswith("_") or not own:
                continue
            what = getattr(what, "__func__", what)
            described = str(inspect.signature(what)) if inspect.isfunction(what) else ""
            yield f"    .{member}{described}"
        # Those that only an object has.
        attributes = []
        if value is sigrec.Recording:
            attributes = vars(value(RecordingBuilder().read))
        if value is sigrec.Stats:
            attributes = vars(value([]))
        for attribute in sorted(attributes):
            if not attribute.startswith("_"):
                yield f"    .{attribute}"
    verbs = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    for verb in verbs.choices:
        yield f"sigrec {verb}"
        with_arguments = next(
            a for a in parser(verb)._actions if isinstance(a, argparse._SubParsersAction)
        ).choices[verb]
        for action in with_arguments._actions:
            if action.dest != "help":
                words = "/".join(action.option_strings) or str(action.metavar or action.dest)
                choices = f" {{{','.join(map(str, action.choices))}}}" if action.choices else ""
                yield f"    {words}{choices}"


def test_the_public_surface_is_what_is_listed():
    assert list(lines()) == LISTED.read_text().splitlines()


def test_every_name_is_the_packages_own():
    assert sorted(sigrec.__all__) == list(sigrec.__all__)
    for name in sigrec.__all__:
        assert getattr(sigrec, name).__module__ == "sigrec", name
        assert getattr(sigrec, name).__doc__, name
    assert set(sigrec.__all__) <= set(dir(sigrec))
    with pytest.raises(AttributeError):
        _ = sigrec.no_such_name


if __name__ == "__main__":
    print(*lines(), sep="\n")
