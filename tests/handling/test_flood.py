"""Floods from other processes: every count is exact."""

import os
import signal
from pathlib import Path

import pytest

from sigrec import _core
from tests.conftest import RT

HERE = Path(__file__).parent

RECEIVER = """
signum = int(sys.argv[1])
sigrec.register(signum, count_call)
say("ready")
{wait}
settle(signum)
say(calls, *ledger(signum))
"""

BUSY = """
import select
while not select.select([0], [], [], 0)[0]:
    sum(range(1000))
"""
ASLEEP = "hear()"
# A call that keeps the main thread out of the interpreter; sleep(3) would be cut short.
IN_C = """
import ctypes
libc = ctypes.CDLL(None)
class Pollfd(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]
p = Pollfd(0, 1, 0)
while libc.poll(ctypes.byref(p), 1, -1) != 1:
    pass
"""


@pytest.mark.parametrize("count", [100_000, pytest.param(500_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("wait", [BUSY, ASLEEP, IN_C], ids=["busy", "asleep", "in C"])
@pytest.mark.parametrize("signum", [RT, signal.SIGUSR1], ids=["real-time", "standard"])
def test_every_delivered_signal_is_counted_and_handled(child, signum, wait, count):
    receiver = child(RECEIVER.format(wait=wait), signum)
    assert receiver.line() == "ready"
    receiver.flood(signum, count, queue=signum == RT)
    receiver.tell()
    calls, delivered, recorded, handled, pending = map(int, receiver.line(120).split())
    assert calls == handled == delivered == recorded
    assert pending == 0
    if signum == RT:
        assert delivered == count
    else:
        assert 0 < delivered <= count


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_overflow_keeps_counts_and_order(child, count):
    """A 1,024-slot queue, the main thread in C with the GIL held."""
    receiver = child(HERE / "overflows.py")
    receiver.line()
    receiver.flood(RT, count)
    os.kill(receiver.pid, signal.SIGTERM)
    receiver.tell()
    delivered, handled, pending, undetailed, seen_undetailed, detailed, kept = map(
        int, receiver.line(120).split()
    )
    assert delivered == handled == kept == count
    assert pending == 0
    assert undetailed == seen_undetailed == count - detailed
    assert detailed >= 1024
    assert receiver.line() == "True"
    sender, _, calls = map(int, receiver.line().split())
    assert (sender, calls) == (os.getpid(), 1)


def test_eight_senders_three_signals(child):
    receiver = child(
        """
        signums = [signal.SIGRTMIN + n for n in (1, 2, 3)]
        calls = dict.fromkeys(signums, 0)
        def handler(signum, frame):
            calls[signum] += 1
        for signum in signums:
            sigrec.register(signum, handler)
        say("ready")
        hear()
        settle(*signums)
        for signum in signums:
            say(calls[signum], *ledger(signum))
        """
    )
    receiver.line()
    senders = [
        child("say(*_core.flood(int(sys.argv[1]), int(sys.argv[2]), 5000, True, 0))", receiver.pid,
              signal.SIGRTMIN + 1 + n % 3)
        for n in range(8)
    ]  # fmt: skip
    for sender in senders:
        assert sender.line().split()[0] == "5000"
        sender.end()
    receiver.tell()
    for expected in (15000, 15000, 10000):
        assert list(map(int, receiver.line().split())) == [expected] * 4 + [0]


def test_sixteen_threads(child):
    receiver = child(HERE / "sixteen_threads.py")
    for _ in range(2):
        assert list(map(int, receiver.line(120).split())) == [8000] * 4 + [0]


def test_what_the_program_blocks_or_waits_for_is_left_to_it(child):
    receiver = child(HERE / "blocks_one_and_waits_for_another.py")
    receiver.line()
    others = [
        child("_core.flood(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), True, 0)",
              receiver.pid, signum, count)
        for signum, count in ((RT + 1, 1000), (RT + 2, 1000), (RT, 30_000))
    ]  # fmt: skip
    for other in others:
        other.end()
    receiver.tell()
    numbers = list(map(int, receiver.line().split()))
    assert numbers == [1000, 0, 0, 1000, 1000, 1000, 0, 30_000, 30_000, 30_000, 0]


def test_a_flood_returns_what_it_sent():
    with pytest.raises(OSError):
        _core.flood(os.getpid(), 65, 1, False, 0)
