"""Where a recording goes when places are missing, squatted, full, or turned off."""

import os
import subprocess
import sys

import pytest

import sigrec
from tests.conftest import file_name
from tests.reader.builder import RecordingBuilder

REGISTER = """
import warnings
warnings.simplefilter("always")
sigrec.register(RT, lambda s, f: None)
sigqueue(os.getpid(), RT)
say(sigrec.stats().processes[0].path)
say(*ledger(RT))
"""


def register(child, **env):
    p = child(REGISTER, env=env)
    place = p.line()
    assert p.line() == "1 1 1 0"
    _, errors = p.end()
    return place, errors


def fallback():
    return f"/dev/shm/sigrec-{os.geteuid()}/"


needs_shm = pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="there is no /dev/shm here")


def test_the_named_directory_is_made_private(child, tmp_path):
    place, errors = register(child, SIGREC_DIR=str(tmp_path / "new"))
    assert place.startswith(str(tmp_path / "new"))
    assert os.stat(tmp_path / "new").st_mode & 0o777 == 0o700
    assert errors == ""


@needs_shm
@pytest.mark.parametrize("how", ["link", "writable", "file", "foreign", "nowhere"])
def test_a_directory_that_cannot_be_trusted_is_passed_over_and_named(child, tmp_path, how):
    place = tmp_path / how
    if how == "link":
        (tmp_path / "real").mkdir(mode=0o700)
        place.symlink_to(tmp_path / "real")
    elif how == "file":
        place.write_text("")
    elif how == "nowhere":
        place = tmp_path / "no" / "such"
    else:
        place.mkdir(mode=0o700)
    if how == "writable":
        place.chmod(0o777)
    if how == "foreign":
        if os.geteuid():
            pytest.skip("only root can give a directory away")
        os.chown(place, 65534, 65534)
    got, errors = register(child, SIGREC_DIR=str(place))
    assert got.startswith(fallback())
    assert errors.count("RuntimeWarning") == 1
    assert str(place) in errors


def test_publishing_turned_off(child):
    place, errors = register(child, SIGREC_DIR="")
    assert place == "None"
    assert errors == ""


@needs_shm
def test_a_full_disk(child, tmp_path):
    place = tmp_path / "full"
    place.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(place)],
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small tmpfs here: {mounted.stderr.decode().strip()}")
    try:
        got, errors = register(child, SIGREC_DIR=str(place))
        assert got.startswith(fallback())
        assert "No space left on device" in errors
        assert os.listdir(place) == []
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_warnings_as_errors_do_not_break_the_program(child, tmp_path):
    p = child(
        REGISTER.replace('"always"', '"error"'), env={"SIGREC_DIR": str(tmp_path / "no" / "such")}
    )
    p.line()
    assert p.line() == "1 1 1 0"
    _, errors = p.end()
    assert errors.startswith("sigrec: ") and errors.count("\n") == 1  # and it is said all the same


def test_the_warning_is_about_the_callers_line(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import sigrec\n\nsigrec.register(10, print)\n")
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True,
        env={**os.environ, "SIGREC_DIR": "/nowhere/at/all"},
    )  # fmt: skip
    assert done.stderr.startswith(f"{program}:3: RuntimeWarning: sigrec: /nowhere/at/all: ")


def test_at_the_start_of_the_program_the_warning_is_about_no_line(tmp_path):
    """`sigrec run` records before the program begins: the interpreter's own files are its callers."""
    with subprocess.Popen(
        [sys.executable, "-m", "sigrec", "run", "-c", "pass"], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "SIGREC_DIR": "/nowhere/at/all"},
    ) as process:  # fmt: skip
        _, errors = process.communicate()
    with sigrec.open_recording(process.pid) as recording:  # it is kept, and not in a place of ours
        os.unlink(recording.path)
    assert process.returncode == 0
    assert errors.startswith("sigrec: /nowhere/at/all: ")
    assert errors.count("\n") == 1


def test_what_an_earlier_process_of_the_same_pid_left_is_kept(child, run_directory):
    """Both are there, and the newest begun is meant."""
    p = child("hear(); sigrec.register(RT, print); say('ready'); hear()")
    earlier = RecordingBuilder(pid=p.pid).write(run_directory / file_name(p.pid))
    before = earlier.read_bytes()
    assert sigrec.open_recording(p.pid).state != "alive"
    p.tell()
    p.line()
    assert sigrec.open_recording(p.pid).state == "alive"
    assert earlier.read_bytes() == before
    assert {path.name for path in run_directory.iterdir()} == {
        file_name(p.pid), file_name(p.pid, 2)
    }  # fmt: skip


def test_an_exec_in_the_same_pid_overwrites_nothing(run_directory):
    again = "import os; os.kill(os.getpid(), 1)"
    code = (
        "import os, sys, signal; signal.signal(10, print); os.kill(os.getpid(), 10);"
        f"os.execv(sys.executable, [sys.executable, '-c', {again!r}])"
    )
    process = subprocess.Popen([sys.executable, "-m", "sigrec", "run", "--children", "-c", code])
    assert process.wait(60) == -1
    with sigrec.open_recording(process.pid) as recording:  # the newest begun
        assert (recording.fatal_signal, recording.fatal_ordinal) == (1, 0)
    with sigrec.open_recording(run_directory / file_name(process.pid)) as recording:
        assert recording.exit_kind == "exec" and recording.signals[10].delivered == 1


def test_a_file_size_limit(child):
    p = child(
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n" + REGISTER
    )
    assert p.line() == "None"
    assert p.line() == "1 1 1 0"
    _, errors = p.end()
    assert "File too large" in errors and "private memory" in errors
