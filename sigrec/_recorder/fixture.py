"""SignalsFixture: what the fixture of the pytest plugin gives to a test."""

from __future__ import annotations

from sigrec import _check
from sigrec._recorder.own import stats
from sigrec._recorder.record import record
from sigrec._signals.names import UNCATCHABLE, name
from sigrec._text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sigrec._signals.siginfo import SignalInfo


class SignalsFixture:
    """The value of the pytest fixture ``signals``: the signals that a test receives.

    >>> def test_reload(signals: sigrec.SignalsFixture) -> None:
    ...     os.kill(os.getpid(), signal.SIGHUP)
    ...     signals.expect({signal.SIGHUP: 1})
    """

    def __init__(self) -> None:
        self._recorder = record()

    def record(self, *signums: int) -> None:
        """Begin anew, from zero, with these signals; none given: with all, as at the beginning.
        Raises what :func:`record` raises, with nothing changed."""
        before, self._recorder = self._recorder, record(*signums)
        before.stop()

    @property
    def counts(self) -> dict[int, int]:
        """How many of each signal were delivered since the recording began."""
        return dict(self._recorder.counts)

    @property
    def events(self) -> list[SignalInfo]:
        """The events that are still in the history: who sent them, when, and with what."""
        return self._recorder.events

    def __repr__(self) -> str:
        counted = [f" {name(signum)} x {count}" for signum, count in self.counts.items() if count]
        return f"<signals:{','.join(counted) or ' none'}>"

    def expect(
        self, counts: Mapping[int, int], *, exact: bool = True, timeout: float = 5.0
    ) -> None:
        """Fail unless so many of each signal were delivered since the recording began.

        This waits until they are, for ``timeout`` seconds at most. exact: fail also if there are
        more of them, or other signals that are recorded.
        """
        __tracebackhide__ = True
        import time

        timeout = _checked(counts, exact, timeout)
        deadline = time.monotonic() + timeout
        while True:
            found = self.counts
            if all(found.get(signum, 0) >= count for signum, count in counts.items()):
                break
            left = deadline - time.monotonic()
            if left <= 0:
                break
            time.sleep(min(left, 0.005))  # Python's handlers run meanwhile
        wrong = list(self._differences(counts, found, exact))
        if wrong:
            raise AssertionError("; ".join(wrong))

    def _differences(
        self, expected: Mapping[int, int], found: dict[int, int], exact: bool
    ) -> Iterator[str]:
        for signum, count in expected.items():
            got = found.get(signum, 0)
            if got == 0 < count and signum in UNCATCHABLE:
                yield f"expected {name(signum)} x {count}, but no process can record it"
            elif got == 0 < count and not self._is_recorded(signum):
                one = f"signals.record({name(signum)})"
                yield (
                    f"expected {name(signum)} x {count}, but it is not recorded: the program ignores it, "
                    f"or only other signals were named; call {one} before it is sent"
                )
            elif got < count or (exact and got > count):
                whose = self._senders(signum) if got > count else ""
                yield f"expected {name(signum)} x {count}, got {got}{whose}"
        if exact:
            for signum in sorted(signum for signum in found if signum not in expected):
                if found[signum]:
                    times = f" x {found[signum]}" if found[signum] > 1 else ""
                    yield f"{name(signum)}{times}{self._senders(signum)} was not expected"

    def _is_recorded(self, signum: int) -> bool:
        ledger = stats()
        return (
            signum in self._recorder.signums
            and signum in ledger
            and ledger[signum].mode in ("recorded", "registered")
        )

    def _senders(self, signum: int) -> str:
        """The senders as ``" from PID 77 (bash, uid 0)"``; ``""`` if none is in the history any
        more."""
        senders = {str(info.sender): None for info in self.events if info.si_signo == signum}
        first = " and ".join(map(printable, list(senders)[:3]))
        more = f" and {len(senders) - 3} more" if len(senders) > 3 else ""
        return f" from {first}{more}" if senders else ""


def _checked(counts: Mapping[int, int], exact: bool, timeout: float) -> float:
    from collections.abc import Mapping

    if not isinstance(counts, Mapping):
        _check.bad("counts must be a dict of signals and how many of each", counts)
    for signum, count in counts.items():
        _check.signal(signum, "a key of counts must be a signal number")
        _check.integer("a value of counts must be an int from 0 on", count, 0, 1 << 64)
    _check.flag("exact", exact)
    return _check.seconds("timeout must be seconds from 0 on", timeout, 0.0, float("inf"))


SignalsFixture.__module__ = "sigrec"
