"""Sleeps for an hour, while another thread, which computes, takes the signals."""

import signal
import sys
import threading
import time

import sigrec
from tests.prelude import ledger, say

end = threading.Event()


def work():
    while not end.is_set():
        pass


worker = threading.Thread(target=work, daemon=True)
worker.start()
calls = 0


def handler(s, f):
    global calls
    calls += 1
    say(calls)
    if calls == 150:
        end.set()
        sys.exit()


sigrec.register(int(sys.argv[1]), handler)
say(worker.native_id)
try:
    time.sleep(3600)
finally:
    say(*ledger(int(sys.argv[1])), signal.SIGURG in sigrec.stats())
