"""Sets handlers before it records, and others while it does."""

import faulthandler
import os
import signal
import subprocess
import sys

import sigrec


def handler(*_):
    pass


signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # nobody saw
sigrec.register(signal.SIGALRM, handler)  # alone
assert sigrec.open_recording(os.getpid()).dispositions() == []
sigrec.record()
one = sigrec.register(signal.SIGUSR2, handler)  # registered
one.cancel()  # cancelled
two = sigrec.register(signal.SIGURG, handler, deliver="thread")  # thread
for _ in range(20):
    signal.signal(signal.SIGTERM, handler)  # again and again
# faulthandler itself sets SIGWINCH twice while it handles it: no line of Python does that.
faulthandler.register(signal.SIGWINCH, file=open(os.devnull, "w"), chain=True)
os.kill(os.getpid(), signal.SIGWINCH)
subprocess.run([sys.executable, "-c", ""], check=True)  # its signals are its own
os._exit(0)
