"""Two libraries, and register(), take a signal and give it back, step by step."""

import ctypes
import os
import resource
import signal
import sys

import sigrec

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
libraries = {name: ctypes.CDLL(f"{sys.argv[1]}/{name}.so") for name in "ab"}
libc = ctypes.CDLL(None)
if sys.argv[3] == "True":
    recorder = sigrec.record()
signum, made = signal.SIGUSR1, {}
for step in sys.argv[2].split():
    if step == "chld":
        signum = signal.SIGCHLD
    elif step == "!":
        os.kill(os.getpid(), signum)
        for _ in range(1000):
            pass
    elif step == "ign":
        libc.signal(signum, ctypes.c_void_p(1))
    elif step == "dfl":
        libc.signal(signum, None)
    elif step[0] == "r":
        made[step] = sigrec.register(signum, lambda s, f, name=step[1]: os.write(1, name.encode()))
    elif step[0] == "-" and step[1] == "r":
        made[step[1:]].cancel()
    elif step[0] == "-":
        libraries[step[1]].leave(signum)
    else:
        libraries[step[0]].take(signum, 0x80000000 - (1 << 32) if step[1:] else 0)
