"""What people get: the sdist, and a wheel that is built, audited, and installed where there is no
compiler."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import pytest

from tests.distributions import ROOT, sources

# Tests of a wheel run beside nothing but the tests.
pytestmark = pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="no source tree here")
# Bytes of a wheel: 272,000 are the Python files, of which a good part is what help() shows; 125,000 the
# binding; 80,000 each the core, alone and for LD_PRELOAD; and 7,000 what `sigrec run --report` leaves
# beside a program.
LARGEST = 610_000


def test_every_package_and_folder_is_listed():
    """The short form of the next two: what is not listed is missed by who installs, not by us."""
    folders = {path.parts[0] for path in sources() if len(path.parts) > 1}
    grafted = re.findall(r"^graft (\S+)$", (ROOT / "MANIFEST.in").read_text(), re.M)
    assert set(grafted) == folders
    python = {s.parent for s in sources() if s.parts[0] == "sigrec" and s.suffix == ".py"}
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert sorted(config["packages"]) == sorted(".".join(folder.parts) for folder in python)
    others = {str(s.relative_to("sigrec")) for s in sources() if s.parts[0] == "sigrec"}
    others = {name for name in others if not name.endswith((".py", ".pyx", ".pxd", ".pxi"))}
    assert set(config["package-data"]["sigrec"]) == others


@pytest.mark.long
def test_the_sdist_has_what_is_needed_to_build_and_to_test(built):
    sdist, _ = built
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    wanted = {
        str(source) for source in sources()
        if source.parts[0] in ("sigrec", "csrc", "tests", "benchmarks", "docs", "examples")
        or str(source) in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")
    }  # fmt: skip
    assert wanted - names == set()
    assert [n for n in names if n.endswith((".so", ".o", ".pyc")) or n == "sigrec/_core.c"] == []


@pytest.mark.long
def test_a_wheel_has_what_runs_and_nothing_else(built):
    _, wheel = built
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    compiled = sorted(name for name in names if name.endswith(".so"))
    assert compiled.pop(0).startswith("sigrec/_core.")
    preload = ["sigrec/libsigrec-preload.so"] if sys.platform == "linux" else []
    assert compiled == [*preload, "sigrec/libsigrec.so"]
    python = {str(s) for s in sources() if s.parts[0] == "sigrec" and s.suffix == ".py"}
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    data = {f"sigrec/{name}" for name in config["package-data"]["sigrec"]}  # see the test above
    own = {name for name in names if not re.match(r"sigrec-[\d.]+\.dist-info/", name)}
    own -= {name for name in names if name.endswith(".so")}
    program = {"sigrec/sigrec-report"} if sys.platform == "linux" else set()
    assert own == python | data | program
    assert wheel.stat().st_size < LARGEST


@pytest.mark.long
def test_a_wheel_asks_for_nothing_but_the_c_library(built, tmp_path):
    pytest.importorskip("auditwheel")
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    if not sys.platform.startswith("linux") or not shutil.which("patchelf", path=path):
        pytest.skip("auditwheel is for Linux, and needs patchelf")
    _, wheel = built
    subprocess.run(
        [sys.executable, "-m", "auditwheel", "repair", "-w", tmp_path, wheel],
        check=True, capture_output=True, text=True, env={**os.environ, "PATH": path},
    )  # fmt: skip
    (repaired,) = tmp_path.glob("*.whl")
    assert re.search(r"-(manylinux|musllinux)_\d+_\d+_\w+\.whl$", repaired.name)
    with zipfile.ZipFile(repaired) as file:
        assert not [name for name in file.namelist() if ".libs/" in name]
        compiled = [name for name in file.namelist() if name.endswith(".so")]
        file.extractall(tmp_path, compiled)
    if nm := shutil.which("nm"):
        exported = [
            subprocess.run(
                [nm, "-D", "--defined-only", tmp_path / name],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split()[2::3]
            for name in sorted(compiled)
        ]
        assert exported == [["PyInit__core"], ["sigrec_core"], ["sigrec_core"]]


@pytest.mark.long
def test_a_wheel_is_installed_without_compiler_and_network(built, tmp_path, run_directory):
    _, wheel = built
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    there = tmp_path / "venv" / "bin"
    environment = {"PATH": str(there), "HOME": str(tmp_path), "SIGREC_DIR": str(run_directory)}
    run = {"env": environment, "cwd": tmp_path, "check": True, "capture_output": True, "text": True}
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", there / "python",
         "install", "--no-index", "--no-deps", wheel],
        **run,
    )  # fmt: skip
    doctor = subprocess.run([there / "sigrec", "doctor"], **run).stdout
    assert "1,000 were" in " ".join(doctor.split())
    if sys.platform == "linux":  # with a program that is executable there
        report = [there / "sigrec", "run", "--report", "-c", "raise SystemExit(3)"]
        done = subprocess.run(report, **{**run, "check": False})
        assert (done.returncode, done.stdout) == (3, "")
        assert "exited by itself with status 3" in done.stderr
    code = "import sigrec, sys; print(sorted(m for m in sys.modules if 'ython' in m.lower()))"
    assert subprocess.run([there / "python", "-c", code], **run).stdout == "[]\n"


@pytest.mark.long
def test_which_wheels_a_release_builds():
    """Every CPython from 3.11 on, free-threaded builds included, on each platform."""
    pytest.importorskip("cibuildwheel")
    found = set()
    for platform, archs in (("linux", ("x86_64", "aarch64")), ("macos", ("x86_64", "arm64"))):
        for arch in archs:
            done = subprocess.run(
                [sys.executable, "-m", "cibuildwheel", "--platform", platform, "--archs", arch,
                 "--print-build-identifiers", ROOT],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            found |= set(done.stdout.split())
    for kind in ("manylinux_x86_64", "manylinux_aarch64", "musllinux_x86_64", "musllinux_aarch64",
                 "macosx_x86_64", "macosx_arm64"):  # fmt: skip
        for version in ("cp311", "cp312", "cp313", "cp314", "cp314t"):
            assert f"{version}-{kind}" in found
    assert not [name for name in found if name.startswith(("cp310", "cp39", "pp", "gp"))]
    assert not [name for name in found if "win" in name.partition("-")[2] or "i686" in name]
