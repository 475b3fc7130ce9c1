"""Opens several streams in a flood, and closes those that ask for the intake thread."""

import time

import sigrec
from tests.handling.floods import S, calm, end, mid_flood, sender, taken


def come(count=2000):
    before, deadline = sigrec.stats()[S].delivered, time.monotonic() + 20
    while sigrec.stats()[S].delivered < before + count:
        assert time.monotonic() < deadline


pid, go = sender()
plain = sigrec.stream(S)
go()
come()
print(taken())
asks = sigrec.stream(S, intake="thread", moderation=0.5)
impatient = sigrec.stream(S, intake="thread", moderation=0.0)
mid_flood()
impatient.close()
mid_flood()
asks.close()
last = taken()
come()
print(taken() - last)
end(pid)
plain.close()
calm()
