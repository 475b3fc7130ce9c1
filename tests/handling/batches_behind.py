"""A handler of batches, behind a slow call: what each of its calls got."""

import os
import signal
import sys
import threading

import sigrec
from tests.prelude import RT, ledger, say, sigqueue

sigrec.configure(queue=4096)
calls, total, values = 0, 0, []
gate = threading.Event()


def handler(signum, events, frame):
    global calls, total
    calls += 1
    total += len(events)
    rows = events.tolist() if hasattr(events, "dtype") else events
    for row in rows:
        if row and not isinstance(row, tuple):
            values.append(row.si_value)
        if isinstance(row, tuple) and row[0]:
            values.append(row[6])
    if calls == 1 and deliver == "thread":
        gate.wait()


deliver = sys.argv[1]
with sigrec.register(RT, handler, batch=True, deliver=deliver):
    if deliver == "main":
        signal.pthread_sigmask(signal.SIG_BLOCK, {RT})
    main = threading.get_native_id()  # NumPy may have threads, which would take some
    for n in range(6000):
        sigqueue(os.getpid(), RT, n, thread=main)
    if deliver == "main":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {RT})
    gate.set()
stats = sigrec.stats()[RT]
say(
    total,
    *ledger(RT),
    values == sorted(set(values)),
    len(values) == 6000 - stats.undetailed,
    calls < 6000,
)
