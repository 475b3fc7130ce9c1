"""Forks under a flood; each child counts its own."""

import os
import sys

import sigrec
from tests.prelude import RT, ledger, say, sigqueue

calls = 0


def handler(signum, frame):
    global calls
    calls += 1


sigrec.register(RT, handler)
for _ in range(3):
    sigqueue(os.getpid(), RT)
pid = os.fork()
if pid == 0:
    say(os.path.exists(os.path.join(os.environ["SIGREC_DIR"], f"{os.getpid()}.sigrec")))
    calls = 0
    for _ in range(5):
        sigqueue(os.getpid(), RT)
    s = sigrec.stats()
    say(calls, *ledger(RT), s.processes[0].pid == os.getpid())
    events = list(sigrec.open_recording(os.getpid()).events())
    say(len(events), [e.ordinal for e in events])
    sys.exit()
os.waitpid(pid, 0)
say(calls, *ledger(RT), len(os.listdir(os.environ["SIGREC_DIR"])))
