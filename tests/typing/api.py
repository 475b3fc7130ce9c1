# pyright: strict, reportUnusedFunction=false, reportUnnecessaryTypeIgnoreComment=true
"""How the public names are called, for mypy --strict and pyright, which check it with the source; it
is not run. What has to be an error says `type: ignore`, and both complain where it is none."""

import asyncio
import logging
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import FrameType
from typing import Any

import sigrec
import sigrec.compat
from sigrec import SignalInfo

USR1 = signal.SIGUSR1


def plain(signum: int, frame: FrameType | None) -> None: ...
def with_info(signum: int, info: SignalInfo | None, frame: FrameType | None) -> None: ...
def of_timer(info: SignalInfo | None) -> None: ...
def of_batch(signum: int, events: Any, frame: FrameType | None) -> None: ...
def anything(*arguments: object) -> None: ...
async def plain_async(signum: int, frame: FrameType | None) -> None: ...
async def with_info_async(
    signum: int, info: SignalInfo | None, frame: FrameType | None
) -> None: ...
async def of_timer_async(info: SignalInfo | None) -> None: ...


class Server:
    def stop(self, signum: int, frame: FrameType | None) -> bool:
        return True

    def __call__(self, signum: int, info: SignalInfo | None, frame: FrameType | None) -> None: ...


def right(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None], name: str) -> None:
    registration: sigrec.Registration = sigrec.register(USR1, plain)
    registration.cancel()
    sigrec.register(10, with_info, siginfo=True)
    sigrec.register(USR1, plain, siginfo=False, deliver="thread", coalesce=True)
    sigrec.register(USR1, with_info, siginfo=True, deliver="main", reentrant=False)
    sigrec.register(USR1, anything)
    sigrec.register(USR1, of_batch, batch=True, deliver="thread")
    sigrec.register(USR1, anything, siginfo=True)
    sigrec.register(USR1, print, deliver="thread")
    sigrec.register(USR1, plain, intake="thread", moderation=0.01)
    sigrec.register(USR1, Server().stop)
    sigrec.register(USR1, Server(), siginfo=True)
    sigrec.register(USR1, lambda signum, frame: loop.call_soon_threadsafe(task.cancel))
    sigrec.register(USR1, lambda signum, frame: ThreadPoolExecutor().submit(print, signum))
    sigrec.register(USR1, lambda signum, info, frame: print(info and info.sender), siginfo=True)
    sigrec.register(USR1, partial(anything, name))
    sigrec.register(signal.SIGINT, signal.default_int_handler, propagate=KeyboardInterrupt)
    with sigrec.SignalManager() as manager, manager.register(USR1, plain):
        manager.register(USR1, with_info, siginfo=True, deliver="thread")
        manager.unregister(USR1)
    with sigrec.timeout(5) as limit:
        print(limit.expired, limit.seconds)
    with sigrec.timer(0.5, of_timer, clock=time.CLOCK_PROCESS_CPUTIME_ID) as timer:
        print(timer.expirations, timer.signum)
    sigrec.timer(1)
    before = sigrec.compat.signal(USR1, plain)
    sigrec.compat.signal(USR1, before)
    sigrec.compat.signal(USR1, signal.SIG_IGN)


def wrong(deliver: str) -> None:
    sigrec.register(USR1, with_info)  # type: ignore[arg-type]
    sigrec.register(USR1, plain, siginfo=True)  # type: ignore[call-overload]
    sigrec.register(USR1, of_timer)  # type: ignore[arg-type]
    sigrec.register(USR1, plain, deliver="both")  # type: ignore[call-overload]
    sigrec.register(USR1, plain, deliver=deliver)  # type: ignore[call-overload]
    sigrec.register(USR1, plain_async)  # type: ignore[arg-type]
    sigrec.register(USR1, with_info_async, siginfo=True)  # type: ignore[call-overload]
    sigrec.register(USR1, Server())  # type: ignore[arg-type]
    sigrec.register(USR1, Server().stop, siginfo=True)  # type: ignore[call-overload]
    sigrec.register(USR1, of_batch)  # type: ignore[arg-type]
    sigrec.register(USR1, plain, batch=True)  # type: ignore[call-overload]
    sigrec.register(USR1, of_batch, batch=True, siginfo=True)  # type: ignore[call-overload]
    manager = sigrec.SignalManager()
    manager.register(USR1, plain, batch=True)  # type: ignore[call-overload]
    manager.register(USR1, with_info)  # type: ignore[arg-type]
    manager.register(USR1, plain, siginfo=True)  # type: ignore[call-overload]
    manager.register(USR1, plain, deliver="both")  # type: ignore[call-overload]
    manager.register(USR1, plain_async)  # type: ignore[arg-type]
    sigrec.timer(1, plain)  # type: ignore[arg-type]
    sigrec.timer(1, of_timer_async)  # type: ignore[arg-type]
    sigrec.compat.signal(USR1, with_info)  # type: ignore[arg-type]
    sigrec.compat.signal(USR1, plain_async)  # type: ignore[arg-type]


def reads() -> None:
    with sigrec.record(USR1, children=True) as recorder:
        counts: int = recorder.counts[USR1]
        numbers: frozenset[int] = recorder.signums
        print(counts, numbers, [info.signal_name for info in recorder.events])
    with sigrec.log_signals(logging.getLogger(), USR1, level=logging.WARNING) as log:
        log.close()
    with sigrec.open_recording(4242) as recording:
        last: tuple[str | None, int | None, int | None] = (
            recording.exit_kind,
            recording.exit_status,
            recording.fatal_signal,
        )
        stats: dict[int, sigrec.SignalStats] = recording.signals
        print(last, stats, [info.time for info in recording.events(USR1, since=0)])
    info: SignalInfo | None = sigrec.wait(USR1, timeout=1.0)
    print(info and info.sender.comm, sigrec.stats()[USR1].delivered)


def test_of_a_user(signals: sigrec.SignalsFixture) -> None:
    signals.record(USR1)
    signals.expect({USR1: 1}, timeout=1)
    print(signals.counts[USR1], signals.events[0].sender)
    signals.expect([USR1])  # type: ignore[arg-type]


async def streams() -> None:
    async with sigrec.stream(USR1) as stream:
        async for one in stream:
            print(one.count if isinstance(one, sigrec.Missed) else one.ordinal)
