"""Sends to a worker thread what all threads block."""

import os
import signal
import threading

import sigrec
from tests.prelude import RT, ledger, say, settle, sigqueue

signal.pthread_sigmask(signal.SIG_BLOCK, {RT})  # in the worker too, which inherits it
sigrec.register(RT, lambda *a: None)
go, there = threading.Event(), threading.Event()


def work():
    there.set()
    go.wait()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {RT})


worker = threading.Thread(target=work)
worker.start()
there.wait()
for value in range(5):
    sigqueue(os.getpid(), RT, value, thread=worker.native_id)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {RT})  # none of them is for this thread
say(sigrec.stats()[RT].delivered)
go.set()
worker.join()
settle(RT)
say(*ledger(RT))
