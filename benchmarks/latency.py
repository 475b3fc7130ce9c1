"""How long from a signal's sending, in another process, to the first line of its Python handler?

The sender stores the time in memory that both share, right before sigqueue(3), which also carries
it; so it is the same for receivers that get no siginfo. It waits 1 to 3 ms, at random, after each
is handled. One CPU for the receiver, one for the sender.
"""

from __future__ import annotations

import array
import mmap
import os
import random
import signal
import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable

from benchmarks._common import LIMIT, Measured, answer, median, pin, table
from sigrec import _core

NAME = "latency"

SIGNUM = signal.SIGRTMIN + 2
WARM_UP = 20  # signals that are not counted

# What receives, and what the main thread does meanwhile: sleeps in time.sleep, or computes in a
# loop of pure Python. Of an event loop it is the loop.
CASES = {
    "signal.signal": ("idle", "loaded"),
    'sigrec deliver="main"': ("idle", "loaded"),
    "sigwaitinfo in a thread": ("idle", "loaded"),
    'sigrec deliver="thread"': ("idle", "loaded"),
    "sigrec.stream in a thread": ("idle", "loaded"),
    "asyncio add_signal_handler": ("loop",),
    "sigrec.stream in asyncio": ("loop",),
}
RATIOS = (
    ('sigrec deliver="main"', "signal.signal"),
    ('sigrec deliver="thread"', "sigwaitinfo in a thread"),
    ("sigrec.stream in a thread", "sigwaitinfo in a thread"),
    ("sigrec.stream in asyncio", "asyncio add_signal_handler"),
)


class Shared:
    """The memory that sender and receiver share: when the last was sent, how many are handled."""

    def __init__(self, fd: int) -> None:
        self.cells = memoryview(mmap.mmap(fd, mmap.PAGESIZE)).cast("q")


class Receiver:
    def __init__(self, shared: Shared, count: int) -> None:
        self.cells = shared.cells
        self.count = count
        self.taken = array.array("q")
        self.wrong = 0  # of the values that came with the signals
        self.done = False

    def handle(self, signum: int, frame: object = None) -> None:
        now = time.monotonic_ns()
        self.note(now)

    def note(self, now: int, value: int | None = None) -> None:
        cells = self.cells
        if value is not None and value != cells[0]:
            self.wrong += 1
        self.taken.append(now - cells[0])
        self.done = len(self.taken) == self.count
        cells[1] = len(self.taken)  # last: the next one may be sent

    def stay(self, state: str) -> None:
        """In the main thread, until all are handled."""
        print("ready", flush=True)
        if state == "idle":
            while not self.done:
                time.sleep(0.5)
        else:
            while not self.done:
                for _ in range(100):
                    pass


def in_main(receiver: Receiver, state: str) -> None:
    signal.signal(SIGNUM, receiver.handle)
    receiver.stay(state)


def deliver(to: str) -> Callable[[Receiver, str], None]:
    def run(receiver: Receiver, state: str) -> None:
        import sigrec

        with sigrec.register(SIGNUM, receiver.handle, deliver=to):
            receiver.stay(state)

    return run


def sigwaitinfo(receiver: Receiver, state: str) -> None:
    signals = {SIGNUM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)

    def read() -> None:
        while not receiver.done:
            signal.sigwaitinfo(signals)
            receiver.handle(SIGNUM)

    thread = threading.Thread(target=read)
    thread.start()
    receiver.stay(state)
    thread.join()


def stream_in_thread(receiver: Receiver, state: str) -> None:
    import sigrec

    with sigrec.stream(SIGNUM) as stream:

        def read() -> None:
            for item in stream:
                now = time.monotonic_ns()
                receiver.note(now, getattr(item, "si_value", -1))

        thread = threading.Thread(target=read)
        thread.start()
        receiver.stay(state)
    thread.join()


def asyncio_handler(receiver: Receiver, state: str) -> None:
    import asyncio

    async def main() -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def handle() -> None:
            receiver.handle(SIGNUM)
            if receiver.done:
                done.set()

        loop.add_signal_handler(SIGNUM, handle)
        print("ready", flush=True)
        await done.wait()

    asyncio.run(main())


def asyncio_stream(receiver: Receiver, state: str) -> None:
    import asyncio

    import sigrec

    async def main() -> None:
        async with sigrec.stream(SIGNUM) as stream:
            print("ready", flush=True)
            async for item in stream:
                now = time.monotonic_ns()
                receiver.note(now, getattr(item, "si_value", -1))
                if receiver.done:
                    return

    asyncio.run(main())


RECEIVERS: dict[str, Callable[[Receiver, str], None]] = {
    "signal.signal": in_main,
    'sigrec deliver="main"': deliver("main"),
    "sigwaitinfo in a thread": sigwaitinfo,
    'sigrec deliver="thread"': deliver("thread"),
    "sigrec.stream in a thread": stream_in_thread,
    "asyncio add_signal_handler": asyncio_handler,
    "sigrec.stream in asyncio": asyncio_stream,
}


def measure(kind: str, state: str, count: int, path: str) -> None:
    pin("receiver")
    with open(path, "r+b") as file:
        shared = Shared(file.fileno())
    receiver = Receiver(shared, count)
    RECEIVERS[kind](receiver, state)
    taken = receiver.taken[WARM_UP:]
    answer(
        handled=len(taken),
        wrong=receiver.wrong,
        median_us=statistics.median(taken) / 1000,
        p99_us=statistics.quantiles(taken, n=100)[98] / 1000,
    )


def once(kind: str, state: str, count: int) -> dict[str, float]:
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.truncate(mmap.PAGESIZE)
        cells = Shared(file.fileno()).cells
        with Measured("latency", kind, state, count, file.name) as receiver:
            assert receiver.line() == "ready"
            for n in range(count):
                time.sleep(random.uniform(0.001, 0.003))
                cells[0] = now = time.monotonic_ns()
                error = _core.send_process(receiver.pid, SIGNUM, now)
                if error:
                    raise OSError(error, os.strerror(error))
                end = time.monotonic() + LIMIT
                while cells[1] != n + 1:  # the next send time must not come before
                    if time.monotonic() > end:
                        receiver.process.kill()
                        raise RuntimeError(f"{kind}, {state}: signal {n + 1} not handled in {LIMIT} s")
                    time.sleep(0.0001)
            return receiver.result()


def run(rounds: int, quick: bool) -> dict[str, object]:
    pin("sender")
    count = WARM_UP + (30 if quick else 1000)
    samples: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for _ in range(rounds):
        for kind, states in CASES.items():
            for state in states:
                samples[kind, state].append(once(kind, state, count))
    rows = [
        {"receiver": kind, "state": state, **{key: median([run[key] for run in runs]) for key in runs[0]}}
        for (kind, state), runs in samples.items()
    ]
    ratios = {
        f"{ours} / {theirs}, {state}": median(
            [
                a["median_us"] / b["median_us"]
                for a, b in zip(samples[ours, state], samples[theirs, state], strict=True)
            ]
        )
        for ours, theirs in RATIOS
        for state in CASES[ours]
    }
    return {"count": count - WARM_UP, "rounds": rounds, "rows": rows, "ratios": ratios}


def show(result: dict[str, object]) -> str:
    rows, ratios = result["rows"], result["ratios"]
    assert isinstance(rows, list) and isinstance(ratios, dict)
    text = table(
        ["received by", "main thread", "median µs>", "99th percentile µs>"],
        [
            [row["receiver"], row["state"], f"{row['median_us']:.1f}", f"{row['p99_us']:.1f}"]
            for row in rows
        ],
    )
    return text + "".join(f"{name}: {ratio:.2f}\n" for name, ratio in ratios.items())


if __name__ == "__main__":
    measure(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
