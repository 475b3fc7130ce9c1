"""Forks while the dispatcher thread runs; both handle signals."""

import os
import warnings

import sigrec
from tests.prelude import RT, ledger, say, settle, sigqueue

warnings.simplefilter("ignore", DeprecationWarning)  # of fork with threads, 3.12
calls = []
sigrec.register(RT, lambda s, f: calls.append(s), deliver="thread")
sigqueue(os.getpid(), RT)
settle(RT)
pid = os.fork()
if pid == 0:
    calls.clear()
    for _ in range(100):
        sigqueue(os.getpid(), RT)
    settle(RT)
    say(len(calls), *ledger(RT))
    os._exit(0)
os.waitpid(pid, 0)
sigqueue(os.getpid(), RT)
settle(RT)
say(len(calls), *ledger(RT))
