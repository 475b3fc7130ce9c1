"""How a waiting task is woken in asyncio, in what is built on asyncio, and in trio."""

from __future__ import annotations

import sys


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


def loop() -> type[_Asyncio] | type[_Trio]:
    """The event loop that the calling task runs in."""
    trio = sys.modules.get("trio")
    if trio is not None:
        try:
            trio.lowlevel.current_trio_token()
        except RuntimeError:
            pass
        else:
            return _Trio
    return _Asyncio
