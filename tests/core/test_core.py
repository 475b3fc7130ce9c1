"""Builds the core and its C tests without Python, warnings as errors, and runs them."""

import subprocess
from pathlib import Path

import pytest

from tests.compiling import CC, needs_cc

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FLAGS = ["-std=c11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-g",
         "-I", str(ROOT / "csrc")]  # fmt: skip

pytestmark = needs_cc


@pytest.fixture(scope="session", params=["-O0", pytest.param("-O2", marks=pytest.mark.long)])
def core_objects(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("core" + request.param)
    sources = sorted((ROOT / "csrc").glob("*/*.c"))
    assert sources
    subprocess.run([CC, *FLAGS, request.param, "-c", *map(str, sources)], cwd=directory, check=True)
    return sorted(directory.glob("*.o")), request.param


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """tests/core/program.c as a library, bound at once and read-only then, and bound lazily."""
    directory = tmp_path_factory.mktemp("program")
    libraries = []
    for name, how in {"now.so": "-Wl,-z,relro,-z,now", "lazy.so": "-Wl,-z,lazy"}.items():
        subprocess.run(
            [CC, *FLAGS, "-fvisibility=default", "-fPIC", "-shared", how, "-o", directory / name,
             HERE / "program.c", "-ldl"],
            check=True,
        )  # fmt: skip
        libraries.append(directory / name)
    return libraries


@pytest.mark.parametrize("source", sorted(HERE.glob("test_*.c")), ids=lambda path: path.stem)
def test_c(source, core_objects, program, tmp_path):
    objects, optimize = core_objects
    test = tmp_path / source.stem
    subprocess.run(
        [CC, *FLAGS, optimize, "-pthread", "-o", str(test),
         str(source), *map(str, objects), "-ldl"],
        check=True,
    )  # fmt: skip
    done = subprocess.run([test, *program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_no_python_in_the_core():
    sources = list((ROOT / "csrc").rglob("*.[ch]"))
    assert len(sources) > 10
    for path in sources:
        assert "Python.h" not in path.read_text()
