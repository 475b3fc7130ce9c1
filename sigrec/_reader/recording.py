"""Recording: what a file says of a process and its signals, alive or ended."""

from __future__ import annotations

import os
import sys
from collections import deque

from sigrec import _check
from sigrec._reader import dispositions, masks, state
from sigrec._reader.format import (
    ATTACHED_AT,
    DETACHED_NS_AT,
    EXIT_KINDS,
    EXIT_NS_AT,
    HANDLING_AT,
    HANDLING_NS_AT,
    LEDGER_COUNT,
    REASON_AT,
    REASON_SIZE,
    Ending,
    Header,
)
from sigrec._reader.history import PIECE, History
from sigrec._reader.identity import identity
from sigrec._reader.infos import Infos
from sigrec._reader.ledger import Ledger
from sigrec._reader.recent import Recent
from sigrec._reader.sent import Sent
from sigrec._signals.names import name
from sigrec._times import aware, nanoseconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from typing import Any

    from sigrec._reader.askers import Asker
    from sigrec._reader.ledger import SignalStats
    from sigrec._reader.noted import Noted
    from sigrec._reader.source import Source
    from sigrec._signals.disposition import Disposition
    from sigrec._signals.mask import MaskChange
    from sigrec._signals.sent import SentSignal
    from sigrec._signals.siginfo import SignalInfo


class Recording:
    """A process's recording. As a context manager it closes the file.

    Made by :func:`open_recording`. Every property reads the file anew, so that the recording of
    a live process stays current.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._header = header = Header(source)
        self._here = state.is_here(source, header)
        self._recent = Recent(source, header)
        self._ledger = Ledger(source, header, self._recent, self._here)
        self._history = History(source, header)
        self._sent = Sent(source, header, self._here)
        self._identity = identity(source, header)
        self._over: str | None = None  # its state, once that is the last
        self._last_signals: dict[int, SignalStats] | None = None  # and what it counted

    # --- the header ----------------------------------------------------------------

    @property
    def _owner(self) -> int | None:
        """The uid that the file belongs to; None: it is not in a file."""
        status = self._source.status
        return None if status is None else status.st_uid

    @property
    def _seen_ns(self) -> int:
        """When a process that began to record saw this one alive, as the file's time says."""
        status = self._source.status
        return 0 if status is None else status.st_mtime_ns

    def _began_ns(self) -> int | None:
        """When the recording was made, as CLOCK_MONOTONIC; None: it has no anchor."""
        return Infos(self._source, self._here).began_ns

    @property
    def path(self) -> str | None:
        """Its file; None: it is in memory."""
        return self._source.path

    @property
    def pid(self) -> int:
        """The process's id, in its own PID namespace."""
        return self._header.pid

    @property
    def uid(self) -> int:
        """The user that the process ran as when the recording was made, as it says itself."""
        return self._header.uid

    @property
    def boot_id(self) -> str:
        """Which boot of which machine it is of: /proc/sys/kernel/random/boot_id."""
        return self._header.boot_id

    @property
    def started_ns(self) -> int:
        """When the recording was made, in ns since 1970."""
        return self._header.started_ns

    @property
    def argv(self) -> list[str]:
        """The command line, as the process was started; as it said itself, so not to be trusted
        (undecodable bytes as surrogates: os.fsdecode)."""
        raw = self._source.bytes(self._header.argv.at, self._header.argv.size)
        return [os.fsdecode(part) for part in raw.removesuffix(b"\0").split(b"\0")] if raw else []

    @property
    def started(self) -> datetime:
        """When the recording was made, aware, in UTC."""
        return aware(self.started_ns)

    @property
    def capacity(self) -> int:
        """How many events the history holds."""
        return self._header.capacity

    @property
    def state(self) -> str:
        """``"alive"``; ``"exited"`` (by exit(3), with whatever status); ``"replaced"`` (another
        program was exec'ed); ``"ended"`` (gone in another way: a signal, os._exit, or without a
        word); ``"unknown"`` (another PID namespace or machine, or not ours to see).
        """
        if self._over is not None and not self._source.closed:
            return self._over
        found = state.state(self._source, self._header)
        # Whoever is gone here stays so. (What is not to be seen may only have been about to end,
        # and for a moment one that ends looks as one that has become another program.)
        if found == "ended" and self._pid_here() is not None:
            self._over = found
        return found

    def _has_ended(self) -> None:
        """Told by whoever knows that its process is gone, also where that is not to be seen from here."""
        found = self.state
        if found in ("unknown", "exited"):
            self._over = "exited" if found == "exited" else "ended"

    def _is_of_this_machine(self) -> bool | None:
        """None: that is not known."""
        return state.is_of_this_machine(self._source, self._header)

    def _pid_here(self) -> int | None:
        """Its PID here, where it may be in another namespace; 0: it is gone; None: not to be seen."""
        return state.pid_here(self._header)

    def signal_name(self, signum: int) -> str:
        """The signal's name in that process: its C library may have another SIGRTMIN.
        ``"signal 99"`` for a number that is no signal's."""
        if not _check.is_int(signum):
            _check.bad("signum must be an int", signum)
        return name(signum, self._header.sigrtmin)

    @property
    def fatal_signal(self) -> int | None:
        """The number of the signal whose default action was ending the process when it last
        wrote; None: no such signal was recorded."""
        signum = Ending(self._source).signum
        return signum if 1 <= signum < LEDGER_COUNT else None

    @property
    def fatal_ordinal(self) -> int | None:
        """Which of that signal it was: :attr:`SignalInfo.ordinal`; None: no such was recorded."""
        return None if self.fatal_signal is None else Ending(self._source).ordinal

    @property
    def exit_kind(self) -> str | None:
        """How the process wrote last that it ends: ``"exit"`` (exit(3)), ``"_exit"`` (os._exit),
        ``"exec"``; None: it wrote nothing."""
        return EXIT_KINDS.get(Ending(self._source).exit_kind)

    @property
    def exit_time_ns(self) -> int | None:
        """When it wrote that, in ns since 1970."""
        monotonic_ns = self.exit_monotonic_ns
        if monotonic_ns is None:
            return None
        return monotonic_ns + Infos(self._source, self._here).offset_at(monotonic_ns)

    @property
    def exit_monotonic_ns(self) -> int | None:
        """The same, as CLOCK_MONOTONIC."""
        return self._source.word(EXIT_NS_AT) if self.exit_kind else None

    @property
    def exit_status(self) -> int | None:
        """The exit status that it wrote; None: it wrote none, or the C library does not tell."""
        status = Ending(self._source).exit_status
        return status if self.exit_kind in ("exit", "_exit") and 0 <= status <= 255 else None

    @property
    def exit_reason(self) -> str | None:
        """The type of the exception that nobody caught, or the program that was exec'ed."""
        text = self._source.bytes(REASON_AT, REASON_SIZE).split(b"\0")[0]
        return os.fsdecode(text) or None

    @property
    def _attached(self) -> int:
        """1: it began when `sigrec attach` came to the process; 2: and `--detach` ended it."""
        return int.from_bytes(self._source.bytes(ATTACHED_AT, 4), sys.byteorder)

    @property
    def _detached_ns(self) -> int | None:
        """When that ended it, in ns since 1970."""
        return self._source.word(DETACHED_NS_AT) if self._attached == 2 else None

    @property
    def _noted(self) -> Noted | None:
        """How it ended, as a bystander wrote it down here; None: nobody did."""
        from sigrec._reader.noted import noted

        return noted(self._source, self._header)

    @property
    def handling(self) -> int | None:
        """The signal whose handler (of register()) was running when it last wrote; or None."""
        number = Ending(self._source).handling
        return number if 1 <= number < LEDGER_COUNT else None

    @property
    def handling_monotonic_ns(self) -> int | None:
        """Since when that handler had been running, to a few milliseconds, as CLOCK_MONOTONIC; None:
        none was, or that is not known."""
        for _ in range(3 if self._header.version > 2 else 0):
            running = self._source.bytes(HANDLING_AT, 4)
            since = self._source.word(HANDLING_NS_AT)
            if running == self._source.bytes(HANDLING_AT, 4):
                return since if since and any(running) else None
        return None  # they come and go

    @property
    def handling_time_ns(self) -> int | None:
        """The same, in ns since 1970."""
        since = self.handling_monotonic_ns
        return None if since is None else since + Infos(self._source, self._here).offset_at(since)

    # --- the ledger ------------------------------------------------------------------

    @property
    def signals(self) -> dict[int, SignalStats]:
        """By number: every signal that was delivered, or has or had a handler."""
        alive = self._source.status is not None and self.state == "alive"
        if self._last_signals is not None and not self._source.closed:
            return dict(self._last_signals)
        found = self._ledger.signals(self._pid_here() if alive else None)
        if self._over is not None:  # nothing is counted any more
            self._last_signals = dict(found)
        return found

    def _any_delivered(self, signums: Iterable[int]) -> bool:
        """Whether one of these signals was ever delivered; much quicker than ``signals``."""
        return self._ledger.any_delivered(signums)

    # --- the history -------------------------------------------------------------------

    def events(
        self,
        *signums: int,
        since: datetime | int | None = None,
        until: datetime | int | None = None,
    ) -> Iterator[SignalInfo]:
        """What is kept, in the order of recording, as it was when this began: the history, and
        before what is in it the newest 64 of each signal that were pushed out by others.

        signums: only these signals. since, until: only from then on, and only before then; each
        an aware datetime, or ns since 1970. Read piece by piece, however large the history is:
        events that are being written, or are overwritten before they are read, are left out.

        Raises ValueError for a bad argument.
        """
        wanted = frozenset(map(_check.signal, signums))
        first_ns, end_ns = nanoseconds("since", since), nanoseconds("until", until)
        return self._events(self._history.head(), wanted, first_ns, end_ns)

    def _events(
        self,
        head: int,
        wanted: frozenset[int] = frozenset(),
        first_ns: int | None = None,
        end_ns: int | None = None,
        from_ticket: int = 0,
    ) -> Iterator[SignalInfo]:
        infos, names = Infos(self._source, self._here), self._ledger.names()
        for event in self._raw(head, infos, wanted, first_ns, end_ns, from_ticket):
            yield infos.of(event, names)

    def _raw(
        self,
        head: int,
        infos: Infos,
        wanted: frozenset[int],
        first_ns: int | None,
        end_ns: int | None,
        from_ticket: int = 0,
    ) -> Iterator[tuple[int, ...]]:
        begin = max(from_ticket, head - self.capacity)
        timed = first_ns is not None or end_ns is not None
        for event in self._merged(begin, head, from_ticket == 0):
            if wanted and event[2] not in wanted:
                continue
            if timed:
                time_ns = event[0] + infos.offset_at(event[0])
                if first_ns is not None and time_ns < first_ns:
                    continue
                if end_ns is not None and time_ns >= end_ns:
                    continue
            yield event

    def to_arrow(
        self,
        *signums: int,
        since: datetime | int | None = None,
        until: datetime | int | None = None,
    ) -> Any:
        """What :meth:`events` gives, as a pyarrow.Table, without an object for each event.

        Its columns have the names of :meth:`SignalInfo.to_dict`, with sender_kind and sender_comm;
        what si_code does not define is null, and an address is signed. Needs the extra
        ``sigrec[arrow]``: raises SigrecError without it, and ValueError for a bad argument.
        """
        from sigrec._reader import tables

        wanted = frozenset(map(_check.signal, signums))
        first_ns, end_ns = nanoseconds("since", since), nanoseconds("until", until)
        infos = Infos(self._source, self._here)
        events = self._raw(self._history.head(), infos, wanted, first_ns, end_ns)
        return tables.table(events, infos.offsets, self._ledger.names())

    def to_pandas(
        self,
        *signums: int,
        since: datetime | int | None = None,
        until: datetime | int | None = None,
    ) -> Any:
        """The same as a pandas.DataFrame; columns with nulls keep their integer type (Int64 and
        the like). Raises as :meth:`to_arrow`, and SigrecError without pandas."""
        from sigrec._reader import tables

        return tables.frame(self.to_arrow(*signums, since=since, until=until))

    def _newest(
        self, count: int, wanted: frozenset[int] = frozenset(), head: int | None = None
    ) -> list[SignalInfo]:
        """The last so many of what events() gives. It does not read the others, unless it must."""
        head = self._history.head() if head is None else head
        size = max(PIECE, 2 * count)
        while count and size < min(head, self.capacity):
            found = list(self._events(head, wanted, from_ticket=head - size))
            if len(found) >= count:
                return found[-count:]
            size *= 8
        return list(deque(self._events(head, wanted) if count else (), maxlen=count))

    def _merged(self, begin: int, head: int, all_there_is: bool) -> Iterator[tuple[int, ...]]:
        """The history, and at their time those of each signal's newest events that it has no more."""
        kept = self._recent.events() if all_there_is else {}
        missing = sorted(kept[key] for key in self._history.lacks(kept.keys())) if kept else []
        missing.reverse()
        for event in self._history.slots(begin, head, all_there_is):
            while missing and missing[-1] < event:
                yield missing.pop()
            yield event
        yield from reversed(missing)

    def sent(self) -> list[SentSignal]:
        """What is kept of the signals that the process sent, in order: the newest 256, and of those
        that end or stop others (SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGABRT, SIGSTOP) the
        newest 64. Written where the process records (record(), ``sigrec run``)."""
        return self._sent.signals()

    def dispositions(self, *signums: int) -> list[Disposition]:
        """What the process had its signals do, and who made it so, in order: of each signal the newest
        eight changes, and what was other than the default at first. Written where the process
        records (record(), ``sigrec run``).

        signums: only these signals. Raises ValueError for what is not a signal number.
        """
        wanted = frozenset(map(_check.signal, signums))
        found = dispositions.dispositions(self._source, self._header, self._identity, self._here)
        return [one for one in found if not wanted or one.si_signo in wanted]

    def masks(self, *signums: int) -> list[MaskChange]:
        """Which signals its threads blocked and let in, and who made it so, in order: of each signal the
        newest four changes of the main thread, and the newest four of all others. What blocks or
        lets in nearly all signals at once is one change, of signal 0. Written where the process
        records (record(), ``sigrec run``).

        signums: only these signals, and signal 0. Raises ValueError for what is not a signal number.
        """
        wanted = frozenset(map(_check.signal, signums))
        found = masks.masks(self._source, self._header, self._identity, self._here)
        return [one for one in found if not wanted or one.si_signo in (0, *wanted)]

    def _asker(self, info: SignalInfo) -> Asker | None:
        """Who sent that signal, as the handler looked; None: it did not, or that is not kept."""
        from sigrec._reader.askers import asker

        return asker(self._source, self._header, info.si_signo, info.ordinal)

    def __iter__(self) -> Iterator[SignalInfo]:
        return self.events()

    def ring(self) -> memoryview:
        """The whole history, one slot of 64 bytes after another (docs/reference/format.md), not copied and
        read-only: it goes on changing while the process lives. For arrays; to read events,
        events() is easier and never sees one half written.

        It stays valid after close(). A file that is truncated while it is mapped is a SIGBUS in
        whoever looks (mmap(2)).

        Raises RecordingError for a recording that is not in a file, or was truncated.
        """
        from sigrec._reader import arrays

        return arrays.ring(self._source, self._header)

    @property
    def __array_interface__(self) -> dict[str, object]:
        """``numpy.asarray(recording)``: ring(), with the fields' names."""
        from sigrec._reader import arrays

        return arrays.interface(self._source, self._header)

    # --- the file ------------------------------------------------------------------------

    def close(self) -> None:
        """Close the file; a second call does nothing. Reading raises ValueError then."""
        self._source.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Recording of PID {self.pid} {self.path or '(this process)'}>"


Recording.__module__ = "sigrec"
