"""Begins and ends one of the forms, again and again, and compares what the process has before and
after. Its arguments: which form, and how often."""

import asyncio
import gc
import os
import signal
import sys

import sigrec
from tests.prelude import RT, resident, say, sigqueue, with_room


def handler(signum, frame):
    pass


def info(one):
    pass


def send(n):
    if n % 10 == 0:
        sigqueue(os.getpid(), RT)


def main(n):
    with sigrec.register(RT, handler):
        send(n)


def thread(n):
    with sigrec.register(RT, handler, deliver="thread"):
        send(n)


def propagate(n):
    with sigrec.register(RT, handler, propagate=KeyError):
        send(n)


def manager(n):
    with sigrec.SignalManager() as m:
        m.register(RT, handler)
        m.register(10, handler)


def stream(n):
    with sigrec.stream(RT) as stream:
        send(n)
        if n % 10 == 0:
            stream.get()


def two_streams(n):
    a = sigrec.stream(RT)
    b = sigrec.stream(RT, 10)
    a.close()
    send(n)
    b.close()


def wait(n):
    sigrec.wait(RT, timeout=0)


def flag(n):
    with sigrec.Flag(RT):
        send(n)


def timer(n):
    with with_room(sigrec.timer, 60 if n % 10 else 0.00001, info):
        pass


def record(n):
    with sigrec.record(RT):
        pass


async def read(n):
    async with sigrec.stream(RT) as stream:
        send(n)
        if n % 10 == 0:
            await stream.__anext__()
        if n % 3 == 0:  # cancelled while it waits
            task = asyncio.create_task(stream.__anext__())
            await asyncio.sleep(0)
            task.cancel()


def by_asyncio(n):
    asyncio.run(read(n))


FORMS = {
    "main": main,
    "thread": thread,
    "propagate": propagate,
    "manager": manager,
    "stream": stream,
    "two streams": two_streams,
    "wait": wait,
    "flag": flag,
    "timer": timer,
    "record": record,
    "asyncio": by_asyncio,
}


def status():
    with open("/proc/self/status") as file:
        lines = file.read().splitlines()
    return [one for one in lines if one.startswith(("Threads", "SigBlk", "SigIgn", "SigCgt"))]


def state():
    gc.collect()
    return len(os.listdir("/proc/self/fd")), status()


if __name__ == "__main__":
    once, times = FORMS[sys.argv[1]], int(sys.argv[2])
    sigrec.configure(history=16, queue=16)  # their pages are touched as they fill: no leak
    for n in range(min(500, times)):
        once(n + 1)
    once(0)
    before = state()
    grown = []
    # An allocator may take an arena, 256 pages, and use it; a leak grows each time.
    while len(grown) < 4 or (min(grown) >= 16 and len(grown) < 15):
        pages = resident()
        for n in range(times):
            once(n)
        grown.append(resident() - pages)
    after = state()
    say(before == after or (before, after), min(grown), grown)
    for signum in (10, int(RT)):
        say(signal.getsignal(signum) == signal.SIG_DFL)
