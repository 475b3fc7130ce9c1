"""Blocks a signal in mid-flood, and takes it by sigtimedwait(2)."""

import signal
import time

import sigrec
from tests.handling.floods import S, calm, end, mid_flood, sender, taken
from tests.prelude import ledger, settle

inside, ran, wrong = False, [], []
pid, go = sender()
sigrec.register(S, lambda signum, frame: ran.append(inside), intake="thread")
go()
for n in range(20):
    mid_flood()
    old = signal.pthread_sigmask(signal.SIG_BLOCK, [S])
    inside, then = True, taken()
    time.sleep(0.002)
    if S in old or taken() != then or signal.sigtimedwait([S], 1) is None:
        wrong.append(n)
    inside = False
    signal.pthread_sigmask(signal.SIG_SETMASK, old)
end(pid)
calm()
settle(S)
delivered, recorded, handled, pending = ledger(S)
print(wrong, any(ran), len(ran) == handled == delivered)
