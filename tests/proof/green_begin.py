"""What each program of green.py shares, after `import sigrec`."""

import contextlib
import os
import signal
import sys  # noqa: F401 (the end of each program uses it)
import time

RT = int(signal.SIGRTMIN) + 3
calls = []


def handler(signum, frame):
    calls.append(signum)


def send():
    kill = f"kill -{RT} {os.getpid()};"
    os.posix_spawn("/bin/sh", ["sh", "-c", kill * 5], os.environ)


@contextlib.contextmanager
def sending():  # again and again, since wait() hears only of what comes after it has begun
    kill = f"while kill -{RT} {os.getpid()}; do sleep 0.05; done"
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", kill], os.environ)
    yield
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def called():
    while len(calls) < 5:
        time.sleep(0.001)
