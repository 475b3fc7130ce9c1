"""SignalManager: handlers that come and go together, and what it refuses.

Run it: it sends itself SIGUSR1, and ends.
"""

import os
import signal

import sigrec


def handler(signum, frame):
    print(f"handler({signum}, {type(frame).__name__}) called", flush=True)


before = signal.getsignal(signal.SIGUSR1)

with sigrec.SignalManager() as manager:
    manager.register(signal.SIGUSR1, handler)
    os.kill(os.getpid(), signal.SIGUSR1)

    for signum, function in [
        ("SIGUSR1", handler),
        (signal.SIGUSR1, "handler"),
        (signal.SIGKILL, handler),
    ]:
        try:
            manager.register(signum, function)
        except ValueError as error:
            print(f"ValueError: {error}", flush=True)

print(f"restored: {signal.getsignal(signal.SIGUSR1) == before}", flush=True)
