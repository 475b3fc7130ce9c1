"""Many signals raise KeyboardInterrupt into a thread, which cleans up."""

import os
import threading
import time

import sigrec
from sigrec import _core
from tests.prelude import RT, ledger, say, settle

seen = []
ready = threading.Event()


def work():
    try:
        ready.set()
        while True:
            time.sleep(0.001)
    except KeyboardInterrupt:
        seen.append(1)
        for _ in range(100):
            time.sleep(0.0001)
        seen.append("cleaned up")


worker = threading.Thread(target=work)
worker.start()
ready.wait()
calls = []
sigrec.register(RT, lambda s, f: calls.append(s), propagate=KeyboardInterrupt)
_core.flood(os.getpid(), RT, 5, True, 60_000_000_000)  # in C: no handler runs in between
worker.join()
settle(RT)
say(len(calls), *seen)
say(*ledger(RT))
