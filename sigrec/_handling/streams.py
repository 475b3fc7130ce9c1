"""stream() and wait(): let threads and tasks of any event loop wait for signals.

Each signal that a stream wants has one registration on the dispatcher thread, which hands each
event to every subscriber. A subscriber that reads too slowly loses detail, but never the count.
"""

from __future__ import annotations

from sigrec import _check, _core
from sigrec._errors import SigrecError
from sigrec._handling import batches, dispatcher
from sigrec._handling import intake as intakes
from sigrec._handling.loops import loop
from sigrec._recorder import publishing
from sigrec._signals.missed import Missed
from sigrec._signals.names import catchable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Literal

    from sigrec._signals.siginfo import SignalInfo

STREAM_BACKLOG = 16384
LARGEST_BACKLOG = 1 << 24
LARGEST_BATCH = 1 << 16
TURN = 64  # how many events an asyncio task takes before other tasks have their turn


class Stream(_core.Mailbox):
    """The signals that come while the stream is open, as made by :func:`stream`. It is an iterator,
    and an async iterator, of SignalInfo and Missed. As a context manager it is closed with the
    block.

    Several threads or tasks may read one stream: each event goes to one of them. If there are
    several streams, each of them gets every event.
    """

    _turns = 0

    # get() and close() are compiled: a handler's exception comes before or after one of them, never
    # in the middle.
    get = _core.Mailbox.get
    close = _core.Mailbox.close

    @property
    def signums(self) -> frozenset[int]:
        """The numbers of the signals that it is open for."""
        return frozenset(self._numbers)

    @property
    def closed(self) -> bool:
        """Whether the stream was closed."""
        return self._closed

    @property
    def unread(self) -> list[SignalInfo | Missed]:
        """What had been delivered and not been read when the stream was closed."""
        return self._unread

    # --- reading ---------------------------------------------------------------------

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> SignalInfo | Missed:
        self.check_process()
        task = loop()
        while True:
            # This comes before an item is taken: a task that is
            # cancelled here must not have taken one.
            self._turns += 1
            await task.checkpoint(self._turns % TURN == 0)
            waiter = task.waiter()
            try:
                item = self.take_or_wait(waiter.wake)
                if item is not None:
                    return item
                await waiter.wait()
            finally:
                self.leave(waiter.wake)

    def batches(self, max: int = LARGEST_BATCH, timeout: float | None = None) -> Iterator[Any]:
        """An iterator of arrays, each of many events. It ends when the stream is closed.

        An array has all events that wait at that moment, at least one and ``max`` at most; it is
        empty if none came within ``timeout`` seconds. It is a structured NumPy array, which cannot
        be written to, with the names of SignalInfo (``batch["si_value"]``); if NumPy is not
        installed, it is a list of SignalInfo. A field that si_code does not define is 0 in an
        array, and None in a list. Where the detail of some events was lost, a :class:`Missed` comes
        in their place.

        Raises ValueError for a bad argument, and what :meth:`get` raises when it waits.
        """
        must_be = f"max must be an int from 1 to {LARGEST_BACKLOG}"
        _check.integer(must_be, max, 1, LARGEST_BACKLOG)
        batches.start()
        return self.batches_of(int(max), _check.timeout(timeout))

    def __enter__(self) -> Stream:
        return self

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.__exit__(*exc)

    def __repr__(self) -> str:
        from sigrec._signals.names import name

        state = "closed" if self.closed else f"{self._count} waiting"
        return f"<Stream of {', '.join(map(name, self._numbers))}: {state}>"


def stream(
    *signums: int,
    backlog: int | None = None,
    intake: Literal["handler", "thread"] = "handler",
    moderation: float = 0.001,
) -> Stream:
    """Open a stream of the signals that are delivered from now on, to be read by
    ``for info in sigrec.stream(SIGUSR1, SIGHUP)``, or by ``async for`` in asyncio, uvloop, trio and
    anyio. It works in any thread.

    While it is open the signals are handled by it, as with register(). Several streams may have the
    same signal.

    backlog: how many events can wait for this reader (default 16,384; with intake="thread"
        1,048,576, or what configure(queue=) has set); if more come, a :class:`Missed` with their
        count takes their place.
    intake, moderation: as in register(). If several streams have the same signal, intake="thread"
        of one of them is enough, and the shortest moderation holds.

    Raises ValueError for a bad argument or a signal that cannot be caught, and SigrecError on a
    platform without dispatcher thread (other than Linux), or without intake thread.
    """
    numbers = tuple(dict.fromkeys(catchable(signum) for signum in signums))
    if not numbers:
        raise ValueError("which signals? at least one is needed")
    moderation_ns, of_intake = intakes.asked(intake, moderation)
    if backlog is None:
        backlog = of_intake or STREAM_BACKLOG
    backlog = _check.integer(
        f"backlog must be an int from 1 to {LARGEST_BACKLOG}, or None", backlog, 1, LARGEST_BACKLOG
    )
    dispatcher.start()
    if of_intake:
        intakes.start()
    made = Stream()
    capacity = publishing.start()
    _core.open_mailbox(made, numbers, backlog, capacity, moderation_ns, of_intake)
    return made


def wait(*signums: int, timeout: float | None = None) -> SignalInfo | None:
    """Wait for the next of these signals; returns None if none comes within ``timeout`` seconds.

    A signal that came before the call is not seen, so open a :func:`stream` to wait for several,
    one after another.

    Raises what that and :meth:`Stream.get` raise, and SigrecError if a signal came of which the
    detail was lost.
    """
    _core.refuse_to_wait("sigrec.wait()")
    timeout = _check.timeout(timeout)  # checked before anything changes
    open_stream = stream(*signums)
    try:
        item = open_stream.get(timeout)
    finally:
        _core.close_quietly(open_stream)
    if isinstance(item, Missed):
        raise SigrecError(f"{item!r} came, of which the detail was lost")
    return item


for _public in (Stream, stream, wait):
    _public.__module__ = "sigrec"
del _public
