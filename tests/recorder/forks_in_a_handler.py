"""Forks inside a handler while more signals wait for it."""

import os

import sigrec
from sigrec import _core
from tests.prelude import RT, ledger, say, settle, sigqueue

calls = []


def handler(signum, frame):
    calls.append(os.getpid())
    if len(calls) == 3:
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)


me = os.getpid()
sigrec.register(RT, handler)
_core.flood(me, RT, 20, True, 0)
settle(RT)  # (here or in the child)
if os.getpid() != me:
    say("child", calls.count(os.getpid()), RT in sigrec.stats() and sigrec.stats()[RT].delivered)
    sigqueue(os.getpid(), RT)
    say("child", calls.count(os.getpid()), *ledger(RT))
    os._exit(0)
settle(RT)
say("parent", calls.count(me), *ledger(RT))
