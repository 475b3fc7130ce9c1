"""Processes in PID namespaces of their own, as in containers that share a directory."""

import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

import sigrec
from sigrec._proc import namespace
from sigrec._reader import places
from sigrec._why.sentence import why
from sigrec.cli import main
from tests.conftest import wait_until

ALONE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
pytestmark = pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run([*ALONE, "true"], capture_output=True).returncode,
    reason="no PID namespace can be made here",
)

APP = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, lambda s, f: sys.exit(3))
print("ready", flush=True)
for line in sys.stdin:
    done = subprocess.run([sys.executable, "-m", "sigrec", *line.split()], capture_output=True, text=True)
    print(" ".join((done.stdout + done.stderr).split()), flush=True)
"""


class Container:
    """Its PID 1 is a recorded Python; ``pid`` is that one's here."""

    def __init__(self):
        self.process = subprocess.Popen(
            [*ALONE, sys.executable, "-m", "sigrec", "run", "-c", APP],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"
        (self.pid,) = map(
            int, open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split()
        )

    def sigrec(self, *arguments):
        """What the command says inside."""
        self.process.stdin.write(" ".join(arguments) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def end(self, signum):
        os.kill(self.pid, signum)
        self.process.wait(60)


@pytest.fixture
def container(run_directory):
    made = []

    def start():
        made.append(Container())
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        one.process.communicate()


def test_a_container_that_is_started_again(container, run_directory, capsys):
    """Its PID 1 has the number of the one before, perhaps in a namespace of the same number."""
    for _ in range(20):
        first = container()
        first.end(signal.SIGTERM)
        (before,) = run_directory.glob("*.sigrec")
        if not places.find(first.pid):
            break  # or an earlier program of this user's, which had that PID here, has left one
        before.unlink()
    second = container()
    names = {path.name for path in run_directory.glob("*.sigrec")}
    assert len(names) == 2 and before.name in names
    assert before.name.startswith("1@")  # and not 1.sigrec, as everybody's
    with sigrec.open_recording(before) as recording:
        assert "exited by itself with status 3" in why(recording)
    assert ") is still running;" in second.sigrec("why", "1")
    # Asked from outside, by the PID here.
    with sigrec.open_recording(second.pid) as recording:
        assert (recording.pid, recording.state) == (1, "alive")
        assert ") is still running;" in why(recording)
    status, said = main(["doctor", str(second.pid)]), " ".join(capsys.readouterr().out.split())
    assert status == ("problem RLIMIT_SIGPENDING" in said)  # another process's doing
    assert "in a PID namespace of its own, where it is PID 1" in said
    assert main(["why", "1"]) == 1  # the PID 1 of here
    assert "has that PID in another PID namespace: name the file" in capsys.readouterr().err
    # By the PID that the process had here, which nobody knows any more.
    assert main(["why", str(first.pid)]) == 1
    assert "of processes in other PID namespaces" in capsys.readouterr().err
    # By the name that a process outside of any namespace would have: the newest is meant.
    with sigrec.open_recording(run_directory / "1.sigrec") as recording:
        assert recording.state == "alive"


def test_two_containers_of_one_pod(container, run_directory):
    one, other = container(), container()
    found = {}
    for path in run_directory.glob("*.sigrec"):
        with sigrec.open_recording(path) as recording:
            found[path.name] = recording.state
    assert list(found.values()) == ["alive", "alive"]
    one.end(signal.SIGKILL)
    with sigrec.open_recording(other.pid) as recording:
        assert recording.state == "alive"
        assert recording._header.namespace == namespace.inside(other.pid)[0]


def all_is_seen():
    """Neither in a PID namespace nor in a user namespace."""
    with open("/proc/self/uid_map") as file:
        if file.read().split() != ["0", "0", "4294967295"]:
            return False
    return namespace.inside(os.getpid())[0] == namespace.FIRST


@pytest.mark.skipif(not all_is_seen(), reason="not all is seen")
def test_one_that_was_killed_and_is_started_again(container, run_directory):
    """Inside nobody can see that it ended, but that the same program was started again."""
    first = container()
    first.end(signal.SIGKILL)
    (before,) = run_directory.glob("*.sigrec")
    with sigrec.open_recording(before) as recording:  # from here it is seen to be gone
        wait_until(lambda: recording.state == "ended")
        assert "which usually means SIGKILL" in why(recording)
    second = container()
    with sigrec.open_recording(second.pid) as recording:
        same = recording.path.startswith(str(before).removesuffix(".sigrec"))
    answer = second.sigrec("why")
    if not same:  # else its namespace has the number of the one before, and it is seen to be gone
        assert "in another PID namespace, and cannot be seen from here" in answer
        assert "the same program was started again at" in answer
    else:
        assert "which usually means SIGKILL" in answer


WITHOUT_PROC = """
import os, subprocess, sys
from sigrec._proc import pidfd
from sigrec.cli import main
twin = int(sys.argv[1])
with open("/proc/sys/kernel/ns_last_pid", "w") as file:
    file.write(str(twin - 1))
with subprocess.Popen([sys.executable, "-m", "sigrec", "run", "-c", "import os; os.kill(os.getpid(), 9)"]) as process:
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    pidfd._REAPED_S = 0
    print(process.pid)
    for verb in ("why", "--wait"), ("why",), ("doctor",), ("attach",):
        main([*verb, str(process.pid)])
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare(1)"
)
def test_in_a_namespace_without_a_proc_of_its_own(run_directory):
    """There /proc has another process under that PID: this one."""
    done = subprocess.run(
        ["unshare", "--pid", "--fork", sys.executable, "-c", WITHOUT_PROC, str(os.getpid())],
        capture_output=True, text=True,
    )  # fmt: skip
    pid, waited, asked = done.stdout.splitlines()  # and no more
    assert int(pid) == os.getpid(), done.stderr
    assert re.fullmatch(
        rf"PID {pid} ended, as was seen at [\d:]+; how it ended is not known\.", waited
    )
    why_unseen = "in this PID namespace, of which /proc shows nothing here"
    assert f" is {why_unseen}, and cannot be seen from here; " in asked
    assert done.stderr.count("no /proc that shows the processes of this PID namespace") == 2
