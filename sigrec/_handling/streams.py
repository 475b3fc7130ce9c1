"""stream() and wait(): signals as things to wait for, in any thread and any event loop.

Each signal that a stream wants has one registration on the dispatcher thread, which hands every
event to every subscriber. A subscriber that reads too slowly loses detail, never the count.
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

BACKLOG = 16384
LARGEST_BACKLOG = 1 << 24
LARGEST_BATCH = 1 << 16
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
    def signums(self) -> frozenset[int]:
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
        task = loop()
        while True:
            # Before an item is taken: a task that is cancelled must not take one along.
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
        """What comes, many events at once: an iterator of arrays.

        Each is what waits just then, ``max`` events at most and one at least, or an empty one if
        none came within ``timeout`` seconds. It is a structured NumPy array, not to be written to,
        with the names of SignalInfo (``batch["si_value"]``); where NumPy is not installed, a list of
        SignalInfo. A field that si_code does not define is 0 in an array, and None in a list. Where
        the detail of some was lost, a :class:`Missed` comes at their place. It ends when the stream
        is closed.

        Raises ValueError for a bad argument, and when it waits as :meth:`get` does.
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
        self.close()

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
    """The signals that are delivered from now on: ``for info in sigrec.stream(SIGUSR1, SIGHUP)``,
    or ``async for`` in asyncio, uvloop, trio and anyio. Works in any thread.

    While it is open these signals are its own, as with register(); several streams may have the
    same. backlog: events that can wait for this reader (default 16384, with intake="thread"
    1,048,576, or configure()'s queue=); of those beyond it the count arrives, as :class:`Missed`, at
    their place.
    intake, moderation: as with register(). Of several streams of a signal one that has
    intake="thread" is enough, and the shortest moderation counts.

    Raises ValueError for a bad argument or a signal that cannot be caught, SigrecError where there
    is no dispatcher thread (not Linux), or no intake thread.
    """
    numbers = tuple(dict.fromkeys(catchable(signum) for signum in signums))
    if not numbers:
        raise ValueError("which signals? stream() needs at least one")
    moderation_ns, of_intake = intakes.asked(intake, moderation)
    if backlog is None:
        backlog = of_intake or BACKLOG
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


for _public in (Stream, stream, wait):
    _public.__module__ = "sigrec"
del _public
