"""SignalManager: registrations that end together."""

from __future__ import annotations

from types import MappingProxyType

from sigrec import _core
from sigrec._handling.registration import end, prepared, put_in_force
from sigrec._signals.names import catchable, name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, Unpack, overload

    from sigrec._handling.handlers import BatchHandler, Handler, InfoHandler, Options, PlainHandler
    from sigrec._handling.registration import Registration


class SignalManager(_core.Block):
    """A set of registrations that end together; as a context manager, with the block.

    >>> import signal, sigrec
    >>> with sigrec.SignalManager() as manager:
    ...     registration = manager.register(signal.SIGUSR1, lambda *args: print("called"))
    ...     signal.raise_signal(signal.SIGUSR1)
    called
    """

    def __init__(self) -> None:
        self._registrations: dict[int, list[Registration]] = {}

    if TYPE_CHECKING:

        @overload
        def register(
            self,
            signum: int,
            handler: PlainHandler,
            *,
            siginfo: Literal[False] = False,
            **options: Unpack[Options],
        ) -> Registration: ...
        @overload
        def register(
            self,
            signum: int,
            handler: InfoHandler,
            *,
            siginfo: Literal[True],
            **options: Unpack[Options],
        ) -> Registration: ...
        @overload
        def register(
            self,
            signum: int,
            handler: BatchHandler,
            *,
            batch: Literal[True],
            **options: Unpack[Options],
        ) -> Registration: ...

    def register(
        self,
        signum: int,
        handler: Handler,
        *,
        siginfo: bool = False,
        batch: bool = False,
        deliver: Literal["main", "thread"] = "main",
        reentrant: bool | None = None,
        coalesce: bool | None = None,
        propagate: type[BaseException] | None = None,
        intake: Literal["handler", "thread"] = "handler",
        moderation: float = 0.001,
    ) -> Registration:
        """Does what :func:`sigrec.register` does. Raises ValueError for a signum that is no int or
        no signal that can be caught, and for a handler that cannot be called like this."""
        registration = prepared(
            signum,
            handler,
            siginfo=siginfo,
            batch=batch,
            deliver=deliver,
            reentrant=reentrant,
            coalesce=coalesce,
            propagate=propagate,
            intake=intake,
            moderation=moderation,
        )
        mine = self._registrations.setdefault(registration.signum, [])
        mine[:] = [live for live in mine if live.active] + [registration]
        put_in_force([registration])
        return registration

    def unregister(self, signum: int) -> bool:
        """End this manager's registrations of the signal. Returns False if it has none."""
        of_this_manager = self._live().get(catchable(signum), [])
        end(of_this_manager)
        return bool(of_this_manager)

    @property
    def handlers(self) -> Mapping[int, Handler]:
        """This manager's handlers by signal number; read-only."""
        return MappingProxyType({n: r[-1].handler for n, r in self._live().items()})

    def close(self) -> None:
        """End all of this manager's registrations."""
        end([live for registrations in self._live().values() for live in registrations])

    def _live(self) -> dict[int, list[Registration]]:
        live = {n: [r for r in rs if r.active] for n, rs in self._registrations.items()}
        return {n: rs for n, rs in live.items() if rs}

    _leave = close

    def __repr__(self) -> str:
        return f"<SignalManager {', '.join(map(name, self.handlers)) or 'empty'}>"


SignalManager.__module__ = "sigrec"
