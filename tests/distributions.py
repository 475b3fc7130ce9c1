"""The sdist and the wheel, built once for the tests in all processes."""

import fcntl
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MADE = {
    "_core.c", "sigrec-report", "__pycache__", "build", "_build", "sigrec.egg-info", "wheelhouse", "dist",
}  # fmt: skip


def sources():
    """Every file of the tree that someone wrote."""
    for directory, directories, names in os.walk(ROOT):
        directories[:] = [n for n in directories if n not in MADE and not n.startswith(".")]
        for name in names:
            if name not in MADE and not name.endswith((".so", ".o", ".pyc")):
                yield (Path(directory) / name).relative_to(ROOT)


def as_released():
    """The environment in which a release builds its wheels, which leave out what only a debugger
    reads."""
    released = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["cibuildwheel"]
    return released.get(sys.platform, released)["environment"]


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Returns the paths of the sdist and of the wheel."""
    pytest.importorskip("build")
    if not (ROOT / "setup.py").exists():
        pytest.skip("no source tree here")
    directory = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # all workers share the one above
        directory = directory.parent
    directory = directory / "dist"
    directory.mkdir(exist_ok=True)
    with open(directory / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
        if not [*directory.glob("*.whl")]:
            build(directory, directory / "tree")
    return next(directory.glob("*.tar.gz")), next(directory.glob("*.whl"))


def build(directory, tree):
    for source in sources():
        (tree / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / source, tree / source)
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", directory, tree],
        check=True, stdout=subprocess.DEVNULL, env={**os.environ, **as_released()},
    )  # fmt: skip
