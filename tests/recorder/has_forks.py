"""What the programs of test_children begin with: children that only sleep, and their end."""

import os
import signal
import sys  # noqa: F401 (those that are text use it)
import time

import sigrec

here = os.environ["SIGREC_DIR"]
sigrec.record(children=True)


def sleeper():
    pid = os.fork()
    if pid == 0:
        while True:
            time.sleep(60)
    return pid


def end(pid, signum=signal.SIGTERM):
    os.kill(pid, signum)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signum
    return pid
