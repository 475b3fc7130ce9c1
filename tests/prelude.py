"""What is shared by the programs that tests start as children and talk with line by line.

This text is put in front of a program that is a string in its test; a program that is a file
imports from here.
"""

import os
import signal
import sys
import threading  # noqa: F401 (as for those that follow: strings use them)
import time

import sigrec
from sigrec import _core  # noqa: F401
from sigrec._proc import host  # noqa: F401
from sigrec._reader import places  # noqa: F401

RT = signal.SIGRTMIN + 2


calls = 0


def count_call(signum, frame):
    """A handler; `calls` says how often it was called."""
    global calls
    calls += 1


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())  # one write: whole lines


def hear():
    return sys.stdin.readline().strip()


def with_room(call, *args, **options):
    """Calls until there is room for one more signal or timer: how many may be queued
    (RLIMIT_SIGPENDING) is counted for all processes of a user together."""
    while True:
        try:
            return call(*args, **options)
        except BlockingIOError:
            time.sleep(0.001)  # the process that makes room needs a processor


def sigqueue(*args, **options):
    with_room(sigrec.sigqueue, *args, **options)


def have_alarm():
    """From now on timeout() has its timer, in this process."""
    block = sigrec.timeout(60)
    with_room(block.__enter__)
    block.__exit__(None, None, None)


def settle(*signums):
    for signum in signums:
        while sigrec.stats()[signum].pending:
            pass


def resident():
    """How many pages of this process are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])


def ledger(signum):
    s = sigrec.stats()[signum]
    return s.delivered, s.recorded + s.dropped, s.handled, s.pending
