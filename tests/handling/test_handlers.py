"""What is refused as a handler when it is registered, and what is not."""

import functools
import signal
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest

import sigrec
import sigrec.compat
from tests.conftest import RT, with_room

USR1 = signal.SIGUSR1


async def coroutine(signum, frame): ...


async def asynchronous_generator(signum, frame):
    yield


def generator(signum, frame):
    yield


def two(signum, frame): ...


def three(signum, info, frame): ...


class Methods:
    def two(self, signum, frame): ...

    def three(self, signum, info, frame): ...

    @staticmethod
    def static(signum, frame): ...

    @classmethod
    def of_class(cls, signum, frame): ...

    async def coroutine(self, signum, frame): ...


class Called:
    def __call__(self, signum, frame): ...


class CalledStatically:
    @staticmethod
    def __call__(signum, frame): ...


class CalledAsynchronously:
    async def __call__(self, signum, frame): ...


class AsksBack:
    def __getattr__(self, name):
        raise RuntimeError(name)

    def __call__(self, *arguments): ...


WELL = [
    two, Methods().two, Methods.static, Methods().of_class, Called(), CalledStatically(), AsksBack(),
    lambda *arguments: None, lambda signum, frame, more=1: None, lambda signum, *frames, by_name=1, **more: None,
    functools.partial(three, 1), functools.partial(three, frame=1),
    functools.partial(functools.partial(lambda a, b, c, d: None, 1), 2),
    # What does not show its parameters, or not for certain.
    print, [].append, dict.fromkeys, Mock(), MagicMock(), dict, functools.partial(print, 1),
    functools.lru_cache(two), signal.default_int_handler,
]  # fmt: skip
NEVER_RUN = [
    coroutine, asynchronous_generator, generator, Methods().coroutine, CalledAsynchronously(),
    functools.partial(coroutine), AsyncMock(),
]  # fmt: skip
OTHERWISE = [
    three, lambda: None, lambda signum: None, lambda signum, frame, *, named: None, Methods.two,
    Methods().three, functools.partial(two, 1), functools.partial(two, signum=1),
    functools.partial(lambda a, b, c: None, x=1),
]  # fmt: skip


def register(handler, **how):
    return sigrec.register(USR1, handler, **how)


def by_manager(handler, **how):
    return sigrec.SignalManager().register(USR1, handler, **how)


def by_compat(handler):
    return sigrec.compat.signal(USR1, handler)


@pytest.mark.parametrize("by", [register, by_manager])
def test_what_can_be_called_is_taken(by):
    for handler in WELL:
        by(handler).cancel()
    for handler in (three, Methods().three, print, lambda *arguments: None):
        by(handler, siginfo=True, deliver="thread").cancel()


@pytest.mark.parametrize("by", [register, by_manager, by_compat])
def test_what_would_not_run_is_refused(by):
    before = signal.getsignal(USR1)
    for handlers, words in (
        (NEVER_RUN, "cannot be a handler"),
        (OTHERWISE, "must take (signum, f"),
    ):
        for handler in handlers:
            with pytest.raises(ValueError) as caught:
                by(handler)
                pytest.fail(f"{handler} was taken")
            assert words in str(caught.value) and repr(handler) in str(caught.value)
    assert signal.getsignal(USR1) == before and USR1 not in _registered()


@pytest.mark.parametrize("by", [register, by_manager])
def test_and_with_siginfo(by):
    for handler in (two, Methods().two, Called()):
        with pytest.raises(ValueError, match=r"must take \(signum, info, frame\)"):
            by(handler, siginfo=True)
    with pytest.raises(ValueError, match="async def"):
        by(coroutine, siginfo=True)
    assert USR1 not in _registered()


def test_a_timers():
    for handler in (
        print,
        lambda info: None,
        lambda *more: None,
        Mock(),
        functools.partial(two, 1),
    ):
        with_room(sigrec.timer, 60, handler, signum=RT).cancel()
    for handler in (two, lambda: None, coroutine):
        with pytest.raises(ValueError, match="handler"):
            sigrec.timer(60, handler, signum=RT)
    assert RT not in _registered()


def test_a_mocks_call_is_recorded():
    mock = Mock()
    with sigrec.register(USR1, mock):
        signal.raise_signal(USR1)
    assert mock.call_args.args[0] == USR1


def _registered():
    return [stats.signum for stats in sigrec.stats() if stats.mode == "registered"]
