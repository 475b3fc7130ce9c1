"""A handler that raises for each of many, and another signal's that does, too."""

import os
import signal
import sys

import sigrec
from tests.prelude import RT, ledger, say, settle, sigqueue

how, n = sys.argv[1], int(sys.argv[2])
kind = KeyboardInterrupt if how == "KeyboardInterrupt" else RuntimeError
calls = 0


def handler(signum, frame):
    global calls
    calls += 1
    raise kind("number %d" % calls)


def other(signum, frame):
    raise LookupError("another signal's")


sigrec.register(RT, handler)
sigrec.register(signal.SIGUSR1, other)
sigrec.stats()  # imported before handlers raise


def come(*signums):
    signal.pthread_sigmask(signal.SIG_BLOCK, {RT, signal.SIGUSR1})
    for value in range(n):
        sigqueue(os.getpid(), RT, value)
    for signum in signums:
        os.kill(os.getpid(), signum)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {RT, signal.SIGUSR1})
    settle(RT)  # a dispatch may be over, by its time, before all is handled


caught = []
if how == "asyncio":
    import asyncio

    async def main():
        come()

    try:
        asyncio.run(main())
    except kind as error:
        caught.append(error)
    n += 1
    try:
        come()  # another backlog, another exception
    except kind as error:
        caught.append(error)
else:
    both = (kind, LookupError)
    try:
        try:
            come(signal.SIGUSR1)
        except both:
            settle(RT, signal.SIGUSR1)
    except both as error:
        caught += sorted([error, error.__context__], key=str, reverse=True)
settle(RT)
say(*caught, calls, *ledger(RT))
