"""Cancels timers while their signal is pending, from other threads."""

import signal
import threading
import time

import sigrec
from tests.prelude import RT, say, with_room

ready, go = threading.Event(), threading.Event()


def work():
    signal.pthread_sigmask(signal.SIG_BLOCK, {RT})
    ready.set()
    go.wait()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {RT})


worker = threading.Thread(target=work)
worker.start()
ready.wait()
with with_room(sigrec.timer, 0.0001, thread=worker.native_id, signum=RT):
    time.sleep(0.001)
go.set()
worker.join()
for _ in range(300):
    timer = with_room(sigrec.timer, 0.0001)
    worker = threading.Thread(target=timer.cancel)
    worker.start()
    worker.join()
say("alive")
