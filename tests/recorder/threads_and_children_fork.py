"""Forks in threads, in a handler, and in a child; says the PIDs of all that it has ended."""

import os
import signal
import threading

from tests.recorder.has_forks import end, sleeper

out = []


def several():
    for _ in range(3):
        out.append(end(sleeper()))


def forks(signum, frame):
    out.append(sleeper())


threads = [threading.Thread(target=several) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
signal.signal(signal.SIGUSR1, forks)
signal.raise_signal(signal.SIGUSR1)
end(out[-1])
r, w = os.pipe()
if os.fork() == 0:
    several()
    os.write(w, b" ".join(b"%d" % pid for pid in out[-3:]))
    os._exit(0)
os.wait()
print(*out, os.read(r, 100).decode())
