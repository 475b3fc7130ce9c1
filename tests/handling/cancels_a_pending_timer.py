"""Cancels a timer while its signal is blocked in each thread that could take it."""

import signal
import sys
import threading
import time

import sigrec
from tests.prelude import RT, say, with_room

interval, thread = 2_000_000, sys.argv[1]
signal.pthread_sigmask(signal.SIG_BLOCK, {RT})
end = threading.Event()
worker = threading.Thread(target=end.wait)
worker.start()
tid = {"own": threading.get_native_id(), "another": worker.native_id}.get(thread)
before = time.monotonic_ns()
timer = with_room(sigrec.timer, interval / 1e9, thread=tid, signum=RT)
began = time.monotonic_ns()
time.sleep(0.1)
seen = timer.expirations
first = time.monotonic_ns()
timer.cancel()
last = time.monotonic_ns()
lowest, highest = (first - began) // interval, (last - before) // interval
say(lowest <= timer.expirations <= highest, lowest, timer.expirations, highest)
say(seen)
end.set()
