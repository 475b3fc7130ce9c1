"""The program waits for a slow handler."""

import os
import signal
import sys
import threading

import sigrec
from sigrec import _core
from tests.prelude import RT, ledger, say, settle, sigqueue

_core.set_patience(0.05)
go, inside = threading.Event(), threading.Event()
sigrec.register(RT, lambda s, f: (inside.set(), go.wait()), deliver="thread")
sigqueue(os.getpid(), RT)
inside.wait()
say(sigrec.wait(signal.SIGUSR1, timeout=0.01))
registration = sigrec.register(RT + 1, lambda s, f: say("handled later"), deliver="thread")
sigqueue(os.getpid(), RT + 1)


def handler(s, f):
    try:
        registration.cancel()
    except sigrec.SigrecError as error:
        say(registration.active, error)


eval(sys.argv[1])(signal.SIGUSR1, handler)
signal.raise_signal(signal.SIGUSR1)
go.set()
settle(RT + 1)
say(*ledger(RT + 1), sigrec.stats()[RT + 1].abandoned)
