"""Forks while the dispatcher thread is in a handler."""

import os
import signal
import threading

import sigrec
from tests.prelude import RT, ledger, say, settle, with_room

inside, go = threading.Event(), threading.Event()


def handler(signum, frame):
    inside.set()
    go.wait()


sigrec.register(RT, handler, deliver="thread")
sigrec.register(signal.SIGUSR1, lambda signum, frame: None)
signal.raise_signal(signal.SIGUSR1)
settle(signal.SIGUSR1)  # the main thread handles signals, too
with_room(signal.raise_signal, RT)
inside.wait()
pid = os.fork()
if not pid:
    go = threading.Event()
    go.set()
    with_room(signal.raise_signal, RT)
    settle(RT)
    say(*ledger(RT))
    os._exit(0)
os.waitpid(pid, 0)
go.set()
settle(RT)
say(*ledger(RT))
