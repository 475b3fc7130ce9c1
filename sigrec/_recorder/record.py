"""record() and Recorder: record signals that the program itself handles."""

from __future__ import annotations

import os
import sys
from _frozen_importlib_external import PathFinder

from sigrec import _check, _core
from sigrec._errors import SigrecError
from sigrec._recorder import publishing
from sigrec._signals.names import UNCATCHABLE, VALID, catchable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from sigrec._reader.recording import Recording
    from sigrec._signals.siginfo import SignalInfo

_interposed = False


class Recorder(_core.Block):
    """Records signals that the program itself handles, as made by :func:`record`.

    As a context manager it ends with the block. What it has counted can still be read after that.
    """

    def __init__(self, signums: tuple[int, ...], named: bool, counted: bool) -> None:
        self._signums = signums
        self._named = named
        self._pid = os.getpid()
        self._stopped: tuple[Counter[int], list[SignalInfo]] | None = None
        self._delivered_before: dict[int, int] = {}
        if counted:  # else there is nothing to read, and _reader need not be imported
            with self._own_recording() as recording:
                self._delivered_before = {n: s.delivered for n, s in recording.signals.items()}

    @property
    def signums(self) -> frozenset[int]:
        """The numbers of the signals that it records, including those that the program ignores."""
        return frozenset(self._signums)

    @property
    def counts(self) -> Counter[int]:
        """How many of each signal were delivered since it began, exactly. Only signals that came
        are in it, so that it can be compared: ``recorder.counts == {signal.SIGUSR1: 3}``; it gives
        0 for any other.

        In a forked child it counts from the fork on.
        """
        if self._stopped is not None:
            return self._stopped[0].copy()
        with self._own_recording() as recording:
            return self._counts_since(recording)

    @property
    def events(self) -> list[SignalInfo]:
        """The events since it began that are still in the history, in the order of recording."""
        if self._stopped is not None:
            return list(self._stopped[1])
        with self._own_recording() as recording:
            return self._events_since(recording)

    def __iter__(self) -> Iterator[SignalInfo]:
        return iter(self.events)

    def stop(self) -> None:
        """End the recording; a second call does nothing. The
        kernel has again what the program set."""
        if self._stopped is None:
            with self._own_recording() as recording:
                stopped = self._counts_since(recording), self._events_since(recording)
            _core.record_stop(self._signums, self._named, self, stopped)

    _leave = stop

    def __repr__(self) -> str:
        from sigrec._signals.names import name

        counts = " ".join(f"{name(number)}={n}" for number, n in sorted(self.counts.items()))
        return f"<Recorder{', stopped' if self._stopped else ''}: {counts or 'no signals yet'}>"

    # --- of this process's recording, what came since --------------------------------

    def _own_recording(self) -> Recording:
        from sigrec._recorder.own import own_recording

        if self._pid != os.getpid():
            self._pid, self._delivered_before = os.getpid(), {}  # a forked child counts from zero
        return own_recording()

    def _counts_since(self, recording: Recording) -> Counter[int]:
        import signal
        from collections import Counter

        before = self._delivered_before
        return Counter(
            {
                signal.Signals(number) if number < 32 else number: stats.delivered
                - before.get(number, 0)
                for number, stats in recording.signals.items()
                if number in self._signums and stats.delivered > before.get(number, 0)
            }
        )

    def _events_since(self, recording: Recording) -> list[SignalInfo]:
        before = self._delivered_before
        return [
            info
            for info in recording.events(*self._signums)
            if info.ordinal >= before.get(info.si_signo, 0)
        ]


def record(*signums: int, children: bool = False) -> Recorder:
    """Record signals that the program itself handles. The program's behaviour does not change.

    Default actions still happen (death with the same wait status and core dump, stop and continue),
    and handlers in Python and in C libraries still run, also those that are set later. This can be
    called in any thread; several recorders may record the same signal.

    signums: ints or signal.Signals. None given: every signal, except that one is left alone while
        the program ignores it (by SIG_IGN, or by default: SIGCHLD, SIGCONT, SIGURG, SIGWINCH),
        since any handler makes poll(2) and select(2) return EINTR (signal(7)). A signal that is
        named is recorded even then.
    children: whether forked children are recorded too, each in its own recording, from the fork on.

    Raises ValueError, with nothing changed, for a bad argument or a signal that cannot be caught
    (SIGKILL, SIGSTOP, those of the C library), and SigrecError if the platform cannot do it.
    """
    _check.flag("children", children)
    return begin(signums, children)


def begin(signums: tuple[int, ...], children: bool, from_start: bool = False) -> Recorder:
    """Does what record() does. from_start: the program itself has not done anything yet."""
    numbers = tuple(sorted({catchable(signum) for signum in signums}))
    named = bool(numbers)
    if not named:
        numbers = tuple(sorted(VALID - UNCATCHABLE))
    _interpose_once()
    counted = publishing.started()
    publishing.start()
    if children:
        publishing.start_children()
    recorder = Recorder(numbers, named, counted)
    try:
        _core.record(numbers, named, from_start)
    except OSError as error:
        from sigrec._signals.names import name

        raise SigrecError(f"{name(error.filename)} cannot be recorded: {error.strerror}") from None
    return recorder


def _interpose_once() -> None:
    global _interposed
    if _interposed:
        return
    package = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
    found = PathFinder.find_spec("signal")  # which to import makes each fork dearer: enum
    module = found.origin if found and found.origin else ""
    if not _core.interpose(os.fsencode(package), os.fsencode(module)):
        raise SigrecError(
            f"record() needs Linux on x86-64 or aarch64, not {sys.platform}: register() works here"
        )
    _interposed = True


for _public in (Recorder, record):
    _public.__module__ = "sigrec"
del _public
