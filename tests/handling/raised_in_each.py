"""An exception of a handler, raised in each thread."""

import _thread
import os
import sys
import threading
import time

import sigrec
from tests.prelude import RT, ledger, say, settle, sigqueue

deliver = sys.argv[1]


class Stop(Exception):
    pass


seen = []
ready = threading.Barrier(4)


def work(who):
    try:
        ready.wait()
        while True:
            time.sleep(0.001)
    except Stop:
        seen.append(who)


workers = [threading.Thread(target=work, args=(n,)) for n in range(2)]
for worker in workers:
    worker.start()
_thread.start_new_thread(work, ("unknown to threading",))


def handler(s, f):
    seen.append("handler in " + threading.current_thread().name)


sigrec.register(RT, handler, propagate=Stop, deliver=deliver)
ready.wait()
try:
    sigqueue(os.getpid(), RT)
    while deliver == "thread":
        time.sleep(0.001)
except Stop:
    seen.append("main")
for worker in workers:
    worker.join()
while len(seen) < 4 + (deliver == "thread"):
    time.sleep(0.001)
settle(RT)
sigqueue(os.getpid(), RT) if deliver == "main" else None  # nobody else is there any more
settle(RT)
say(";".join(sorted(map(str, seen))))
say(*ledger(RT))
