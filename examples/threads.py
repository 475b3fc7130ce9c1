"""A multi-threaded program: handlers run in the main thread, and only there.

Run it, and press Ctrl-C. The others are told by an Event; threads_all.py raises in them as well.
"""

import signal
import threading

import sigrec

stop = threading.Event()


def on_interrupt(signum, frame):
    print(f"SIGINT handled in {threading.current_thread().name}", flush=True)
    stop.set()


def work(number):
    rounds = 0
    while not stop.wait(0.1):
        rounds += 1
    print(f"worker {number} stops", flush=True)


# reentrant=False: Event.set() holds a lock, which a second Ctrl-C inside it would wait for for ever.
sigrec.register(signal.SIGINT, on_interrupt, reentrant=False)
workers = [threading.Thread(target=work, args=(n,), name=f"worker {n}") for n in range(3)]
for worker in workers:
    worker.start()
print("Working; press Ctrl-C to stop.", flush=True)
# Not stop.wait(): the handler, which runs in this thread, could find the Event's lock held by it.
for worker in workers:
    worker.join()
print("All stopped.", flush=True)
