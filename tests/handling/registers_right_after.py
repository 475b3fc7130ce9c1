"""Registers again and again, right after the last registration was cancelled by its handler."""

import os
import threading
import time

import sigrec
from tests.prelude import RT, say, sigqueue

missed = 0
for _ in range(20):
    over, again, calls = threading.Event(), threading.Event(), []

    def handler(signum, frame):
        calls.append(1)
        if len(calls) == 1:
            sigqueue(os.getpid(), RT)
            time.sleep(0.001)  # for the main thread, which takes it
        else:
            registration.cancel()
            over.set()

    registration = sigrec.register(RT, handler, deliver="thread")
    sigqueue(os.getpid(), RT)
    over.wait()
    time.sleep(0.001)
    with sigrec.register(RT, lambda *_: again.set(), deliver="thread"):
        sigqueue(os.getpid(), RT)
        missed += not again.wait(1)
say(missed)
