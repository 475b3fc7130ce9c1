"""A thread forks while the main thread is in a handler."""

import os
import threading

import sigrec
from tests.prelude import RT, ledger, say, sigqueue

inside, forked = threading.Event(), threading.Event()
calls = 0


def handler(signum, frame):
    global calls
    calls += 1
    if calls == 1:
        inside.set()
        forked.wait()


sigrec.register(RT, handler)


def fork():
    inside.wait()
    pid = os.fork()
    if pid == 0:
        for _ in range(3):
            sigqueue(os.getpid(), RT)
        say("child", *ledger(RT))
        os._exit(0)
    os.waitpid(pid, 0)
    forked.set()


thread = threading.Thread(target=fork)
thread.start()
sigqueue(os.getpid(), RT)
thread.join()
say("parent", *ledger(RT))
