"""The beginning of each program of test_matrix, which runs with and without being recorded."""

import ctypes
import faulthandler  # noqa: F401 (as the others that only the cases use)
import os
import signal  # noqa: F401
import sys  # noqa: F401
import threading  # noqa: F401
import time

exec(os.environ["BEGIN"])
c = ctypes.CDLL(os.environ["COURSE"])
libc = ctypes.CDLL(None, use_errno=True)
me = os.getpid()


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def kill(signum, times=1):
    for _ in range(times):
        os.kill(me, signum)


def asleep(pid):
    while open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] != "S":
        time.sleep(0.01)


def switches(pid):
    return next(line for line in open(f"/proc/{pid}/status") if "ctxt" in line)


def while_blocked(signum, then):
    # A child that sends us the signal when we sleep in a system call, and then does more.
    own = os.readlink("/proc/self")  # our pid as /proc has it: it may be of another namespace
    pid = os.fork()
    if pid == 0:
        os.close(r)
        asleep(own)
        before = switches(own)
        os.kill(me, signum)
        end = time.monotonic() + 0.2
        while switches(own) == before and time.monotonic() < end:
            time.sleep(0.002)
        asleep(own)
        then()
        os._exit(0)


def c_read():
    buffer = ctypes.create_string_buffer(8)
    n = libc.read(r, buffer, 8)
    say("read", n, os.strerror(ctypes.get_errno()) if n < 0 else buffer.value)


r, w = os.pipe()
