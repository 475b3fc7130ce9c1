"""Three threads raise three signals while the main thread is in C, or computes."""

import os
import signal
import threading

import sigrec
from sigrec import _core
from tests.prelude import RT, say, settle, with_room

calls = {}


def handler(signum, info, frame):
    calls[signum] = calls.get(signum, 0) + 1
    assert info is not None


signums = [RT, signal.SIGUSR1, signal.SIGUSR2]
for signum in signums:
    sigrec.register(signum, handler, siginfo=True)


def send():
    for n in range(500):
        for signum in signums:
            with_room(signal.raise_signal, signum)
        if n % 100 == 0:
            _core.flood(os.getpid(), RT, 1, True, 0, 12_000_000)  # the GIL is not held


threads = [threading.Thread(target=send) for _ in range(3)]
for t in threads:
    t.start()
hold = __import__("ctypes").PyDLL(None).usleep
while any(t.is_alive() for t in threads):
    hold(11_000)  # in C, with the GIL: trips are made again
    for _ in range(20_000):
        pass
settle(*signums)
say(all(calls[n] == sigrec.stats()[n].handled == sigrec.stats()[n].delivered for n in signums))
