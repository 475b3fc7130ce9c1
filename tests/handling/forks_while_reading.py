"""Forks in a handler within the wait of a stream, and while a handler runs on the dispatcher thread."""

import os
import signal
import threading
import time
import warnings

import sigrec
from tests.prelude import RT, say, sigqueue

warnings.simplefilter("ignore", DeprecationWarning)
done, pids = threading.Event(), []


def fork(signum, frame):
    pids.append(os.fork())
    if pids[0]:
        sigqueue(os.getpid(), RT, 7)


def once(signum, frame):
    registration.cancel()
    pids.clear()
    done.wait(20)


signal.signal(signal.SIGALRM, fork)
stream = sigrec.stream(RT)
threading.Thread(target=lambda: [time.sleep(0.05), os.kill(os.getpid(), signal.SIGALRM)]).start()
try:
    say(stream.get().si_value)
except sigrec.SigrecError:
    say("refused")
    os._exit(0)
os.waitpid(pids[0], 0)
registration = sigrec.register(signal.SIGUSR2, once, deliver="thread")
os.kill(os.getpid(), signal.SIGUSR2)
while pids:
    time.sleep(0.001)
threading.Thread(target=lambda: [time.sleep(0.05), sigqueue(os.getpid(), RT, 8)]).start()
say(stream.get().si_value)
pid = os.fork()
if pid == 0:
    called = threading.Event()
    sigrec.register(signal.SIGUSR2, lambda *args: called.set(), deliver="thread")
    os.kill(os.getpid(), signal.SIGUSR2)
    say(called.wait(20))
    os._exit(0)
os.waitpid(pid, 0)
done.set()
