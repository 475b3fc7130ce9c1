"""stream(), wait() and Flag: signals as things to wait for, in any thread and any event loop.

Each signal that a stream wants has one registration on the dispatcher thread, which hands every
event to every subscriber. A subscriber that reads too slowly loses detail, never the count.
"""

from __future__ import annotations

import sys
import threading

from sigrec import _check, _core
from sigrec._errors import SigrecError
from sigrec._handling import dispatcher
from sigrec._handling.registration import end, prepared, put_in_force
from sigrec._recorder import publishing
from sigrec._signals.missed import Missed
from sigrec._signals.names import catchable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from sigrec._signals.siginfo import SignalInfo

BACKLOG = 16384
LARGEST_BACKLOG = 1 << 24
TURN = 64  # events that an asyncio task takes before others have their turn


class Stream(_core.Mailbox):
    """The signals that come while it is open, as made by :func:`stream`: an iterator, and an
    async iterator, of SignalInfo and Missed. As a context manager it closes with the block.

    Several threads or tasks may read one stream: each event goes to one of them. Every stream
    gets every event.
    """

    _turns = 0

    # Compiled: an exception comes before or after one of these, and never in the middle.
    get = _core.Mailbox.get
    close = _core.Mailbox.close

    @property
    def signals(self) -> frozenset[int]:
        """The numbers of the signals that it is open for."""
        return frozenset(self._numbers)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @property
    def unread(self) -> list[SignalInfo | Missed]:
        """What was delivered and not read when it was closed."""
        return self._unread

    # --- reading ---------------------------------------------------------------------

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> SignalInfo | Missed:
        self.check_process()
        loop = _loop()
        while True:
            # Before an item is taken: a task that is cancelled must not take one along.
            self._turns += 1
            await loop.checkpoint(self._turns % TURN == 0)
            waiter = loop.waiter()
            try:
                item = self.take_or_wait(waiter.wake)
                if item is not None:
                    return item
                await waiter.wait()
            finally:
                self.leave(waiter.wake)

    def __enter__(self) -> Stream:
        return self

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # Nobody will look at what was not read, so it waits for nobody: the collector may call this in
    # any thread, and anywhere.
    def __del__(
        self,
        close: Callable[[_core.Mailbox], None] = _core.close_quietly,
        finalizing: Callable[[], bool] = sys.is_finalizing,
    ) -> None:
        if not finalizing():
            close(self)

    def __repr__(self) -> str:
        from sigrec._signals.names import name

        state = "closed" if self.closed else f"{len(self._items)} waiting"
        return f"<Stream of {', '.join(map(name, self._numbers))}: {state}>"


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
    dispatcher.start()
    made = Stream()
    _core.open_mailbox(made, numbers, backlog, publishing.start())
    return made


def wait(*signums: int, timeout: float | None = None) -> SignalInfo | None:
    """The next one of these signals; None if none comes within ``timeout`` seconds.

    What came before the call is not seen: for more than one, open a :func:`stream`. Raises as
    that does.
    """
    _core.refuse_to_wait("sigrec.wait()")
    timeout = _check.timeout(timeout)  # before anything is changed
    opened = stream(*signums)
    try:
        item = opened.get(timeout)
    finally:
        _core.close_quietly(opened)
    if isinstance(item, Missed):
        raise SigrecError(f"{item!r} came, of which the detail was lost")
    return item


class Flag(threading.Event):
    """A threading.Event that is set when one of these signals comes: ``Flag(signal.SIGTERM)``.

    As a context manager, or by close(), it gives the signals back. Raises as :func:`stream` does.
    """

    def __init__(self, *signums: int) -> None:
        super().__init__()
        self._bell = _core.Bell()
        numbers = tuple(dict.fromkeys(catchable(signum) for signum in signums))
        if not numbers:
            raise ValueError("which signals? Flag() needs at least one")
        # Those that are not in force yet do no harm where the rest of this is not reached.
        self._registrations = [
            prepared(number, self._bell, siginfo=True, deliver="thread") for number in numbers
        ]
        put_in_force(self._registrations)

    @property
    def info(self) -> SignalInfo | None:
        """The first one that came since it was made or cleared; None: none came, or it had no
        siginfo."""
        return self._bell.info

    # Not threading.Event's own, which hold a lock: a handler that interrupts who holds it, and
    # calls one of these or waits for the dispatcher thread, would wait for ever.
    def is_set(self) -> bool:
        """Whether one came, or set() was called, since it was made or cleared."""
        return self._bell.is_set()

    def set(self) -> None:
        """As if one had come, of which nothing is known."""
        self._bell.set()

    def clear(self) -> None:
        """As if nothing had come: it is not set, and ``info`` is None."""
        self._bell.clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it is set; waits until it is, ``timeout`` seconds at most. Raises SigrecError in a
        handler on the dispatcher thread, which would wait for itself."""
        return self._bell.wait(_check.timeout(timeout))

    def close(self) -> None:
        """Give the signals back; a second call does nothing. It stays set, if it was."""
        end([one for one in self._registrations if one.active])

    def __enter__(self) -> Flag:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        from sigrec._signals.names import name

        signums = ", ".join(name(one.signum) for one in self._registrations)
        return f"<Flag of {signums}: {'set' if self.is_set() else 'unset'}>"


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


for _public in (Flag, Stream, stream, wait):
    _public.__module__ = "sigrec"
del _public
