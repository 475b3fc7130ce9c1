"""Blocks the signals of sigrec's kicks in mid-flood: then handlers take all, and nothing is called
twice when the kicks that were sent before arrive."""

import signal
import time

import sigrec
from tests.handling.floods import S, calls_until_nobody_takes, end, mid_flood, sender
from tests.prelude import ledger

KICKS = {signal.SIGURG, signal.SIGWINCH}

calls, by_handlers, exact = [], [], []
sigrec.register(S, lambda signum, frame: calls.append(signum), intake="thread")
for _ in range(10):
    pid, go = sender()
    go()
    mid_flood()
    signal.pthread_sigmask(signal.SIG_BLOCK, KICKS)
    by_handlers.append(calls_until_nobody_takes(calls))
    end(pid)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, KICKS)
    deadline = time.monotonic() + 20
    while ledger(S)[3] and time.monotonic() < deadline:
        time.sleep(0.001)
    delivered, recorded, handled, pending = ledger(S)
    exact.append(delivered == handled == len(calls))
print(all(by_handlers), all(exact))
