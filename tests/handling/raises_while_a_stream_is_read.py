"""Another signal's handler raises as an event comes, while the main thread waits for it."""

import os
import signal
import sys
import threading
import time

import sigrec
from tests.prelude import RT, say, sigqueue

sys.setswitchinterval(60)


class Raised(Exception):
    pass


def raises(signum, frame):
    raise Raised


def sends():
    for _ in range(9):
        turn.acquire()
        while not stream._waiters:
            time.sleep(0.001)
        sigqueue(os.getpid(), RT)
        os.kill(os.getpid(), signal.SIGUSR1)


signal.signal(signal.SIGUSR1, raises)
turn = threading.Semaphore(0)
taken = 0
with sigrec.stream(RT) as stream:
    batches = stream.batches()
    threading.Thread(target=sends).start()
    for read in (stream.get, lambda: next(stream), lambda: next(batches)) * 3:
        turn.release()
        try:
            read()
            taken += 1
        except Raised:
            taken += stream.get(30) is not None  # once it is handed out
say(taken)
