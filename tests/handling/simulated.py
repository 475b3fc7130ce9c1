"""A signal that nobody sent: PyErr_SetInterrupt, and what it calls."""

import _thread
import ctypes
import signal
import sys
import threading

import sigrec.compat
from tests.prelude import ledger, say, settle

door, how = sys.argv[1:]
calls = []


def handler(signum, *rest):
    calls.append(rest[0] if len(rest) == 2 else "plain")
    if door == "slow" and len(calls) == 1:
        _thread.interrupt_main()  # it waits its turn
        for _ in range(1000):
            pass
        calls.append("end")


if door == "record":
    recorder = sigrec.record()
if door == "compat":
    sigrec.compat.signal(signal.SIGINT, handler)
else:
    sigrec.register(signal.SIGINT, handler, siginfo=door == "siginfo", reentrant=False)
if how == "interrupt_main":
    _thread.interrupt_main()
elif how == "PyErr_SetInterrupt":
    ctypes.pythonapi.PyErr_SetInterrupt()
else:
    threading.Thread(target=_thread.interrupt_main).start()
while len(calls) < (3 if door == "slow" else 1):
    pass  # after some rest, if that took long
for _ in range(1000):
    pass
say(*calls, *ledger(signal.SIGINT))
signal.raise_signal(signal.SIGINT)
settle(signal.SIGINT)
say(len(calls), *ledger(signal.SIGINT))
