"""record(children=True): a forked child has a recording from its first instruction on."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import sigrec
from sigrec._recorder import retention
from tests.conftest import file_name
from tests.reader.test_places import NOBODY

HERE = Path(__file__).parent
PARENT = (HERE / "has_forks.py").read_text()  # how programs begin that are text here


def run(program, *arguments):
    program = [program] if isinstance(program, Path) else ["-c", PARENT + program]
    # Python's warning of a fork beside threads, since 3.12
    command = [sys.executable, "-W", "ignore::DeprecationWarning", *program, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [int(word) for word in done.stdout.split()]


def told(run_directory, pid):
    """What its recording says, of whose numbers begin at 0; the parent is its parent."""
    with sigrec.open_recording(run_directory / file_name(pid)) as recording:
        assert recording.pid == pid
        assert (recording.fatal_signal, recording.fatal_ordinal) == (15, 0)
        assert recording.signals[15].delivered == 1
        (event,) = recording.events(15)
        assert event.ordinal == 0
        return event.si_pid


def spares(run_directory):
    return [name for name in os.listdir(run_directory) if name.endswith(".spare")]


@pytest.mark.skipif(sys.platform != "linux", reason="needs memory that fork wipes")
@pytest.mark.parametrize("burst", [1, 8])
def test_a_child_that_is_ended_at_once_has_a_recording(run_directory, burst):
    parent, *pids = run(
        """
print(os.getpid())
for _ in range(3):
    print(*map(end, [sleeper() for _ in range(int(sys.argv[1]))]))
""",
        str(burst),
    )
    assert len(pids) == 3 * burst
    for pid in pids:
        assert told(run_directory, pid) == parent
        with sigrec.open_recording(run_directory / file_name(pid)) as recording:
            assert recording._identity.ppid == parent
    assert spares(run_directory) == []
    said = subprocess.run(
        [sys.executable, "-m", "sigrec", "why", str(pids[-1])], capture_output=True, text=True
    )
    assert f"PID {pids[-1]} " in said.stdout
    assert f"was terminated by SIGTERM, sent by PID {parent}" in said.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="needs memory that fork wipes")
def test_children_that_threads_and_children_fork(run_directory):
    pids = run(HERE / "threads_and_children_fork.py")
    assert len(set(pids)) == 10
    for pid in pids:
        told(run_directory, pid)


def test_a_childs_hook_goes_on_where_its_first_signal_was_written(run_directory):
    """It is counted once, in one file; what the parent takes is the parent's."""
    parent, pid = run(
        """
signal.signal(signal.SIGUSR1, lambda *_: None)
signal.raise_signal(signal.SIGUSR1)
blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
pid = os.fork()
if pid == 0:
    signal.raise_signal(signal.SIGUSR1)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    signal.raise_signal(signal.SIGUSR1)
    counts = sigrec.stats()
    assert counts.processes[0].path.startswith(here) and counts[signal.SIGUSR1].delivered == 2
    os.kill(os.getpid(), signal.SIGTERM)  # with its sender, whoever else floods
os.waitpid(pid, 0)
print(os.getpid(), pid)
"""
    )
    assert told(run_directory, pid) == pid
    with sigrec.open_recording(run_directory / file_name(pid)) as recording:
        assert recording.signals[10].delivered == 2
        assert [event.ordinal for event in recording.events(10)] == [0, 1]


def test_who_does_not_fork_has_no_spares_and_a_child_removes_nothing(run_directory):
    old = [run_directory / file_name(NOBODY + n) for n in range(40)]
    for path in old:
        path.touch()  # left empty: what a clean-up removes
    left = run(
        """
left = lambda: sum(name.endswith(".sigrec") for name in os.listdir(here))
print(left(), sum(name.endswith(".spare") for name in os.listdir(here)), flush=True)
open(sys.argv[1], "w").close()
end(sleeper())
print(left())
""",
        str(old[0]),
    )
    assert left == [1, 0, 3]


def test_the_parent_removes_what_its_children_left(run_directory):
    left, loaded = run(
        """
before = len(sys.modules)
for _ in range(256):
    if os.fork() == 0:
        os._exit(0)
    os.wait()
print(sum(name.endswith(".sigrec") for name in os.listdir(here)), len(sys.modules) - before)
"""
    )
    assert left < 64 and loaded == 0


def test_what_each_fork_would_copy_is_not_imported(run_directory):
    code = "import sys, sigrec; sigrec.record(children=True); print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"signal", "enum", "collections", "sigrec._reader.recording"} & set(loaded)


def test_spares_of_a_process_that_is_gone_are_removed(tmp_path):
    tmp_path.chmod(0o700)
    mine, gone = f".{file_name(os.getpid())}", f".{file_name(NOBODY)}"
    theirs = f".{NOBODY}@4026530000.0.spare"
    names = [name.removesuffix(".sigrec") + ".3.spare" for name in (mine, gone)]
    for name in (*names, theirs, ".x.spare", f".{NOBODY}.spare", f".{NOBODY}.x.spare"):
        (tmp_path / name).touch()
    retention.clean(str(tmp_path))
    assert names[0] in os.listdir(tmp_path) and names[1] not in os.listdir(tmp_path)
    assert len(os.listdir(tmp_path)) == 5
    os.utime(tmp_path / theirs, (time.time() - 90000,) * 2)
    retention.clean(str(tmp_path))
    assert len(os.listdir(tmp_path)) == 4
