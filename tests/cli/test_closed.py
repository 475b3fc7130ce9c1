"""Who starts us may have closed what we write to: no traceback, and no silent success."""

import signal
import subprocess
import sys

import pytest

import sigrec

CLOSED = "sigrec: there is no standard output to write to: it is closed\n"


def sh(arguments, closed):
    command = f'exec "$0" -m sigrec {arguments} {closed}'
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


def test_where_the_disk_is_full(recording):
    full = "sigrec: [Errno 28] No space left on device\n"
    assert sh(f"why {recording}", ">/dev/full") == (1, "", full)
    assert sh(f"why {recording}", ">/dev/full 2>&1") == (1, "", "")
    assert sh("stats --bogus", "2>/dev/full") == (2, "", "")


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
