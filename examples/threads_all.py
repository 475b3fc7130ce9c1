"""A multi-threaded program in which Ctrl-C reaches every thread, and not only the main one.

Run it, and press Ctrl-C.
"""

import signal
import threading
import time

import sigrec


def work(number):
    try:
        while True:
            time.sleep(0.1)  # it surfaces when this returns: no call that waits for ever
    except KeyboardInterrupt:
        print(f"worker {number} was interrupted", flush=True)


sigrec.register(signal.SIGINT, signal.default_int_handler, propagate=KeyboardInterrupt)
workers = [threading.Thread(target=work, args=(n,)) for n in range(3)]
for worker in workers:
    worker.start()
try:
    print("Working; press Ctrl-C to stop.", flush=True)
    while True:
        time.sleep(1)  # (not join(): until 3.13 one that is interrupted takes its thread for ended)
except KeyboardInterrupt:
    print("the main thread was interrupted", flush=True)
for worker in workers:
    worker.join()
print("All stopped.", flush=True)
