"""A handler on the dispatcher thread forks, and the child leaves it, in one of several ways."""

import os
import sys
import threading
import time
import warnings

import sigrec
from tests.prelude import RT, hear, say, sigqueue

warnings.simplefilter("ignore", DeprecationWarning)  # of fork with threads, 3.12


def write():
    time.sleep(0.01)
    os.write(1, b"its thread\n")


def handler(signum, info, frame):
    if pid := os.fork():
        say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    elif info.si_value == 0:
        threading.Thread(target=write, daemon=False).start()
        sys.stdout = open(1, "w", buffering=100, closefd=False)
        sys.stdout.write("child\n")
    elif info.si_value < 4:
        sys.exit([None, 3, "words"][info.si_value - 1])
    else:
        raise ValueError("no")


sigrec.register(RT, handler, deliver="thread", siginfo=True)
for value in range(5):
    sigqueue(os.getpid(), RT, value)
    hear()
