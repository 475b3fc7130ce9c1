"""Who had a signal do what, in a process that records: the line of Python, or the library."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sigrec
from sigrec._why.dispositions import lines
from tests.conftest import file_name
from tests.recorder.app import ignoring, line, run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="recording needs Linux")

FRAMEWORK = """
import signal
def install():
    signal.signal(signal.SIGUSR1, lambda *_: None)  # framework
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
"""
APP = """
import signal, time
import framework
def handler(*_):
    pass
signal.signal(signal.SIGUSR1, handler)  # app
time.sleep(0.15)
framework.install()
"""


def test_the_line_of_python_that_did_it(tmp_path, run_directory):
    (tmp_path / "framework.py").write_text(FRAMEWORK)
    with run(APP, tmp_path, run_directory=run_directory) as recording:
        first, second = recording.dispositions(signal.SIGUSR1)
        (ignored,) = recording.dispositions(signal.SIGTERM)
        assert (first.action, first.file) == ("handler", str(tmp_path / "app.py"))
        assert (first.line, second.line) == (line(APP, "# app"), line(FRAMEWORK, "# framework"))
        assert 10**8 < second.monotonic_ns - first.monotonic_ns < 10**11
        assert (ignored.action, ignored.by) == ("ignore", f"framework.py:{second.line + 1}")
        # What Python sets back as it ends is nobody's doing.
        assert {one.si_signo for one in recording.dispositions() if one.how != "before"} == {10, 15}


def test_what_it_inherited(tmp_path, run_directory):
    code = "import signal\nsignal.signal(signal.SIGHUP, lambda *_: None)\n"
    before = ignoring(signal.SIGHUP, signal.SIGUSR2)
    with run(code, tmp_path, before=before, run_directory=run_directory) as recording:
        assert [(one.si_signo, one.action, one.how) for one in recording.dispositions()
                if one.how == "inherited"] == [
            (signal.SIGHUP, "ignore", "inherited"), (signal.SIGUSR2, "ignore", "inherited")]  # fmt: skip
        said = lines(recording.dispositions())
        assert said[0].startswith(
            "SIGHUP: ignored since the start: nohup, or another that started it, handler set "
        )
        assert said[0].endswith("later by app.py:2")


LATE = (Path(__file__).parent / "records_late.py").read_text()


def test_of_a_recording_that_began_late(tmp_path, run_directory):
    with run(LATE, tmp_path, run_directory=run_directory, command=()) as recording:
        changes = recording.dispositions()

        def of(signum):
            return [(one.action, one.how, one.by) for one in changes if one.si_signo == signum]

        def at(what):
            return f"app.py:{line(LATE, what)}"

        assert of(signal.SIGUSR1) == [("ignore", "before", None)]
        assert of(signal.SIGALRM) == [("sigrec", "before", None)]
        assert of(signal.SIGUSR2) == [
            ("sigrec", "register", at("# registered")), ("default", "register", at("# cancelled"))
        ]  # fmt: skip
        assert of(signal.SIGURG) == [("sigrec", "register", at("# thread"))]
        assert of(signal.SIGTERM) == [("handler", "sigaction", at("# again"))]
        winch = of(signal.SIGWINCH)
        assert [one[:2] for one in winch] == [
            ("handler", "sigaction"), ("default", "sigaction"), ("handler", "sigaction")
        ]  # fmt: skip
        assert all("python" in by for _, _, by in winch)


CHILD = """
import os, signal, time
import sigrec
sigrec.record(children=True)
signal.signal(signal.SIGUSR1, lambda *_: None)  # parent
pid = os.fork()
if pid == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # child
    sigrec.stats()
    os._exit(0)
os.waitpid(pid, 0)
print(pid, flush=True)
os._exit(0)
"""


def test_a_forked_child_has_its_parents(tmp_path, run_directory):
    (tmp_path / "app.py").write_text(CHILD)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "app.py"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()}, preexec_fn=ignoring(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with sigrec.open_recording(run_directory / file_name(int(done.stdout))) as recording:
        (inherited,) = recording.dispositions(signal.SIGUSR1)
        (own,) = recording.dispositions(signal.SIGTERM)
        assert (inherited.how, inherited.by) == ("forked", f"app.py:{line(CHILD, '# parent')}")
        assert (own.how, own.by) == ("sigaction", f"app.py:{line(CHILD, '# child')}")
        assert inherited.monotonic_ns < own.monotonic_ns
