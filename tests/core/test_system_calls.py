"""What a lone signal costs in system calls: none that an empty handler does not make."""

import collections
import re
import shutil
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys
me = os.getpid()
def handler(signum, frame):
    pass
if sys.argv[1] == "sigrec":
    import sigrec
    sigrec.register(signal.SIGUSR1, handler)
else:
    signal.signal(signal.SIGUSR1, handler)
kill = os.kill  # with its siginfo, also where another process of this user floods
kill(me, signal.SIGUSR1)
os.getppid()
for _ in range(500):
    kill(me, signal.SIGUSR1)
os.getppid()
"""


def calls_between_the_marks(library, log):
    done = subprocess.run(
        ["strace", "-o", str(log), sys.executable, "-c", PROGRAM, library],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"strace does not work here: {done.stderr.strip()[:200]}")
    names = re.findall(r"^(\w+)\(", log.read_text(), re.MULTILINE)
    first, second = [n for n, name in enumerate(names) if name == "getppid"][-2:]
    return collections.Counter(names[first + 1 : second])


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_lone_signal_makes_no_system_call_of_its_own(tmp_path):
    plain = calls_between_the_marks("signal", tmp_path / "signal.log")
    ours = calls_between_the_marks("sigrec", tmp_path / "sigrec.log")
    assert plain["rt_sigreturn"] == 500
    ours.pop("gettid", None)  # which we may ask for
    # The clocks are looked at once a second, and each look is a vDSO call where there is one.
    ours.pop("clock_gettime", None)
    assert ours == plain
