"""A handler that runs while its registration ends."""

import signal
import sys
import threading
import time

import sigrec
from sigrec import _core
from tests.prelude import say

USR1 = signal.SIGUSR1
errors, again = [], []


class Boom(Exception):
    pass


def handler(signum, frame):
    if sys.argv[1] == "unregister":
        sigrec.unregister(signum)
    elif sys.argv[1] == "register" and len(again) < 2:
        again.append(sigrec.register(signum, lambda signum, frame: None))
    elif sys.argv[1] == "raise":
        while frame is not None:  # where it is caught
            if frame.f_code is sigrec.Registration.cancel.__code__:
                raise Boom
            frame = frame.f_back


stop = False


def worker():  # takes signals while the main thread blocks them
    while not stop:
        signal.pthread_kill(threading.get_ident(), USR1)
        time.sleep(0.00005)


signal.signal(USR1, lambda signum, frame: None)
thread = threading.Thread(target=worker)
thread.start()
for _ in range(1500):
    try:
        registration = sigrec.register(USR1, handler)
        registration.cancel()
    except Boom:
        pass
    try:
        while again:
            again.pop().cancel()
        registration.cancel()
        sigrec.unregister(USR1)
    except Boom:
        pass
stop = True
thread.join()
say(_core.get_handler(USR1), registration.active, sigrec.unregister(USR1))
signal.signal(USR1, lambda signum, frame: say("the program's"))
signal.raise_signal(USR1)
