"""SIGHUP: clean up gracefully when the terminal goes away, or on kill -HUP, while input() blocks.

Run it, and from another terminal: kill -HUP PID
"""

import gc
import os
import signal
import sys
import tempfile
from pathlib import Path

import sigrec

scratch = tempfile.NamedTemporaryFile(prefix="sigrec-example-", delete=False)


def clean_up(why):
    gc.disable()  # CPython 3.12 loses an exception from inside input() when a collection is due
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a hang-up from here on must not cut this short
    Path(scratch.name).unlink(missing_ok=True)
    try:
        print(f"{why}; {scratch.name} is removed.", flush=True)
    except OSError:
        sys.stdout = sys.stderr = None  # the terminal is gone: there is nobody to tell
    raise SystemExit(0)


def on_hangup(signum, info, frame):
    clean_up(f"Hung up by {info.sender if info else 'somebody'}")


sigrec.register(signal.SIGHUP, on_hangup, siginfo=True)
print(f"PID {os.getpid()}, working in {scratch.name}", flush=True)
try:
    input("Press Enter to end: ")
except (EOFError, OSError):
    pass  # a terminal that goes away ends input() too, perhaps before the signal is here
clean_up("The end")
