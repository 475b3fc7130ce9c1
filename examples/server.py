"""A server that runs until another process tells it to stop.

Run it, and from another terminal: python send_signal.py PID, or python send_signal.py PID SIGINT
"""

import os
import signal
import time

import sigrec

running = True


def stop(signum, info, frame):
    global running
    running = False
    who = info.sender if info else "somebody"
    print(f"Stopping: {signal.Signals(signum).name} from {who}.", flush=True)


sigrec.register(signal.SIGTERM, stop, siginfo=True)
sigrec.register(signal.SIGINT, stop, siginfo=True)

print(f"PID {os.getpid()}", flush=True)
while running:
    print("Server is running...", flush=True)
    time.sleep(1)
print("Server has stopped.", flush=True)
