"""Has an orphan, as a subreaper, and is told of its end."""

import ctypes
import os
import signal
import sys

import sigrec

libc = ctypes.CDLL(None)
if sys.argv[1] == "before":
    libc.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
sigrec.record(children=True)
if sys.argv[1] == "after":
    libc.prctl(36, 1)
read, write = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.write(write, str(os.getpid()).encode())
        signal.pause()
    os._exit(0)
os.wait()
orphan = int(os.read(read, 20))
with sigrec.open_recording(os.getpid()) as mine, sigrec.open_recording(orphan) as its:
    assert (mine._identity.subreaper, its._identity.subreaper) == (1, 0)
print(orphan, flush=True)
sys.stdin.readline()
os.waitpid(orphan, 0)
sys.stdin.readline()
