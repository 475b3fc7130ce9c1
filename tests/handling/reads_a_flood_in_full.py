"""Reads a flood from a stream that asks for the intake thread, in one of several ways."""

import asyncio
import sys

import sigrec
from tests.handling.floods import S, calm, end, sender, taken

COUNT = 40_000
found = []


def wants_more():
    return len(found) < COUNT or not taken()


def by_for(stream):
    while wants_more():
        found.append(next(stream))


async def some(stream):
    while wants_more():
        found.append(await anext(stream))


def by_asyncio(stream):
    asyncio.run(some(stream))


def by_uvloop(stream):
    import uvloop

    uvloop.run(some(stream))


def by_trio(stream):
    import trio

    trio.run(some, stream)


def by_batches(stream):
    batches = stream.batches(max=1000)
    while wants_more():
        batch = next(batches)
        found.extend([batch] if isinstance(batch, sigrec.Missed) else batch)


def value(one):
    return int(one["si_value"]) if hasattr(one, "dtype") else one.si_value


pid, go = sender(every_ns=5_000)
stream = sigrec.stream(S, intake="thread")
go()
globals()[sys.argv[2]](stream)
end(pid)
stream.close()
found += stream.unread
calm()
print([value(one) for one in found] == list(range(len(found))))
print(sigrec.stats()[S].delivered - len(found), sigrec.stats()[S].undetailed)
