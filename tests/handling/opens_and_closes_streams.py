"""Opens a stream and closes it, again and again, and compares what the process has before and after."""

import asyncio
import gc
import os
import signal
import threading

import sigrec
from tests.prelude import RT, resident, say, sigqueue


async def anext_of(stream):
    return await stream.__anext__()


def once(n):
    with sigrec.stream(RT, signal.SIGUSR1) as stream:
        if n % 10 == 0:
            sigqueue(os.getpid(), RT, n)
            assert asyncio.run(anext_of(stream)).si_value == n


def state():
    gc.collect()
    return len(os.listdir("/proc/self/fd")), threading.active_count(), signal.getsignal(RT)


for n in range(100):
    once(n)
before, pages = state(), resident()
for n in range(1000):
    once(n)
say(before == state(), resident() - pages < 256)
