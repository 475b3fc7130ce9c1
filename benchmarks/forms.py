"""Is the ledger exact in each form of sigrec under a flood, and what do event loops themselves
count?

500,000 signals from another process, by kill(SIGUSR1) and by sigqueue(SIGRTMIN+2), as fast as it
can. The receiver's main thread waits, in select(2) or in its event loop; queue and backlog have
sigrec's defaults except where a row says otherwise.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine

from benchmarks._common import LIMIT, Measured, answer, median, pin, table
from sigrec import _core

NAME = "forms"

SIGNALS = {"SIGUSR1": int(signal.SIGUSR1), "SIGRTMIN+2": signal.SIGRTMIN + 2}
# This signal is sent after the flood to a receiver without a ledger, and is handled after all of
# the flood: its number is higher, and event loops handle signals in the order of their numbers.
MARK = signal.SIGRTMIN + 3
# Large enough for each event of the flood to be kept with its detail.
LARGE = 1 << 20

LIMIT_NS = LIMIT * 10**9
SETTLE = LIMIT - 10  # after so many seconds the receiver answers with what it has


Main = Callable[[], Coroutine[None, None, None]]


class Report:
    """What the receiver has counted, and whether it is to end."""

    def __init__(self, signum: int) -> None:
        self.signum = signum
        self.handled = [0]  # for each subscriber
        self.missed = [0]
        self.marked = False
        self.ready = threading.Event()
        self.stop: Callable[[], object] = lambda: None

    def start(self, stop: Callable[[], object]) -> None:
        self.stop = stop
        self.ready.set()

    def got(self) -> list[int]:
        return [handled + missed for handled, missed in zip(self.handled, self.missed, strict=True)]

    def count(self, signum: int, frame: object = None) -> None:
        """A handler."""
        if signum == self.signum:
            self.handled[0] += 1
        else:
            self.marked = True

    def take(self, item: object, n: int = 0) -> None:
        """From a stream."""
        import sigrec

        if isinstance(item, sigrec.Missed):
            self.missed[n] += item.count
        else:
            self.handled[n] += 1


# --- the forms: each counts until it is stopped -----------------------------------------------


def asleep(report: Report) -> None:
    reader, writer = os.pipe()
    report.start(lambda: os.write(writer, b"s"))
    select.select([reader], [], [])  # resumed after each handler (PEP 475)


def deliver(to: str) -> Callable[[Report], None]:
    def run(report: Report) -> None:
        import sigrec

        with sigrec.register(report.signum, report.count, deliver=to):
            asleep(report)

    return run


def stream_in_threads(n: int, large: bool = False) -> Callable[[Report], None]:
    def run(report: Report) -> None:
        import sigrec

        if large:
            sigrec.configure(queue=LARGE)
        options = {"backlog": LARGE} if large else {}
        streams = [sigrec.stream(report.signum, **options) for _ in range(n)]
        report.handled, report.missed = [0] * n, [0] * n

        def read(n: int) -> None:
            for item in streams[n]:
                report.take(item, n)

        threads = [threading.Thread(target=read, args=(i,)) for i in range(n)]
        for thread in threads:
            thread.start()
        asleep(report)
        for stream in streams:
            stream.close()
        for thread in threads:
            thread.join()

    return run


def stream_in_loop(start: Callable[[Main], None]) -> Callable[[Report], None]:
    def run(report: Report) -> None:
        import sigrec

        async def read() -> None:
            with sigrec.stream(report.signum) as stream:
                report.start(stream.close)
                async for item in stream:
                    report.take(item)

        start(read)

    return run


def in_asyncio(main: Main) -> None:
    import asyncio

    asyncio.run(main())


def in_uvloop(main: Main) -> None:
    import uvloop

    uvloop.run(main())


def in_trio(main: Main) -> None:
    import trio

    trio.run(main)


def in_anyio(main: Main) -> None:
    import anyio

    anyio.run(main)


def signal_signal(report: Report) -> None:
    for signum in (report.signum, MARK):
        signal.signal(signum, report.count)
    asleep(report)


def add_signal_handler(start: Callable[[Main], None]) -> Callable[[Report], None]:
    def run(report: Report) -> None:
        async def wait() -> None:
            import asyncio

            loop, done = asyncio.get_running_loop(), asyncio.Event()
            for signum in (report.signum, MARK):
                loop.add_signal_handler(signum, report.count, signum)
            report.start(lambda: loop.call_soon_threadsafe(done.set))
            await done.wait()

        # asyncio prints there, for each signal, that its self-pipe was full; the signal is counted
        # anyway.
        with (
            open(os.devnull, "w", encoding="utf-8") as nowhere,
            contextlib.redirect_stderr(nowhere),
        ):
            start(wait)

    return run


def trio_receiver(report: Report) -> None:
    import trio

    async def read() -> None:
        token = trio.lowlevel.current_trio_token()
        with trio.CancelScope() as scope, trio.open_signal_receiver(report.signum, MARK) as signals:
            report.start(lambda: token.run_sync_soon(scope.cancel))
            received: AsyncIterator[int] = signals
            async for signum in received:
                report.count(signum)

    trio.run(read)


FORMS: dict[
    str, tuple[str | None, Callable[[Report], None]]
] = {  # the package that it needs, and the form
    'sigrec: deliver="main"': (None, deliver("main")),
    'sigrec: deliver="thread"': (None, deliver("thread")),
    "sigrec: for, in a thread": (None, stream_in_threads(1)),
    "sigrec: for, queue and backlog 1 Mi": (None, stream_in_threads(1, large=True)),
    "sigrec: for, four subscribers": (None, stream_in_threads(4)),
    "sigrec: async for, asyncio": (None, stream_in_loop(in_asyncio)),
    "sigrec: async for, uvloop": ("uvloop", stream_in_loop(in_uvloop)),
    "sigrec: async for, trio": ("trio", stream_in_loop(in_trio)),
    "sigrec: async for, anyio": ("anyio", stream_in_loop(in_anyio)),
    "signal.signal": (None, signal_signal),
    "asyncio add_signal_handler": (None, add_signal_handler(in_asyncio)),
    "uvloop add_signal_handler": ("uvloop", add_signal_handler(in_uvloop)),
    "trio.open_signal_receiver": ("trio", trio_receiver),
}


# --- the receiver ---------------------------------------------------------------------------


def pending(signum: int) -> bool:
    """Whether the kernel holds such a signal that no thread has taken."""
    with open("/proc/self/status", encoding="utf-8") as file:
        mask = next(line for line in file if line.startswith("ShdPnd:")).split()[1]
    return bool(int(mask, 16) >> (signum - 1) & 1)


def settle_by_ledger(report: Report, sent: int, queued: bool, deadline: float) -> int:
    """Waits until every subscriber has all that was delivered. Returns how many were delivered."""
    import sigrec

    while True:
        taken = not pending(report.signum)
        signals = sigrec.stats()
        delivered = signals[report.signum].delivered if report.signum in signals else 0
        got = report.got()
        all_here = taken and delivered and (delivered == sent or not queued)
        if (all_here and all(n == delivered for n in got)) or time.monotonic() > deadline:
            return delivered
        time.sleep(0.01)


def settle_by_mark(report: Report, deadline: float) -> None:
    """Waits until the signal after the flood is handled. It is sent again if it was lost, since a
    pipe may be full."""
    while pending(report.signum) and time.monotonic() < deadline:
        time.sleep(0.01)
    while not report.marked and time.monotonic() < deadline:
        os.kill(os.getpid(), MARK)
        again = time.monotonic() + 2
        while not report.marked and time.monotonic() < again:
            time.sleep(0.01)


def converse(form: str, report: Report) -> None:
    """Talks with the sender, in a thread of its own, since the form needs the main thread."""
    assert report.ready.wait(LIMIT)
    print("ready", flush=True)
    sent = int(sys.stdin.readline())
    deadline = time.monotonic() + SETTLE
    if form.startswith("sigrec"):
        queued = report.signum != signal.SIGUSR1
        delivered = settle_by_ledger(report, sent, queued, deadline)
        got = report.got()
        exact = all(n == delivered for n in got) and (delivered == sent or not queued)
        answer(
            delivered=delivered,
            handled=min(report.handled),
            missed=max(report.missed),
            exact=exact,
        )
    else:
        settle_by_mark(report, deadline)
        answer(delivered=None, handled=report.handled[0], missed=None, settled=report.marked)
    report.stop()


def measure(form: str, signum: int) -> None:
    pin("receiver")
    report = Report(signum)
    # The kernel gives the signals to the threads that the form has, and not to this one.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    thread = threading.Thread(target=converse, args=(form, report))
    thread.start()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    FORMS[form][1](report)
    thread.join()


# --- the sender -----------------------------------------------------------------------------


def once(form: str, name: str, count: int) -> dict[str, float]:
    signum = SIGNALS[name]
    with Measured("forms", form, signum) as receiver:
        assert receiver.line() == "ready"
        sent, refused, ns = _core.flood(receiver.pid, signum, count, name != "SIGUSR1", LIMIT_NS)
        receiver.tell(str(sent))
        got = receiver.result()
    return {"sent": sent, "eagain": refused, "us_each": ns / 1000 / max(sent, 1), **got}


def reported(run: dict[str, float]) -> float:
    return (run["handled"] + (run["missed"] or 0)) / max(run["sent"], 1)


def run(rounds: int, quick: bool) -> dict[str, object]:
    pin("sender")
    count = 5_000 if quick else 500_000
    find = importlib.util.find_spec
    left_out = [form for form, (needs, _) in FORMS.items() if needs and find(needs) is None]
    samples: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for _ in range(rounds):
        for name in SIGNALS:
            for form in FORMS:
                if form not in left_out:
                    samples[name, form].append(once(form, name, count))
    rows = []
    for (name, form), runs in samples.items():
        row: dict[str, object] = {"signal": name, "form": form}
        # All counts are of one run, so that they add up: the median by what was reported.
        middle = sorted(runs, key=reported)[len(runs) // 2]
        row |= {key: middle[key] for key in ("sent", "delivered", "handled", "missed", "eagain")}
        row["us_each"] = median([run["us_each"] for run in runs])
        row["reported_of_sent"] = reported(middle)
        if form.startswith("sigrec"):
            row["exact_in_every_run"] = all(run["exact"] for run in runs)
        else:
            row["settled_in_every_run"] = all(run["settled"] for run in runs)
        rows.append(row)
    return {"count": count, "rounds": rounds, "rows": rows, "not_installed": left_out}


def show(result: dict[str, object]) -> str:
    rows = result["rows"]
    assert isinstance(rows, list)
    cells = [
        [
            row["signal"],
            row["form"],
            *(
                "-" if row[key] is None else f"{row[key]:,.0f}"
                for key in ("sent", "delivered", "handled", "missed")
            ),
            f"{100 * row['reported_of_sent']:.2f} %",
            f"{row['us_each']:.2f}",
            "-" if "settled_in_every_run" in row else "yes" if row["exact_in_every_run"] else "NO",
        ]
        for row in rows
    ]
    text = table(
        [
            "signal", "form", "sent>", "delivered>", "handled, read>", "missed>", "of the sent>",
            "sender µs>", "exact",
        ],
        cells,
    )  # fmt: skip
    text += (
        "The counts are those of one run, the median by what it reported.\n"
        "of the sent: handled, read, or reported as missed.\n"
        "exact: in every run handled or read + missed == delivered, for each subscriber, and of\n"
        "SIGRTMIN+2 delivered == sent.\n"
        "missed: counted, without detail, since sigrec's queue for a signal or the stream's backlog\n"
        "was full (both have 16,384 places by default; 1 Mi has room for all). Of four subscribers\n"
        "these are the most that one missed, and the fewest that one read.\n"
    )
    for row in rows:
        if not row.get("settled_in_every_run", True):
            text += f"{row['form']}, {row['signal']}: did not end within {SETTLE} s\n"
    for form in result["not_installed"]:  # type: ignore[attr-defined]
        text += f"left out, not installed: {form}\n"
    return text


if __name__ == "__main__":
    measure(sys.argv[1], int(sys.argv[2]))
