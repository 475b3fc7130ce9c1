"""Builds C programs against the core, and its C tests with other compilers, or under tools."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.compiling import CC

ROOT = Path(__file__).parent.parent.parent
# What the Python suite needs where not everything has a wheel: the rest of it is skipped.
REQUIREMENTS = [
    "pytest",
    "pytest-xdist",
    "rich",
    "shtab",
    "pyte",
    "trio",
    "anyio",
    "build",
    "setuptools>=77",
    "cython>=3.1",
    "pyyaml",
]
STRICT = ["-std=c11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-g", "-pthread",
          f"-I{ROOT / 'csrc'}"]  # fmt: skip


CORE = sorted((ROOT / "csrc").glob("*/*.c"))


def objects(directory: Path, *flags: str, cc: Sequence[str] = (CC or "cc",)) -> list[Path]:
    """The whole core, compiled there, for several programs."""
    directory.mkdir()
    subprocess.run([*cc, *STRICT, *flags, "-c", *CORE], cwd=directory, check=True)
    return sorted(directory.glob("*.o"))


def build(
    source: Path,
    to: Path,
    *flags: str,
    cc: Sequence[str] = (CC or "cc",),
    core: Sequence[Path] = CORE,
) -> Path:
    """`source` and the whole core, or what was made of that, as the program `to`."""
    subprocess.run([*cc, *STRICT, *flags, "-o", to, source, *core, "-ldl"], check=True)
    return to


class Kind(NamedTuple):
    """A way to build and run the C tests."""

    needs: Callable[[], object]
    what: str
    flags: tuple[str, ...] = ()
    cc: tuple[str, ...] = (CC or "cc",)
    under: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    more: tuple[str, ...] = ()  # sources


def run_c_tests(name: str, kind: Kind, excluded: dict[tuple[str, str], str]) -> bool:
    """All of tests/core, but for those that are excluded, with a reason, by (name, test)."""
    if not kind.needs():
        print(f"{name}: left out, needs {kind.what}")
        return True
    fine = True
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        (directory / "lsan").write_text("leak:process_go_private\nleak:process_publish\n")
        environment = {k: v.format(lsan=directory / "lsan") for k, v in kind.environment}
        more = [str(ROOT / source) for source in kind.more]
        libraries = _program(directory, kind.cc)
        core = objects(directory / "core", *kind.flags, cc=kind.cc)
        for source in sorted((ROOT / "tests/core").glob("test_*.c")):
            if reason := excluded.get((name, source.stem)):
                print(f"{name} {source.stem}: left out: {reason}")
                continue
            program = build(
                source, directory / source.stem, *kind.flags, *more, cc=kind.cc, core=core
            )
            done = subprocess.run(
                [*kind.under, program, *libraries], capture_output=True, text=True,
                env={**os.environ, **environment}, timeout=1200,
            )  # fmt: skip
            print(f"{name} {source.stem}: {'fine' if done.returncode == 0 else 'FAILED'}")
            if done.returncode:
                print(done.stdout, done.stderr)
                fine = False
    return fine


def _program(directory: Path, cc: Sequence[str]) -> list[Path]:
    """As in tests/core/test_core.py."""
    libraries = []
    for name, how in {"now.so": "-Wl,-z,relro,-z,now", "lazy.so": "-Wl,-z,lazy"}.items():
        subprocess.run(
            [*cc, *STRICT, "-fPIC", "-shared", how, "-o", directory / name,
             ROOT / "tests/core/program.c", "-ldl"],
            check=True,
        )  # fmt: skip
        libraries.append(directory / name)
    return libraries
