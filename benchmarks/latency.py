"""How long from a signal's sending, in another process, to the first line of its Python handler?

The sender stores the time in memory that both share, right before it calls sigqueue(3), which also
carries the time; so receivers that get no siginfo are measured in the same way. Before each signal
it waits for 1 to 3 ms, at random, and it sends the next one when that signal is handled. All
receivers run at once on one CPU, and the sender on another. They take turns of 20 signals, so that
all are measured on the same machine at the same time.
"""

from __future__ import annotations

import array
import contextlib
import errno
import mmap
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable

from benchmarks._common import LIMIT, Measured, answer, median, pin, table
from sigrec import _core

NAME = "latency"

SIGNUM = signal.SIGRTMIN + 2
TURN = 20  # signals to one receiver, then the others have theirs
WARM_UP = TURN  # signals that are not counted

# What receives, and what the main thread does meanwhile: it sleeps in time.sleep, or computes in a
# loop of pure Python, or runs the event loop.
CASES = {
    "signal.signal": ("idle", "loaded"),
    'sigrec deliver="main"': ("idle", "loaded"),
    "sigwaitinfo in a thread": ("idle", "loaded"),
    'sigrec deliver="thread"': ("idle", "loaded"),
    'sigrec deliver="main", intake="thread"': ("idle", "loaded"),
    'sigrec deliver="thread", intake="thread"': ("idle", "loaded"),
    "sigrec.stream in a thread": ("idle", "loaded"),
    "asyncio add_signal_handler": ("loop",),
    "sigrec.stream in asyncio": ("loop",),
}
RATIOS = (
    ('sigrec deliver="main"', "signal.signal"),
    ('sigrec deliver="thread"', "sigwaitinfo in a thread"),
    ('sigrec deliver="main", intake="thread"', 'sigrec deliver="main"'),
    ('sigrec deliver="thread", intake="thread"', "sigwaitinfo in a thread"),
    ("sigrec.stream in a thread", "sigwaitinfo in a thread"),
    ("sigrec.stream in asyncio", "asyncio add_signal_handler"),
)


class Shared:
    """The memory that sender and receiver share: when the last signal was sent, how many have been
    handled, and whether it is this receiver's turn."""

    def __init__(self, fd: int) -> None:
        self.cells = memoryview(mmap.mmap(fd, mmap.PAGESIZE)).cast("q")


class Receiver:
    def __init__(self, shared: Shared, count: int) -> None:
        self.cells = shared.cells
        self.count = count
        self.taken = array.array("q")
        self.wrong = 0  # how many signals came with a wrong value
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
        """Keeps the main thread in this state until all signals are handled."""
        print("ready", flush=True)
        if state == "idle":
            while not self.done:
                time.sleep(0.5)
        else:
            while not self.done:
                # It must not compute while it is another receiver's turn.
                if not sys.stdin.readline():
                    raise SystemExit("the sender is gone")
                while self.cells[2]:
                    for _ in range(100):
                        pass


def in_main(receiver: Receiver, state: str) -> None:
    signal.signal(SIGNUM, receiver.handle)
    receiver.stay(state)


def deliver(to: str, intake: str = "handler") -> Callable[[Receiver, str], None]:
    def run(receiver: Receiver, state: str) -> None:
        import sigrec

        with sigrec.register(SIGNUM, receiver.handle, deliver=to, intake=intake):
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
    'sigrec deliver="main", intake="thread"': deliver("main", "thread"),
    'sigrec deliver="thread", intake="thread"': deliver("thread", "thread"),
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
        p99_us=statistics.quantiles(taken, n=100, method="inclusive")[98] / 1000,
    )


class Sender:
    """Sends to one receiver."""

    def __init__(self, kind: str, state: str, count: int, directory: str) -> None:
        self.name, self.state = f"{kind}, {state}", state
        path = os.path.join(directory, self.name.replace("/", " "))
        with open(path, "w+b") as file:
            file.truncate(mmap.PAGESIZE)
            self.cells = Shared(file.fileno()).cells
        self.receiver = Measured("latency", kind, state, count, path)
        self.sent = 0

    def turn(self) -> None:
        cells = self.cells
        cells[2] = 1
        if self.state == "loaded":
            self.receiver.tell("go")
        for _ in range(TURN):
            time.sleep(random.uniform(0.001, 0.003))
            self.sent += 1
            error = errno.EAGAIN
            while error == errno.EAGAIN:  # other processes of this user have filled its queue
                cells[0] = now = time.monotonic_ns()
                error = _core.send_process(self.receiver.pid, SIGNUM, now)
            if error:
                raise OSError(error, os.strerror(error))
            end = time.monotonic() + LIMIT
            while cells[1] != self.sent:
                if time.monotonic() > end:
                    raise RuntimeError(f"{self.name}: signal {self.sent} not handled in {LIMIT} s")
                time.sleep(0.0001)
        cells[2] = 0


def once(turns: int) -> dict[tuple[str, str], dict[str, float]]:
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        senders = {}
        for kind, states in CASES.items():
            for state in states:
                sender = senders[kind, state] = Sender(kind, state, turns * TURN, directory)
                stack.enter_context(sender.receiver)
        for sender in senders.values():
            assert sender.receiver.line() == "ready"
        in_turn = list(senders.values())
        for _ in range(turns):
            random.shuffle(in_turn)
            for sender in in_turn:
                try:
                    sender.turn()
                except BaseException:
                    for other in in_turn:
                        other.receiver.process.kill()
                    raise
        return {case: sender.receiver.result() for case, sender in senders.items()}


def run(rounds: int, quick: bool) -> dict[str, object]:
    pin("sender")
    turns = 1 + (1 if quick else 50)
    samples: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for _ in range(rounds):
        for case, result in once(turns).items():
            samples[case].append(result)
    rows = [
        {
            "receiver": kind,
            "state": state,
            **{key: median([run[key] for run in runs]) for key in runs[0]},
        }
        for (kind, state), runs in samples.items()
    ]
    ratios = {
        f"{ours} / {theirs}, {state}, {what}": median(
            [
                a[key] / b[key]
                for a, b in zip(samples[ours, state], samples[theirs, state], strict=True)
            ]
        )
        for key, what in (("median_us", "median"), ("p99_us", "99th percentile"))
        for ours, theirs in RATIOS
        for state in CASES[ours]
    }
    return {"count": turns * TURN - WARM_UP, "rounds": rounds, "rows": rows, "ratios": ratios}


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
