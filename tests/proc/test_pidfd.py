"""A bystander: how a process ended that is not its child."""

import os
import signal
import subprocess
import sys

import pytest

from sigrec._proc import pidfd
from sigrec._proc.pidfd import Bystander, bystander

ENDS = {
    "import os; input(); os._exit(3)": (None, 3),
    "input()": (None, 0),
    "import os; input(); os.kill(os.getpid(), 15)": (15, None),
    "import os; input(); os.abort()": (6, None),
}  # fmt: skip


@pytest.mark.parametrize("reaped", [True, False])
@pytest.mark.parametrize("code", ENDS)
def test_how_it_ended(code, reaped):
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    with process, Bystander(process.pid) as beside:
        assert beside.wait(0) is None
        process.stdin.write(b"\n")
        process.stdin.flush()
        if reaped:
            process.wait()
        ended = beside.wait(60)
        assert ended == beside.wait()  # again, after the process is gone
    if reaped and not pidfd.tells_of_the_reaped():
        pytest.skip("this kernel does not tell of one that was waited for")
    assert (ended.signal, ended.status) == ENDS[code]
    assert ended.seen_by == ("pidfd" if reaped else "proc")


def test_a_core_dump_and_the_whole_group_of_threads():
    code = (
        "import ctypes, os, threading\n"
        "threading.Thread(target=lambda: (input(), os._exit(5))).start()\n"
        "ctypes.CDLL(None).pthread_exit(0)"  # the first thread ends, and the process does not
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    with process, Bystander(process.pid) as beside:
        assert beside.wait(0.2) is None
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert beside.wait(60).status == 5


def test_there_is_none():
    process = subprocess.Popen(["true"])
    process.wait()
    with pytest.raises(ProcessLookupError):
        Bystander(process.pid)
    assert bystander(process.pid) is bystander(None) is None


OTHER = """
import importlib.util, os, sys
sys.path[:0] = [sys.argv[1]]
os.setgroups([]); os.setgid(65534); os.setuid(65534)
from sigrec._proc import pidfd
pidfd._REAPED_S = float(sys.argv[3])
beside = pidfd.Bystander(int(sys.argv[2]))
print("ready", flush=True)
ended = beside.wait(60)
print(ended.signal, ended.status, ended.seen_by)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
@pytest.mark.parametrize("reaped", [True, False])
def test_another_users_process(tmp_path, reaped):
    """Whom /proc tells 0, and not how it ended: nobody is to take that for an exit status."""
    here = os.path.dirname(os.path.dirname(os.path.dirname(pidfd.__file__)))
    with subprocess.Popen(["sleep", "600"]) as process:
        # Its modules are imported as root, since no other user may read a home directory.
        code = OTHER.replace("os.setgroups", "import sigrec._proc.pidfd, fcntl; os.setgroups")
        with subprocess.Popen(
            # If nobody reaps it, there is nothing to wait for.
            [sys.executable, "-c", code, here, str(process.pid), "10" if reaped else "0.1"],
            stdout=subprocess.PIPE,
            text=True,
        ) as other:
            assert other.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGKILL)
            if reaped:
                process.wait()
            said = other.stdout.read().split()
    if reaped and pidfd.tells_of_the_reaped():
        assert said == ["9", "None", "pidfd"]
    else:
        assert said == ["None", "None", "None"]
