"""Reads a flood from a stream, in one of several ways, to the last signal."""

import asyncio
import sys
import threading

import sigrec
from tests.prelude import RT, ledger, say

form, count = sys.argv[1], int(sys.argv[2])
got = missed = 0


def take(item):
    global got, missed
    if isinstance(item, sigrec.Missed):
        missed += item.count
    else:
        got += 1
    return got + missed < count


def read(stream):
    for item in stream:
        if not take(item):
            return


async def aread(stream):
    say("ready")
    async for item in stream:
        if not take(item):
            return


with sigrec.stream(RT) as stream, sigrec.stream(RT) as other:
    if form == "for":
        say("ready")
        read(stream)
    elif form == "thread":
        thread = threading.Thread(target=read, args=(stream,))
        thread.start()
        say("ready")
        thread.join()
    elif form == "asyncio":
        asyncio.run(aread(stream))
    elif form == "uvloop":
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(aread(stream))
    elif form == "trio":
        import trio

        trio.run(aread, stream)
    elif form == "anyio":
        import anyio

        anyio.run(aread, stream)
rest = sum(item.count if isinstance(item, sigrec.Missed) else 1 for item in other.unread)
say(got + missed, rest, *ledger(RT))
