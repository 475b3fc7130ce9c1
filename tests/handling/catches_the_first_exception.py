"""The first of several calls of a handler raises, and the program catches it."""

import os
import signal
import sys

import sigrec
from tests.prelude import RT, ledger, say, sigqueue

calls = 0


def handler(signum, frame):
    global calls
    calls += 1
    if calls == 1:
        raise RuntimeError(calls)


hook = sys.excepthook
sigrec.register(RT, handler)
signal.pthread_sigmask(signal.SIG_BLOCK, {RT})
for value in range(5):
    sigqueue(os.getpid(), RT, value)
caught = []
for _ in range(3):
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {RT})
        for _ in range(1000):
            pass
    except RuntimeError as error:
        caught.append(str(error))
say(*caught, calls, sys.excepthook is hook, *ledger(RT))
