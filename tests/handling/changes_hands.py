"""A signal that goes from the dispatcher thread to the main thread and back, while others read."""

import signal
import threading

import sigrec
from tests.prelude import RT, ledger, say, settle

counts = {}
end = threading.Event()


def counter(who):
    counts[who] = 0

    def handler(s, f):
        counts[who] += 1

    return handler


def subscribe(n):
    read = 0
    while not end.is_set():
        with sigrec.stream(signal.SIGUSR1, backlog=16) as stream:
            while stream.get(timeout=0.001) is not None and not end.is_set():
                read += 1


def look():
    while not end.is_set():
        s = sigrec.stats()[RT]
        # Read one after the other while they grow: never the wrong way round.
        assert s.handled <= s.delivered


workers = [threading.Thread(target=subscribe, args=(n,)) for n in range(3)]
workers.append(threading.Thread(target=look))
below = sigrec.register(RT, counter("thread"), deliver="thread")
for worker in workers:
    worker.start()
say("ready")
number = 0
while sigrec.stats()[RT].delivered < 100_000:
    number += 1
    with sigrec.register(RT, counter(number)):
        for _ in range(200):
            pass
end.set()
for worker in workers:
    worker.join()
settle(RT)
say(sum(counts.values()), *ledger(RT), sigrec.stats()[RT].abandoned)
