"""Who starts us may have closed what we write to: no traceback, and no silent success."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sigrec
from tests.reader.builder import RecordingBuilder

ROOT = Path(__file__).parents[2]
CLOSED = "sigrec: there is no standard output to write to: it is closed\n"


def sh(arguments, closed, before=""):
    command = f'{before}exec "$0" -m sigrec {arguments} {closed}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def recording():
    with sigrec.register(signal.SIGUSR1, lambda signum, frame: None):
        signal.raise_signal(signal.SIGUSR1)
        yield sigrec.stats().processes[0].path


@pytest.mark.parametrize("verb", ["stats", "why", "tail", "export --format jsonl", "doctor"])
def test_without_a_standard_output(verb, recording):
    asked = verb if verb == "doctor" else f"{verb} {recording}"
    assert sh(asked, ">&-") == (1, "", CLOSED)
    assert sh(asked, ">&- 2>&-") == (1, "", "")
    status, said, _ = sh(asked, "2>&-")
    assert said and (status == 0 or "problem  RLIMIT_SIGPENDING" in said)


def test_where_the_disk_is_full(recording, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    full = "sigrec: standard output: No space left on device\n"
    assert sh(f"why {recording}", ">/dev/full") == (1, "", full)
    assert sh(f"why {recording}", ">/dev/full 2>&1") == (1, "", "")
    assert sh("stats --bogus", "2>/dev/full") == (2, "", "")


@pytest.mark.parametrize(
    "verb", ["run -o x true", "export --format csv -o y {}", "serve --textfile z"]
)
def test_where_the_working_directory_is_gone(verb, recording, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    gone = "sigrec: the working directory: No such file or directory\n"
    status, said, errors = sh(verb.format(recording), "")  # some shells say it, too
    assert (status, said) == (1, "") and errors.endswith(gone)


@pytest.mark.parametrize("verb", ["stats", "why", "why --all", "stats --json"])
def test_where_the_recordings_are_more_than_the_files_that_may_be_open(verb, tmp_path, monkeypatch):
    for pid in range(4200001, 4200041):
        RecordingBuilder().write(tmp_path / f"{pid}.sigrec")
    tmp_path.chmod(0o700)
    monkeypatch.setenv("SIGREC_DIR", str(tmp_path))
    status, said, errors = sh(verb, "", "ulimit -n 40; ")
    assert (status, said) == (1, "") and errors.endswith(
        "sigrec: more files are needed than this process may open, 40 (ulimit -n)\n"
    )
    status, said, errors = sh(verb, "", "ulimit -Sn 40; ")
    assert (status, errors) == (0, "") and said


def test_a_doctor_who_could_not_speak_leaves_no_recording(tmp_path, monkeypatch):
    """Otherwise `sigrec why` would answer about the doctor."""
    monkeypatch.setenv("SIGREC_DIR", str(tmp_path))
    tmp_path.chmod(0o700)
    assert sh("doctor", ">/dev/full")[0] == 1
    assert not list(tmp_path.iterdir())


def test_of_the_parser(monkeypatch):
    assert sh("stats --help", ">&-") == (1, "", CLOSED)
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")  # the write itself fails, and not only the flush
    status, said, errors = sh("--version", ">/dev/full")
    assert (status, said) == (1, "") and "No space left" in errors
    pytest.importorskip("shtab")
    assert sh("--completion bash", ">&-") == (1, "", CLOSED)


def test_what_needs_none_works_without_it(recording, tmp_path):
    file, script = tmp_path / "events", tmp_path / "script.py"
    assert sh(f"export --format jsonl -o {file} {recording}", ">&- 2>&-") == (0, "", "")
    assert file.read_text()
    script.write_text("import sys; sys.exit(sys.stdout is None)")
    assert sh(f"run {script}", ">&- 2>&-") == (1, "", "")
    if sys.platform == "linux":
        assert sh("run /bin/true", ">&- 2>&-") == (0, "", "")
