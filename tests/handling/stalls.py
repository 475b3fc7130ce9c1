"""A timer of 20 kHz over a process that stalls, in each way."""

import ctypes
import random
import signal
import sys
import threading
import time

import sigrec
from tests.prelude import hear, say, with_room

interval = 50_000
rng = random.Random(4)
held = ctypes.PyDLL(None)  # keeps the GIL
with with_room(
    sigrec.timer,
    interval / 1e9,
    thread=threading.get_native_id() if sys.argv[1] == "thread" else None,
) as timer:
    time.sleep(0.001)

    # Around each clock the count is read: both ends are within what was read.
    def look():
        before = time.monotonic_ns()
        count = timer.expirations
        return before, count, time.monotonic_ns()

    first = look()
    say("ready")
    for _ in range(60):
        kind = rng.randrange(4)
        pause = rng.randrange(1, 20_000)
        if kind == 0:
            held.usleep(pause)
        elif kind == 1:
            time.sleep(pause / 1e6)
        elif kind == 2:
            signal.pthread_sigmask(signal.SIG_BLOCK, {timer.signum})
            held.usleep(pause)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {timer.signum})
        else:
            end = time.monotonic_ns() + pause * 1000
            while time.monotonic_ns() < end:
                pass
    hear()
    last = look()
counted = last[1] - first[1]
lowest = (last[0] - first[2]) // interval - 1
highest = (last[2] - first[0]) // interval + 2
say(lowest <= counted <= highest, lowest, counted, highest)
say(sigrec.stats()[timer.signum].delivered < counted)
