"""stream(), wait() and Flag: signals as things to wait for, in any thread and any event loop.

Each signal that a stream wants has one registration on the dispatcher thread, which hands every
event to every subscriber. A subscriber that reads too slowly loses detail, never the count.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections import deque

from sigrec import _check
from sigrec._errors import SigrecError
from sigrec._handling import dispatcher
from sigrec._handling.registration import register
from sigrec._signals.names import catchable
from sigrec._signals.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    from sigrec._handling.registration import Registration
    from sigrec._signals.siginfo import SignalInfo

BACKLOG = 16384
LARGEST_BACKLOG = 1 << 24
TURN = 64  # events that an asyncio task takes before others have their turn


class Missed(Value):
    """In a stream, at its place: so many events of a signal were delivered and could not be kept
    for this subscriber, or had no siginfo."""

    __slots__ = {"count": "How many.", "si_signo": "The signal's number, as in SignalInfo."}
    _fields = ("si_signo", "count")

    def __init__(self, si_signo: int, count: int) -> None:
        self.si_signo = _check.integer("si_signo must be a signal number", si_signo, 1, 64)
        self.count = _check.integer("count must be an int from 1 on", count, 1, 1 << 64)

    def __repr__(self) -> str:
        from sigrec._signals.names import name

        return f"<Missed: {name(self.si_signo)} × {self.count}>"


class Stream:
    """The signals that come while it is open, as made by :func:`stream`: an iterator, and an
    async iterator, of SignalInfo and Missed. As a context manager it closes with the block.

    Several threads or tasks may read one stream: each event goes to one of them. Every stream
    gets every event.
    """

    def __init__(self, signums: tuple[int, ...], backlog: int) -> None:
        self._lock = threading.RLock()  # a handler of Python's may interrupt who holds it
        self._pid = os.getpid()
        self._backlog = backlog
        self._items: deque[SignalInfo | Missed] = deque()
        self._waiting = 0  # of the items, those that are not Missed
        self._overflow: dict[int, int] = {}
        self._waiters: deque[Callable[[], bool]] = deque()
        self._closed = False
        self._taken = 0
        self._signums = signums
        self._unread: list[SignalInfo | Missed] = []

    @property
    def signals(self) -> frozenset[int]:
        """The numbers of the signals that it is open for."""
        return frozenset(self._signums)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @property
    def unread(self) -> list[SignalInfo | Missed]:
        """What was delivered and not read when it was closed."""
        return self._unread

    # --- reading ---------------------------------------------------------------------

    def get(self, timeout: float | None = None) -> SignalInfo | Missed | None:
        """The next one; waits for it, ``timeout`` seconds at most. None: none came in that time,
        or the stream was closed meanwhile.

        Raises SigrecError in a forked child: the stream is its parent's.
        """
        timeout = _check.timeout(timeout)
        import time

        end = None if timeout is None else time.monotonic() + timeout
        while True:
            gate = threading.Lock()
            gate.acquire()

            def wake(gate: threading.Lock = gate) -> bool:
                gate.release()
                return True

            with self._lock:
                item = self._take()
                if item is not None or self._closed:
                    return item
                self._waiters.append(wake)
            woken = False
            try:
                # A lock, since the main thread must hear of signals while it waits.
                left = -1.0 if end is None else max(0.0, end - time.monotonic())
                woken = gate.acquire(timeout=min(left, threading.TIMEOUT_MAX))
            finally:
                self._leave(wake)
            if not woken and end is not None:
                with self._lock:
                    return self._take()

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> SignalInfo | Missed:
        item = self.get()
        if item is None:
            raise StopIteration
        return item

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> SignalInfo | Missed:
        self._check_process()
        loop = _loop()
        while True:
            # Before an item is taken: a task that is cancelled must not take one along.
            self._taken += 1
            await loop.checkpoint(self._taken % TURN == 0)
            waiter = loop.waiter()
            with self._lock:
                item = self._take()
                if item is not None:
                    return item
                if self._closed:
                    raise StopAsyncIteration
                self._waiters.append(waiter.wake)
            try:
                await waiter.wait()
            finally:
                self._leave(waiter.wake)

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise SigrecError(
                f"this stream is of PID {self._pid}: open one in this process, PID {os.getpid()}"
            )

    def _take(self) -> SignalInfo | Missed | None:
        self._check_process()
        if not self._items:
            self._flush_overflow()
        if not self._items:
            return None
        item = self._items.popleft()
        if not isinstance(item, Missed):
            self._waiting -= 1
        return item

    def _leave(self, wake: Callable[[], bool]) -> None:
        """A waiter goes, woken or not. If it was woken and takes nothing, another one must."""
        with self._lock:
            if wake in self._waiters:
                self._waiters.remove(wake)
                return
            more = bool(self._items or self._overflow)
        if more:
            self._wake_one()

    # --- the dispatcher thread ----------------------------------------------------------

    def _put(self, signum: int, info: SignalInfo | None) -> None:
        with self._lock:
            if self._closed:
                return
            if info is None or self._waiting >= self._backlog:
                self._overflow[signum] = self._overflow.get(signum, 0) + 1
            else:
                if self._overflow:
                    self._flush_overflow()
                self._items.append(info)
                self._waiting += 1
            if not self._waiters:
                return
        self._wake_one()

    def _flush_overflow(self) -> None:
        for signum, count in self._overflow.items():
            self._items.append(Missed(signum, count))
        self._overflow.clear()

    def _wake_one(self) -> None:
        while True:
            with self._lock:
                if not self._waiters:
                    return
                wake = self._waiters.popleft()
            if wake():  # its event loop may have ended: then another one
                return

    # --- the end ----------------------------------------------------------------------------

    def close(self) -> None:
        """End it; a second call does nothing. Who waits is woken; what was delivered and not
        read is in ``unread``."""
        if self._closed or self._pid != os.getpid():
            return
        _detach(self)
        with self._lock:
            self._closed = True
            self._flush_overflow()
            self._unread = list(self._items)
            self._items.clear()
            waiters = list(self._waiters)
            self._waiters.clear()
        for wake in waiters:
            wake()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # At the very end of the interpreter the modules that close() needs are gone, sys too.
    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if not getattr(self, "_closed", True) and not finalizing():
            self.close()

    def __repr__(self) -> str:
        from sigrec._signals.names import name

        state = "closed" if self._closed else f"{len(self._items)} waiting"
        return f"<Stream of {', '.join(map(name, self._signums))}: {state}>"


def stream(*signums: int, backlog: int = BACKLOG) -> Stream:
    """The signals that are delivered from now on: ``for info in sigrec.stream(SIGUSR1, SIGHUP)``,
    or ``async for`` in asyncio, uvloop, trio and anyio. Works in any thread.

    While it is open these signals are its own, as with register(); several streams may have the
    same. backlog: events that can wait for this reader; of those beyond it the count arrives, as
    :class:`Missed`, at their place.

    Raises ValueError for a bad argument or a signal that cannot be caught, SigrecError where there
    is no dispatcher thread (not Linux).
    """
    numbers = tuple(dict.fromkeys(catchable(signum) for signum in signums))
    if not numbers:
        raise ValueError("which signals? stream() needs at least one")
    backlog = _check.integer(
        f"backlog must be an int from 1 to {LARGEST_BACKLOG}", backlog, 1, LARGEST_BACKLOG
    )
    made = Stream(numbers, backlog)
    _attach(made)
    return made


def wait(*signums: int, timeout: float | None = None) -> SignalInfo | None:
    """The next one of these signals; None if none comes within ``timeout`` seconds.

    What came before the call is not seen: for more than one, open a :func:`stream`. Raises as
    that does.
    """
    timeout = _check.timeout(timeout)  # before anything is changed
    with stream(*signums) as opened:
        item = opened.get(timeout)
    if isinstance(item, Missed):
        raise SigrecError(f"{item!r} came, of which the detail was lost")
    return item


class Flag(threading.Event):
    """A threading.Event that is set when one of these signals comes: ``Flag(signal.SIGTERM)``.

    As a context manager, or by close(), it gives the signals back. Raises as :func:`stream` does.
    """

    def __init__(self, *signums: int) -> None:
        super().__init__()
        self._info: SignalInfo | None = None
        numbers = tuple(dict.fromkeys(catchable(signum) for signum in signums))
        if not numbers:
            raise ValueError("which signals? Flag() needs at least one")
        self._registrations = [
            register(number, self._come, siginfo=True, deliver="thread") for number in numbers
        ]

    def _come(self, signum: int, info: SignalInfo | None, frame: FrameType | None) -> None:
        if not self.is_set():
            self._info = info
            self.set()

    @property
    def info(self) -> SignalInfo | None:
        """The first one that came since it was made or cleared; None: none came, or it had no
        siginfo."""
        return self._info

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it is set; waits until it is, ``timeout`` seconds at most."""
        return super().wait(_check.timeout(timeout))

    def clear(self) -> None:
        """As if nothing had come: it is not set, and ``info`` is None."""
        super().clear()
        self._info = None

    def close(self) -> None:
        """Give the signals back; a second call does nothing. It stays set, if it was."""
        while self._registrations:
            self._registrations.pop().cancel()

    def __enter__(self) -> Flag:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


# --- who gets what -----------------------------------------------------------------------


class _Source:
    """One signal that has subscribers."""

    def __init__(self, signum: int) -> None:
        # Replaced as a whole: the dispatcher thread reads it without a lock. Weak: a stream
        # that nobody has any more closes itself.
        self.subscribers: tuple[weakref.ref[Stream], ...] = ()
        self.registration: Registration = register(
            signum, self._hand_out, siginfo=True, deliver="thread"
        )

    def _hand_out(self, signum: int, info: SignalInfo | None, frame: FrameType | None) -> None:
        for reference in self.subscribers:
            subscriber = reference()
            if subscriber is not None:
                subscriber._put(signum, info)


_sources: dict[int, _Source] = {}
_sources_lock = threading.RLock()


def _attach(made: Stream) -> None:
    with _sources_lock:
        try:
            for number in made._signums:
                if number not in _sources:
                    _sources[number] = _Source(number)
                source = _sources[number]
                source.subscribers = (*source.subscribers, weakref.ref(made))
        except BaseException:
            _detach(made)
            made._closed = True
            raise


def _detach(stream: Stream) -> None:
    # What was delivered before is in the stream when this returns. Without the lock: the
    # dispatcher thread may be closing a stream, too.
    dispatcher.finish()
    ended = []
    with _sources_lock:
        for number in stream._signums:
            source = _sources.get(number)
            if source is None or all(r() is not stream for r in source.subscribers):
                continue
            others = tuple(r for r in source.subscribers if r() is not None and r() is not stream)
            if others:
                source.subscribers = others
            else:
                ended.append(_sources.pop(number))
    for source in ended:
        source.registration.cancel()  # the stream still gets what comes until then
        source.subscribers = ()


def _after_fork() -> None:
    """Streams are the parent's. Nobody reads them here, so the signals are given back: a child
    that ignored SIGTERM because its parent had a stream of it could not be ended."""
    global _sources_lock
    _sources_lock = threading.RLock()
    for source in _sources.values():
        source.subscribers = ()
        source.registration.cancel()
    _sources.clear()


os.register_at_fork(after_in_child=_after_fork)


# --- event loops ----------------------------------------------------------------------------


class _AsyncioWaiter:
    def __init__(self) -> None:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._set)
        except RuntimeError:  # the loop is closed
            return False
        return True

    def _set(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self) -> None:
        await self._future


class _Asyncio:
    """asyncio, and what is built on it: uvloop, anyio."""

    waiter = _AsyncioWaiter

    @staticmethod
    async def checkpoint(turn: bool) -> None:
        if turn:
            import asyncio

            await asyncio.sleep(0)


class _TrioWaiter:
    def __init__(self) -> None:
        import trio

        self._token = trio.lowlevel.current_trio_token()
        self._event = trio.Event()

    def wake(self) -> bool:
        import trio

        try:
            self._token.run_sync_soon(self._event.set)
        except trio.RunFinishedError:
            return False
        return True

    async def wait(self) -> None:
        await self._event.wait()


class _Trio:
    waiter = _TrioWaiter

    @staticmethod
    async def checkpoint(turn: bool) -> None:
        import trio

        await trio.lowlevel.checkpoint()


def _loop() -> type[_Asyncio] | type[_Trio]:
    """What the calling task runs in."""
    trio = sys.modules.get("trio")
    if trio is not None:
        try:
            trio.lowlevel.current_trio_token()
        except RuntimeError:
            pass
        else:
            return _Trio
    return _Asyncio


for _public in (Flag, Missed, Stream, stream, wait):
    _public.__module__ = "sigrec"
del _public
