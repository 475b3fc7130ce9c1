"""Receives in the form that forms.py asks for, and says what it was given: python forms_target.py FORM INTAKE SIGNUM."""

import itertools
import json
import os
import select
import signal
import sys
import threading

import sigrec
from tests.prelude import hear, ledger, say, settle, with_room

form, intake, signum = sys.argv[1], sys.argv[2], int(sys.argv[3])
every, add = itertools.count(), []
one = every.__next__  # counts in one C call, which no handler can interrupt
timer = None


def read(stream):
    for item in stream:
        add.append(item.count if isinstance(item, sigrec.Missed) else 1)


def read_batches(stream):
    for batch in stream.batches():
        add.append(batch.count if isinstance(batch, sigrec.Missed) else len(batch))


def begin():
    """What ends it."""
    if form == "recorded":
        signal.signal(signum, lambda signum, frame: None)
        return sigrec.record(signum).stop
    if form in ("main", "thread"):
        return sigrec.register(
            signum, lambda signum, frame: one(), deliver=form, intake=intake
        ).cancel
    if form == "batch":
        return sigrec.register(
            signum, lambda signum, events, frame: add.append(len(events)), batch=True, intake=intake
        ).cancel
    if form == "timer":
        return lambda: None
    stream = sigrec.stream(signum, intake=intake)
    reads = threading.Thread(target=read if form == "for" else read_batches, args=[stream])
    reads.start()

    def end():
        stream.close()
        reads.join()
        read(stream.unread)

    return end


def taken():
    return sigrec._core.count_intake(signum)[0]


end = begin()
say("ready")
while (word := hear()) == "go":
    if form == "timer":
        timer = with_room(sigrec.timer, 0.00005, lambda info: one(), signum=signum, intake=intake)
    say("busy")
    while not select.select([0], [], [], 0)[0]:
        sum(range(100))
    hear()
    if timer:
        timer.cancel()
    settle(signum)
    tids = list(map(int, os.listdir("/proc/self/task")))
    say(json.dumps({"taken": taken(), "tids": tids}))
end()
delivered, recorded, handled, pending = ledger(signum)
given = None if form == "recorded" else next(every) + sum(add)
say(json.dumps({"delivered": delivered, "recorded": recorded, "handled": handled,
                "pending": pending, "given": given}))  # fmt: skip
