"""Signals to itself, before and after it imports sigrec: what it counts, and what sigrec does."""

import os
import signal
import sys
import threading

SIGNUM = signal.SIGRTMIN + 1
EACH = 300
own, handled = [], []


def to_itself():
    for _ in range(EACH):
        os.kill(os.getpid(), SIGNUM)


signal.signal(SIGNUM, lambda *_: own.append(1))
print("ready", flush=True)
sys.stdin.readline()
to_itself()

import sigrec  # noqa: E402


def queue():
    for _ in range(EACH):
        while True:
            try:
                sigrec.sigqueue(os.getpid(), SIGNUM)
                break
            except BlockingIOError:  # too many wait
                pass


with sigrec.register(SIGNUM, lambda *_: handled.append(1)):
    threads = [threading.Thread(target=queue) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
to_itself()
one = sigrec.stats()[SIGNUM]
print(len(own), len(handled), one.delivered, one.recorded + one.dropped, one.handled, one.pending)
