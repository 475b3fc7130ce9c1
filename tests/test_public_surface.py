"""What people may rely on. A change to it is a decision: see CONTRIBUTING.md, and then

python -m tests.test_public_surface > tests/public_surface.txt
"""

import argparse
import inspect
import pydoc
from pathlib import Path

import pytest

import sigrec
from sigrec.cli import parser

LISTED = Path(__file__).with_name("public_surface.txt")


def lines():
    for name in sigrec.__all__:
        value = getattr(sigrec, name)
        if not inspect.isclass(value):
            yield f"sigrec.{name}{inspect.signature(value)}"
            continue
        above = [base for base in value.__mro__[1:] if base is not object]
        public = [getattr(sigrec, public) for public in sigrec.__all__]
        ours = [base for base in above if base.__module__.partition(".")[0] == "sigrec"]
        bases = [base.__name__ for base in above if base not in ours or base in public]
        yield f"class sigrec.{name}({', '.join(bases)})"
        for member, what in sorted(inspect.getmembers_static(value), key=lambda pair: pair[0]):
            own = any(member in vars(base) for base in value.__mro__ if base.__module__ == "sigrec")
            if member.startswith("_") or not own:
                continue
            what = getattr(what, "__func__", what)
            described = str(inspect.signature(what)) if hasattr(what, "__code__") else ""
            yield f"    .{member}{described}"
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


@pytest.mark.parametrize("name", [n for n in sigrec.__all__ if inspect.isclass(getattr(sigrec, n))])
def test_help_says_something_of_every_attribute(name):
    """What an IDE shows, too: it reads the docstrings of properties and methods."""
    of = getattr(sigrec, name)
    shown = pydoc.plain(pydoc.render_doc(of))
    for member, what in inspect.getmembers_static(of):
        own = any(member in vars(base) for base in of.__mro__ if base.__module__ == "sigrec")
        if own and not member.startswith("_"):
            said = inspect.getdoc(what)
            assert said and said.splitlines()[0] in shown, member


def test_what_is_an_attribute_of_an_object_is_one_of_its_class(child):
    """Else neither help() nor the list of the public surface has it."""
    p = child(
        """
        import inspect
        registration = sigrec.register(signal.SIGUSR1, print)
        timer = with_room(sigrec.timer, 60)
        made = [
            registration, timer, sigrec.stream(signal.SIGUSR2), sigrec.Flag(signal.SIGTERM), sigrec.SignalManager(),
            sigrec.record(signal.SIGHUP), sigrec.stats(), sigrec.stats().processes[0],
            sigrec.stats()[signal.SIGUSR1], sigrec.open_recording(os.getpid()), sigrec.Missed(10, 1),
        ]
        for one in made:
            public = [name for name in getattr(one, "__dict__", {}) if not name.startswith("_")]
            if public:
                say(type(one).__name__, public)
        say("all")
        """
    )
    assert p.line() == "all"


if __name__ == "__main__":
    print(*lines(), sep="\n")
