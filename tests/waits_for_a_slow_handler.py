"""Closes a stream, and cancels a registration, while a handler runs on the dispatcher thread."""

import os
import signal
import sys
import threading
import time

import sigrec
from sigrec import _core
from tests.prelude import RT, ledger, say, sigqueue

_core.set_patience(0.05)
inside = threading.Event()


def slow(s, f):
    inside.set()
    time.sleep(0.3)


if sys.argv[1] == "another thread":  # none runs there
    signal.signal(signal.SIGUSR1, lambda s, f: None)
registration = sigrec.register(RT, slow, deliver="thread")
stream = sigrec.stream(RT + 1)


def end():
    sigqueue(os.getpid(), RT)
    inside.wait()
    sigqueue(os.getpid(), RT + 1)
    while not ledger(RT + 1)[0]:
        time.sleep(0.001)
    stream.close()
    sigqueue(os.getpid(), RT)
    while ledger(RT)[0] < 2:
        time.sleep(0.001)
    registration.cancel()
    say(len(stream.unread), *ledger(RT), sigrec.stats()[RT].abandoned)


if sys.argv[1] == "main thread":
    end()
else:
    thread = threading.Thread(target=end)
    thread.start()
    thread.join()
