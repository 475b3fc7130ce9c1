"""Forks while other threads register."""

import os
import signal
import threading
import warnings

import sigrec
from tests.prelude import RT, ledger, say, settle, with_room

warnings.simplefilter("ignore", DeprecationWarning)
# A child of a thread that imports finds that module locked for ever: CPython makes the
# locks of modules anew in no child. So what is used first is imported before.
sigrec.stream, sigrec.register, sigrec.stats()
end = False


def other(number):
    while not end:
        sigrec.register(number, print, deliver="thread").cancel()
        sigrec.stream(RT + 5).close()


sigrec.register(RT, lambda signum, frame: None)
threads = [threading.Thread(target=other, args=(RT + n,)) for n in (1, 2)]
for thread in threads:
    thread.start()
for _ in range(20):
    pid = os.fork()
    if not pid:
        signal.alarm(60)
        with_room(signal.raise_signal, RT)
        settle(RT)
        sigrec.register(RT + 1, lambda signum, frame: None, deliver="thread")
        sigrec.stream(RT + 5)
        ok = ledger(RT) == (1, 1, 1, 0)
        os._exit(0 if ok else 1)
    if os.waitpid(pid, 0)[1]:
        say("a child failed")
end = True
for thread in threads:
    thread.join()
with_room(signal.raise_signal, RT)
say(*ledger(RT))
