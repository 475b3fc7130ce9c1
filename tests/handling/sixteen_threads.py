"""Sixteen threads send two signals to the main thread."""

import signal
import threading

import sigrec
from tests.prelude import ledger, say, settle

signums = [signal.SIGRTMIN + n for n in (1, 2)]
calls = dict.fromkeys(signums, 0)


def handler(signum, frame):
    calls[signum] += 1


for signum in signums:
    sigrec.register(signum, handler)
target = threading.get_ident()


def send(signum):
    for _ in range(1000):
        while True:
            try:
                signal.pthread_kill(target, signum)
                break
            except BlockingIOError:
                pass


threads = [threading.Thread(target=send, args=(signums[n % 2],)) for n in range(16)]
for t in threads:
    t.start()
for t in threads:
    t.join()
settle(*signums)
for signum in signums:
    say(calls[signum], *ledger(signum))
