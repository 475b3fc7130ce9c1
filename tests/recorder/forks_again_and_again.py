"""Forks as often as its argument says, in a flood; each child has a signal of its own."""

import os
import signal
import sys

import sigrec
from tests.prelude import RT, hear, ledger, say, settle, sigqueue

calls = 0


def count_call(signum, frame):
    global calls
    calls += 1


sigrec.register(RT, count_call)
own = signal.SIGRTMIN + 5
sigrec.register(own, count_call)
say("ready")
wrong = 0
for _ in range(int(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        calls = 0
        for _ in range(7):
            sigqueue(os.getpid(), own)
        found = (calls, ledger(own), sigrec.stats()[RT].delivered)
        if found != (7, (7, 7, 7, 0), 0):
            say(found)
        os._exit(0)
    while True:
        try:
            _, status = os.waitpid(pid, 0)
            break
        except InterruptedError:
            pass
    wrong += status != 0
say("forked", wrong)
hear()
settle(RT)
say(calls, *ledger(RT))
