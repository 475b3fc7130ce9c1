"""What the programs of test_intake share: a flood of the signal that their first argument names."""

import os
import signal
import sys
import time

from sigrec import _core

S, ME = int(sys.argv[1]), os.getpid()


def sender(count=1 << 40, every_ns=20_000):
    """Its PID, and what lets it begin; a child, which is made before anything is registered."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        return pid, lambda: os.write(write, b"x")
    os.close(write)
    os.read(read, 1) or os._exit(1)
    try:
        _core.flood(ME, S, count, True, 60 * 10**9, every_ns)
    finally:
        os._exit(0)


def taken():
    return _core.count_intake(S)[0]


def mid_flood(since=None):
    """since: how many were taken then; None: now. A short flood may be over already."""
    before, deadline = taken() if since is None else since, time.monotonic() + 20
    while taken() < before + 20:
        assert time.monotonic() < deadline, "nobody borrows"


def calls_until_nobody_takes(calls):
    """In mid-flood: whether handlers alone take 2,000 signals, however late the thread gets to run."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        then, more = taken(), len(calls) + 2000
        while len(calls) < more:
            time.sleep(0.001)
        if taken() == then:
            return True
    return False


def end(pid):
    os.kill(pid, 9)
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        pass


def blocked(task="self"):
    with open(f"/proc/{task}/status") as file:
        return next(int(line.split()[1], 16) >> S - 1 & 1 for line in file if line[:6] == "SigBlk")


def calm():
    """Nothing is borrowed, and nothing waits in the kernel until it is given back."""
    deadline = time.monotonic() + 20
    while blocked() or S in signal.sigpending():
        assert time.monotonic() < deadline, "it is not given back"
