"""The rooms that the source stands in, and the one direction between them: docs/explanation/rooms.md.

A file may import from its own room and from those that its room names; an import for types alone,
or inside of a function, is one. No circle, of files or of rooms; no exceptions.
"""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reader.builder import RecordingBuilder, event

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sigrec"

# Tests of a wheel run beside nothing but the tests.
pytestmark = pytest.mark.skipif(not PACKAGE.is_dir(), reason="no source tree here")

LEAVES = {"_check", "_errors", "_text", "_times", "_tuples"}
READS = {"leaves", "_proc", "_signals", "_reader"}  # works in any interpreter, without the core
ACTS = READS | {"_core", "_recorder", "_handling"}
# From the ground up: what a room may import from, beside itself.
ROOMS = {
    "leaves": set(),
    "_proc": {"leaves"},
    "_signals": {"leaves", "_proc"},
    "_core": {"leaves", "_signals"},
    "_reader": {"leaves", "_proc", "_signals"},
    "_recorder": READS | {"_core"},
    "_handling": READS | {"_core", "_recorder"},
    "sigrec": ACTS,  # __init__.py: the public names
    "compat": ACTS,
    "_why": READS,
    "_doctor": ACTS | {"sigrec", "_why"},
    "export": READS | {"_why", "sigrec"},
    "_serve": READS | {"_why", "export", "sigrec"},
    "_lake": READS | {"_why", "_serve"},
    "cli": ACTS | {"sigrec", "_why", "_doctor", "export", "_serve", "_lake"},
    "__main__": {"cli"},
    "_pytest_plugin": {"leaves", "_signals", "sigrec"},
}

# The same of csrc/, whose files include each other by room and file.
CORE = {
    "ground": set(),
    "host": {"ground"},
    "events": {"ground"},
    "program": {"ground", "events"},
    "recording": {"ground", "host", "events", "program"},
    "handler": {"ground", "host", "events", "program", "recording"},
    "interpose": {"ground", "host", "events", "program", "recording", "handler"},
    "tools": {"ground", "interpose"},
}
CORE["attach"] = {*CORE} - {"tools"}
CORE["library"] = {*CORE}
CORE[""] = {*CORE}  # in csrc/ itself: what else is built, with the core or parts of it


def room(module):
    first = module.split(".")[0]
    if first in LEAVES:
        return "leaves"
    return "_core" if first.startswith("_core") else first  # with what it includes


def modules():
    """By name without "sigrec.", and __init__ as its folder: the file. The package: "sigrec"."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.p*")):
        if path.suffix in (".py", ".pyx", ".pxd", ".pxi", ".pyi"):
            parts = path.relative_to(PACKAGE).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found.setdefault(".".join(parts) or "sigrec", []).append(path)
    return found


def statements(path):
    """(module, names) of each import, wherever it stands."""
    text = path.read_text()
    if path.suffix in (".pyx", ".pxd", ".pxi"):
        for line in re.findall(
            r"^\s*(from sigrec.*|import sigrec.*|cimport sigrec.*)$", text, re.M
        ):
            line = line.replace("cimport", "import")
            yield from imports(ast.parse(line))
    else:
        yield from imports(ast.parse(text))


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "absolute imports alone: they can be searched for"
            yield node.module, [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, []


def targets(module, names, known):
    """What that import is of, of ours."""
    if module.split(".")[0] != "sigrec":
        return
    base = module.partition(".")[2]
    for name in names or [""]:
        full = f"{base}.{name}".strip(".")
        yield full if full in known else base or "sigrec"


def arrows():
    known = modules()
    return {
        module: {
            target
            for path in paths
            for imported, names in statements(path)
            for target in targets(imported, names, known)
            if target != module
        }
        for module, paths in known.items()
    }


def includes():
    """By room/file, without its ending: what the file includes of ours."""
    found = {}
    for path in sorted((ROOT / "csrc").rglob("*.[ch]")):
        name = str(path.relative_to(ROOT / "csrc").with_suffix(""))
        named = re.findall(r'^#include "(.*)\.h"$', path.read_text(), re.M)
        found.setdefault(name, set()).update(set(named) - {name})
    return found


def circle(graph):
    """One, as a list that ends where it began; or None."""
    state, trail = {}, []

    def visit(node):
        state[node] = "open"
        trail.append(node)
        for target in sorted(graph.get(node, ())):
            if state.get(target) == "open":
                return [*trail[trail.index(target) :], target]
            if target not in state and (found := visit(target)):
                return found
        trail.pop()
        state[node] = "done"
        return None

    return next(
        (found for node in sorted(graph) if node not in state and (found := visit(node))), None
    )


def test_what_a_circle_is():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


def test_every_import_is_seen():
    tree = ast.parse(
        "if T:\n    from sigrec._why import brief\ndef f():\n    import sigrec.cli.tail\n"
    )
    seen = {t for one in imports(tree) for t in targets(*one, modules())}
    assert seen == {"_why.brief", "cli.tail"}
    found = arrows()
    assert "_signals.siginfo" in found["_core"]  # from the .pyx
    assert "_reader.recording" in found["_why.sentence"]  # for types alone
    assert "_recorder.retention" in found["_recorder.publishing"]


def test_no_arrow_upwards():
    assert circle(ROOMS) is None
    wrong = [
        f"sigrec.{module} -> sigrec.{target}"
        for module, into in arrows().items()
        for target in into
        if room(target) != room(module) and room(target) not in ROOMS.get(room(module), ())
    ]
    assert wrong == []
    assert {room(module) for module in modules()} == set(ROOMS)


def test_no_circle_of_files():
    assert circle(arrows()) is None


def test_the_core_goes_in_one_direction():
    found = includes()
    assert circle(CORE) is None
    of = {file: file.rpartition("/")[0] for file in found}
    assert set(of.values()) == set(CORE)
    wrong = [
        f"{file} -> {one}"
        for file, into in found.items()
        for one in into
        if of[one] not in {of[file], *CORE[of[file]]}
    ]
    assert wrong == []
    assert circle(found) is None


def test_the_map_names_every_file():
    text = (ROOT / "docs" / "explanation" / "rooms.md").read_text(encoding="utf-8")
    named = {word for span in re.findall(r"`([^`]+)`", text) for word in re.split(r"[/ .]", span)}
    files = {re.split(r"[./]", name)[-1] for name in {*modules(), *includes()}}
    assert sorted(files - named) == []


WALKS = {
    "One registration": "sigrec.register(signal.SIGUSR1, print)",
    "One recording, to the sentence of `why`": "main(['why', path])",
    "One event, to a page": "main(['export', '--format', 'html', path])",
}


def test_the_walks_are_as_the_map_says(tmp_path):
    """Which rooms are entered, each for the first time, in which order."""
    text = (ROOT / "docs" / "explanation" / "rooms.md").read_text(encoding="utf-8")
    path = RecordingBuilder().slot(0, event(10, 1000, 0)).set(head=1).write(tmp_path / "a.sigrec")
    for title, code in WALKS.items():
        (line,) = re.findall(rf"^### {re.escape(title)}\n\n(.*)$", text, re.M)
        wanted = [name for name in re.findall(r"`(\w+)`", line) if name in ROOMS]
        done = subprocess.run(
            [sys.executable, "-c", WALK, code, str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
        rooms = [room(name) for name in json.loads(done.stderr)]
        seen = [name for name in dict.fromkeys(rooms) if name != "leaves"]
        assert seen == [name for name in wanted if name != "_core"], title


# In a process that has imported all of it, so that what runs is the walk and no more.
WALK = """
import json, os, signal, sys
import sigrec, sigrec.cli.export, sigrec.cli.why, sigrec.export.html
from sigrec.cli import main
for name in sigrec.__all__:
    getattr(sigrec, name)
code, path = sys.argv[1:]
here, seen = os.path.dirname(sigrec.__file__), []
def note(frame, event, argument):
    if event == "call" and frame.f_code.co_filename.startswith(here):
        seen.append(os.path.relpath(frame.f_code.co_filename, here).removesuffix(".py").replace("/", "."))
sys.setprofile(note)
exec(code)
sys.setprofile(None)
print(json.dumps(list(dict.fromkeys(seen))), file=sys.stderr)
"""


# Each costs more than all of sigrec together; whoever needs one imports it where it is used.
SLOW = {"asyncio", "datetime", "inspect", "json", "re", "subprocess", "tempfile", "typing"}


@pytest.mark.parametrize("name", ["register", "record", "stats", "open_recording"])
def test_what_a_name_costs(name):
    assert SLOW.intersection(imported(f"import sigrec; sigrec.{name}")) == set()


def test_what_the_sentence_of_why_costs(tmp_path):
    """argparse needs re, and asks shutil for the width, which imports what unpacks archives."""
    path = RecordingBuilder().slot(0, event(10, 1000, 0)).set(head=1).write(tmp_path / "a.sigrec")
    code = f"from sigrec.cli import main; main(['why', {str(path)!r}])"
    not_needed = {"contextlib", "sigrec._proc.pidfd", "shutil"}
    assert (SLOW - {"re"} | not_needed).intersection(imported(code)) == set()


def imported(code):
    code += "; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()[-1].split()
