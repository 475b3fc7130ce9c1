"""``sigrec run`` of what is no Python program."""

import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sigrec
from tests.compiling import compiled, needs_cc
from tests.conftest import file_name

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="interposition needs Linux on x86-64 or aarch64",
)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch, run_directory):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(os.path.dirname(sigrec.__file__)))
    monkeypatch.setenv("SIGREC_DIR", str(run_directory))
    return tmp_path


def command(*args):
    return [sys.executable, "-m", "sigrec", *args]


def run(*args, **how):
    return subprocess.run(
        command("run", *args), capture_output=True, text=True, timeout=60, **how
    )  # fmt: skip


def why(pid):
    return subprocess.run(command("why", str(pid)), capture_output=True, text=True).stdout


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_it_ends_as_the_program_does_and_why_knows(run_directory):
    program = ["sh", "-c", "read line; echo $$ out; echo err >&2; kill -$line $$; exit 3"]
    for word, status in ("TERM", -15), ("KILL", -9), ("0", 3):
        plain = subprocess.run(program, input=word, capture_output=True, text=True)
        found = run(*program, input=word)
        assert found.returncode == plain.returncode == status
        assert found.stderr == plain.stderr == "err\n"
        pid, out = found.stdout.split()
        assert out == "out"
        with sigrec.open_recording(int(pid)) as recording:
            assert recording.path == str(run_directory / file_name(int(pid)))
        assert ("status 3" if word == "0" else f"SIG{word}") in why(pid)


def test_what_becomes_another_program_is_still_recorded():
    done = run("sh", "-c", "echo $$; exec env sh -c 'exec nohup sh -c \"kill -TERM $$\"'")
    assert done.returncode == -signal.SIGTERM
    assert "SIGTERM" in why(done.stdout.split()[0])
    done = run("sh", "-c", "env; exec env")  # and finds nothing of ours
    assert "LD_PRELOAD" not in done.stdout and "SIGREC_KEEP" not in done.stdout


def test_what_a_name_means(place, monkeypatch):
    monkeypatch.setenv("PATH", f"{place / 'bin'}:{os.environ['PATH']}")
    (place / "bin").mkdir()
    executable(place / "bin" / "shell", '#!/bin/sh\necho "$0" "$@" $$')
    show = "import sys, sigrec\nprint(sys.argv, sigrec.__name__)\n"
    executable(place / "bin" / "tool", f"#!{sys.executable}\n{show}")
    executable(place / "bin" / "by-env", f"#!/usr/bin/env python3\n{show}")
    shown = run("shell", "a b").stdout.split()
    assert shown[:3] == [str(place / "bin" / "shell"), "a", "b"]
    assert sigrec.open_recording(int(shown[3])).argv[-1] == "a b"
    for name in "tool", "by-env":
        assert run(name, "x").stdout == f"['{place / 'bin' / name}', 'x'] sigrec\n"
    (place / "script").write_text("print('a Python script')")
    assert run("script").stdout == "a Python script\n"
    for name, words in (
        ("nosuch", "there is no such file, and no program of that name"),
        ("json", "It is a module: sigrec run -m json"),
    ):
        done = run(name)
        assert (done.returncode, done.stdout) == (1, "")
        assert words in done.stderr and name in done.stderr


@needs_cc
def test_what_cannot_be_recorded_runs_all_the_same_or_is_refused(place, run_directory):
    (place / "a.c").write_text('#include <stdio.h>\nint main(void) { puts("ran"); return 7; }')
    compiled("a.c", "fixed", "-static")
    done = run("./fixed")
    assert (done.returncode, done.stdout) == (7, "ran\n")
    assert done.stderr == "sigrec: ./fixed is not recorded: it is statically linked\n"
    done = run("--strict", "./fixed")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "sigrec: ./fixed is not recorded: it is statically linked\n"
    assert list(run_directory.iterdir()) == []


@pytest.mark.parametrize("flags", [[], ["-W", "error"], ["-I"], ["-bE"], ["-Werror", "-S"]])
def test_a_python_as_people_type_it(flags):
    """``sigrec run python app.py`` is as good as ``sigrec run app.py``."""
    code = "import os\nprint(os.getpid(), 'SIGREC_RUN' in os.environ)\nraise LookupError"
    done = run(sys.executable, *flags, "-c", code)
    pid, traces = done.stdout.split()
    assert (done.returncode, traces) == (1, "False")
    without_site = any(letter in flags[-1] for letter in "IES") if flags else False
    words = "exited by itself with status 1" if without_site else "nobody caught: LookupError"
    assert words in why(pid)


def test_a_file_of_ones_own(place):
    for n in 3, 4:
        done = run("-o", "here.sigrec", "sh", "-c", f"echo $$; exit {n}")
        assert done.returncode == n
    with sigrec.open_recording(int(done.stdout)) as recording:  # found by its PID as well
        assert recording.path == str(place / "here.sigrec")
        assert recording.exit_status == 4
    with sigrec.open_recording("here.sigrec.1") as recording:
        assert recording.exit_status == 3
    done = run("--report", "sh", "-c", "exit 5")
    assert done.returncode == 5


def test_children_in_any_language(run_directory):
    python = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    script = f'sh -c "kill -HUP \\$\\$"; {sys.executable} -I -c "{python}"; sleep 0; exit 2'
    for program in (["sh", "-c", script], ["-c", f"import os; os.system({script!r})"]):
        run("--children", *program)
        found = []
        for path in run_directory.iterdir():
            with sigrec.open_recording(path) as recording:
                found.append((os.path.basename(recording.argv[0]), recording.fatal_signal))
            path.unlink()
        assert ("sh", signal.SIGHUP) in found
        assert (os.path.basename(sys.executable), signal.SIGINT) in found
        assert not [name for name, _ in found if name == "sleep"]  # it went well


def test_a_library_whose_path_has_a_blank(place, monkeypatch, run_directory):
    from sigrec._recorder import program

    folder = place / "a b:c"
    folder.mkdir()
    shutil.copy(program.LIBRARY, folder)
    monkeypatch.setattr(program, "LIBRARY", str(folder / Path(program.LIBRARY).name))
    library = program.library()
    assert library.startswith(str(run_directory)) and os.path.samefile(library, program.LIBRARY)
    assert program.library() == library
    environment = program.preloaded({**os.environ, "LD_PRELOAD": ""}, library, False)
    done = subprocess.run(["sh", "-c", "kill -TERM $$"], env=environment, capture_output=True)
    assert (done.returncode, done.stderr) == (-15, b"")
    (recording,) = run_directory.glob("*.sigrec")


@pytest.mark.parametrize("trap", ["", "trap '' PIPE; "])
def test_it_ignores_what_it_would_without_us(trap):
    """Python ignores SIGPIPE, and we are one. (The : keeps the shell, which is our parent.)"""
    look = "grep SigIgn /proc/self/status; :"
    plain = subprocess.run(["sh", "-c", trap + look], capture_output=True, text=True)
    ours = " ".join(map(shlex.quote, command("run")))
    recorded = subprocess.run(["sh", "-c", f"{trap}{ours} {look}"], capture_output=True, text=True)
    assert (recorded.stdout, recorded.stderr) == (plain.stdout, "") and plain.stdout
