"""Each call of a handler raises; all signals wait when the first one is handled."""

import atexit
import os
import signal
import sys

import sigrec
from tests.prelude import RT, ledger, sigqueue

hook, n = sys.argv[1], int(sys.argv[2])


def own(kind, value, traceback):
    for _ in range(1000):
        pass  # the others' handlers run here
    print("HOOK", value, file=sys.stderr)


if hook == "own":
    sys.excepthook = own
elif hook == "stdout waits":
    print("x" * 1000)  # written when the program has ended
calls = 0


def handler(signum, frame):
    global calls
    calls += 1
    raise RuntimeError("number %d" % calls)


sigrec.register(RT, handler)
atexit.register(lambda: os.write(2, ("LEDGER %d %s\n" % (calls, ledger(RT))).encode()))
signal.pthread_sigmask(signal.SIG_BLOCK, {RT})
for value in range(n):
    sigqueue(os.getpid(), RT, value)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {RT})
