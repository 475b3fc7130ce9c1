"""Who blocked which signal, in a process that records: the line of Python, or the library."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sigrec
from sigrec._proc.pidfd import Bystander
from sigrec._recorder.beside import note
from sigrec._why.masks import UNSEEN, UNSEEN_AT_END, blocked, of_now
from sigrec._why.sentence import why
from sigrec.cli import main
from tests.compiling import compiled
from tests.conftest import file_name
from tests.recorder.app import line, run
from tests.recorder.test_preload import LIBRARY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="recording needs Linux")

TERM, USR1 = signal.SIGTERM, signal.SIGUSR1


@pytest.fixture(scope="module")
def jumps(tmp_path_factory):
    return compiled(Path(__file__).with_name("jumps.c"), tmp_path_factory.mktemp("jumps") / "jumps")


APP = """
import signal, subprocess, sys, threading
import framework
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})  # app
framework.begin()
subprocess.run([sys.executable, "-c", "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [1])"])
thread = threading.Thread(target=signal.pthread_sigmask, args=(signal.SIG_BLOCK, {signal.SIGHUP}))
thread.start()
thread.join()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # once more is no change
signal.pthread_sigmask(signal.SIG_BLOCK, ())
"""
FRAMEWORK = """
import signal
def begin():
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})  # framework
"""


def test_the_line_of_python_that_did_it(tmp_path, run_directory):
    (tmp_path / "framework.py").write_text(FRAMEWORK)
    with run(APP, tmp_path, run_directory=run_directory) as recording:
        (term,) = (one for one in recording.masks(TERM) if one.si_signo)
        first, second = (one for one in recording.masks(USR1) if one.si_signo)
        assert (term.file, term.line) == (str(tmp_path / "app.py"), line(APP, "# app"))
        assert (term.blocked, term.main_thread, term.tid, term.how) == (
            True, True, recording.pid, "pthread_sigmask",
        )  # fmt: skip
        assert (first.line, second.line) == (line(APP, "# app"), line(FRAMEWORK, "# framework"))
        assert (first.blocked, second.blocked, second.mask) == (True, False, {TERM})
        (hup,) = (one for one in recording.masks(signal.SIGHUP) if one.si_signo)
        assert (hup.main_thread, hup.blocked) == (False, True)
        assert hup.tid not in (None, recording.pid)
        assert [*blocked(recording.masks())] == [TERM]
        assert recording._identity.blocked == 0


def test_a_mask_that_was_put_back_is_not_told_of_a_living_process(child):
    """A handler that blocks a signal, and returns."""
    p = child(
        """
        import ctypes
        recorder = sigrec.record()
        @ctypes.CFUNCTYPE(None, ctypes.c_int)
        def handler(signum):
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        ctypes.CDLL(None).signal(int(signal.SIGUSR1), handler)
        os.kill(os.getpid(), signal.SIGUSR1)
        say(sigrec.stats().processes[0].path)
        hear()
        """
    )
    with sigrec.open_recording(p.line()) as recording:
        assert [*blocked(recording.masks())] == [TERM]
        assert of_now(recording) == {} and "blocked" not in why(recording)
    p.tell()
    p.end()


def test_what_nobody_wrote_down_is_told_of_a_living_process(child):
    """A raw system call, as of a program in another language. What was blocked before, and what was
    written down, is no news."""
    p = child(
        """
        import ctypes, platform
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        recorder = sigrec.record()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        number = {"x86_64": 14, "aarch64": 135}[platform.machine()]
        of_term = ctypes.c_uint64(1 << signal.SIGTERM - 1)
        ctypes.CDLL(None).syscall(number, signal.SIG_BLOCK, ctypes.byref(of_term), None, 8)
        say(sigrec.stats().processes[0].path)
        hear()
        """
    )
    with sigrec.open_recording(p.line()) as recording, Bystander(p.pid) as bystander:
        assert of_now(recording)[TERM] == UNSEEN and {*of_now(recording)} == {TERM, USR1}
        assert f"; SIGTERM: {UNSEEN}" in why(recording)
        p.process.kill()
        seen = bystander.wait()  # while nobody has asked for its status
        assert {TERM, USR1, signal.SIGUSR2} == seen.blocked
        note(recording, seen, None, None)
        assert f"; SIGTERM: {UNSEEN_AT_END}" in why(recording)
    p.process.wait()


@pytest.mark.parametrize("does", ["blocks", "unblocks"])
@pytest.mark.parametrize("way", ["siglongjmp", "context"])
def test_a_mask_that_no_function_has_set(jumps, run_directory, way, does):
    """What was written down is not what the kernel has, who is believed."""
    environment = {**os.environ, "LD_PRELOAD": str(LIBRARY), "SIGREC_DIR": str(run_directory)}
    with subprocess.Popen([jumps, way, does], env=environment, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with sigrec.open_recording(process.pid) as recording:
            (newest,) = [one for one in recording.masks(TERM) if one.si_signo][-1:]
            said, now = why(recording), of_now(recording)
        process.kill()
    assert newest.blocked == (does == "unblocks")
    assert now == ({TERM: UNSEEN} if does == "blocks" else {})
    assert (f"; SIGTERM: {UNSEEN}" in said) == ("SIGTERM" in said) == (does == "blocks")


CHILD = """
import os, signal
import sigrec
sigrec.record({options})
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGUSR1, signal.SIGTERM}})  # parent
pid = os.fork()
if pid == 0:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {{signal.SIGTERM}})
    signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGHUP}})  # child
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    sigrec.stats()
    os._exit(1)
os.waitpid(pid, 0)
print(pid, flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("options", ["children=True", ""])
def test_a_forked_child_has_its_parents(tmp_path, run_directory, options):
    code = CHILD.format(options=options)
    (tmp_path / "app.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    with sigrec.open_recording(run_directory / file_name(int(done.stdout))) as recording:
        found = blocked(recording.masks())
        assert [(n, one.how, one.line) for n, one in found.items()] == [
            (signal.SIGHUP, "pthread_sigmask", line(code, "# child")),
            (USR1, "forked", line(code, "# parent")),
        ]  # fmt: skip
        assert found[USR1].main_thread
        # What the process did before anybody asked for its recording is there, too.
        assert [one.action for one in recording.dispositions(signal.SIGALRM)] == ["ignore"]


WAITS = """
import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, {what})  # blocks
print("up", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("what", ["{signal.SIGTERM}", "signal.valid_signals()"])
def test_a_process_that_could_not_be_asked_to_end(tmp_path, run_directory, capsys, what):
    (tmp_path / "app.py").write_text(WAITS.format(what=what))
    process = subprocess.Popen(
        [sys.executable, "-m", "sigrec", "run", "app.py"], cwd=tmp_path, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.getcwd()}, preexec_fn=lambda: signal.signal(2, signal.SIG_DFL),
    )  # fmt: skip
    with process:
        process.stdout.readline()
        process.terminate()
        pid = str(process.pid)

        def says(*command):
            main([*command, pid])
            return " ".join(capsys.readouterr().out.split())

        by = "blocked by app.py:3 since "
        alive = says("why")
        assert "1 SIGTERM is pending, blocked in every thread" in alive
        assert f"SIGTERM: {by}" in alive
        assert by in says("doctor")
        assert by in says("stats")
        process.kill()
        process.wait()
        assert f"SIGTERM: {by}" in says("why")
