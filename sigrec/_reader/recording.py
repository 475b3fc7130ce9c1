"""Recording: what a file says about a process, alive or ended, and about its signals."""

from __future__ import annotations

import os
import sys
from collections import deque

from sigrec import _check
from sigrec._proc.process import arguments
from sigrec._reader import dispositions, masks, state
from sigrec._reader.counts import running_handler
from sigrec._reader.format import (
    ATTACHED_AT,
    DETACHED_NS_AT,
    EXIT_KINDS,
    EXIT_NS_AT,
    GAP_AT,
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
    """A process's recording, as made by :func:`open_recording`. As a context manager it closes the
    file.

    Every property reads the file anew, so that the recording of a live process stays current.
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
        self._over: str | None = None  # the state, once it cannot change any more
        self._last_signals: dict[int, SignalStats] | None = None  # and the counts at that time

    # --- the header ----------------------------------------------------------------

    @property
    def _owner(self) -> int | None:
        """The uid that the file belongs to; None: there is no file."""
        status = self._source.status
        return None if status is None else status.st_uid

    @property
    def _seen_ns(self) -> int:
        """When a process that began to record saw this one alive, as the time of the file says."""
        status = self._source.status
        return 0 if status is None else status.st_mtime_ns

    def _began_ns(self) -> int | None:
        """When the recording was made, by CLOCK_MONOTONIC; None: it has no anchor."""
        return Infos(self._source, self._here).began_ns

    @property
    def path(self) -> str | None:
        """The path of its file; None: it is in memory."""
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
        """The machine's boot in which it was made: /proc/sys/kernel/random/boot_id."""
        return self._header.boot_id

    @property
    def started_ns(self) -> int:
        """When the recording was made, in ns since 1970."""
        return self._header.started_ns

    @property
    def argv(self) -> list[str]:
        """The command line that the process was started with. The process wrote it down itself, so
        it need not be true. Undecodable bytes are surrogates, as of os.fsdecode()."""
        return arguments(self._source.bytes(self._header.argv.at, self._header.argv.size))

    @property
    def started(self) -> datetime:
        """When the recording was made, as an aware datetime in UTC."""
        return aware(self.started_ns)

    @property
    def capacity(self) -> int:
        """How many events the history holds."""
        return self._header.capacity

    @property
    def state(self) -> str:
        """What has become of the process: ``"alive"``; ``"exited"`` (by exit(3), with whatever
        status); ``"replaced"`` (it has exec'ed another program); ``"ended"`` (in any other way: by
        a signal, by _exit(2), or without recording a cause); ``"unknown"`` (it is in another PID
        namespace or on another machine, or this user may not see it).
        """
        if self._over is not None and not self._source.closed:
            return self._over
        found = state.state(self._source, self._header)
        # A process that is gone from here stays gone. One that cannot be seen may only have been
        # about to end, and while a process ends it looks for a moment as if it had exec'ed.
        if found == "ended" and self._pid_here() is not None:
            self._over = found
        return found

    def _has_ended(self) -> None:
        """To be called by code that knows that the process is
        gone, also if that is not seen from here."""
        found = self.state
        if found in ("unknown", "exited"):
            self._over = "exited" if found == "exited" else "ended"

    def _is_of_this_machine(self) -> bool | None:
        """Whether the recording was made on this machine; None: that is not known."""
        return state.is_of_this_machine(self._source, self._header)

    def _pid_here(self) -> int | None:
        """The process's PID in our namespace; 0: the process is
        gone; None: it cannot be seen from here."""
        return state.pid_here(self._header)

    def signal_name(self, signum: int) -> str:
        """The signal's name in that process: its C library may have another SIGRTMIN.
        ``"signal 99"`` for a number that is no signal's."""
        if not _check.is_int(signum):
            _check.bad("signum must be an int", signum)
        return name(signum, self._header.sigrtmin)

    @property
    def fatal_signal(self) -> int | None:
        """The number of the signal whose default action was about to end the process when it last
        wrote; None: no such signal was recorded."""
        signum = Ending(self._source).signum
        return signum if 1 <= signum < LEDGER_COUNT else None

    @property
    def fatal_ordinal(self) -> int | None:
        """The :attr:`SignalInfo.ordinal` of that signal; None: no such signal was recorded."""
        return None if self.fatal_signal is None else Ending(self._source).ordinal

    @property
    def exit_kind(self) -> str | None:
        """How the process was about to leave, as it wrote itself: ``"exit"`` (exit(3)), ``"_exit"``
        (_exit(2), os._exit()), ``"exec"``; None: it wrote nothing."""
        return EXIT_KINDS.get(Ending(self._source).exit_kind)

    @property
    def exit_time_ns(self) -> int | None:
        """When the process wrote how it was about to leave, in ns since 1970."""
        monotonic_ns = self.exit_monotonic_ns
        if monotonic_ns is None:
            return None
        return monotonic_ns + Infos(self._source, self._here).offset_at(monotonic_ns)

    @property
    def exit_monotonic_ns(self) -> int | None:
        """When the process wrote how it was about to leave, by CLOCK_MONOTONIC."""
        return self._source.word(EXIT_NS_AT) if self.exit_kind else None

    @property
    def exit_status(self) -> int | None:
        """The exit status that it wrote; None: it wrote none, or its C library does not tell it."""
        status = Ending(self._source).exit_status
        return status if self.exit_kind in ("exit", "_exit") and 0 <= status <= 255 else None

    @property
    def exit_reason(self) -> str | None:
        """The type of the exception that was not caught, or the
        program that was exec'ed; None: neither."""
        text = self._source.bytes(REASON_AT, REASON_SIZE).split(b"\0")[0]
        return os.fsdecode(text) or None

    @property
    def _attached(self) -> int:
        """1: `sigrec attach` has begun the recording in a running process; 2: `--detach` has ended
        it, too."""
        return int.from_bytes(self._source.bytes(ATTACHED_AT, 4), sys.byteorder)

    @property
    def _detached_ns(self) -> int | None:
        """When `--detach` ended the recording, in ns since 1970."""
        return self._source.word(DETACHED_NS_AT) if self._attached == 2 else None

    @property
    def _gaps(self) -> tuple[int, int, int]:
        """How often `sigrec attach` has followed a `--detach`; and of the newest time between these
        two the beginning and the end, in ns since 1970."""
        begin_ns, end_ns, gaps = (self._source.word(GAP_AT + 8 * n) for n in range(3))
        return gaps, begin_ns, end_ns

    def _may_hold(self, time_ns: int) -> bool:
        """Whether what was so then, in ns since 1970 (0: as recording began), may still be so: no
        `--detach` has come since, after which changes are not written down."""
        if self._detached_ns is not None:
            return False
        gaps, _, end_ns = self._gaps if self._attached else (0, 0, 0)
        return not gaps or time_ns >= end_ns

    @property
    def _stopped_ns(self) -> int | None:
        """Since when nothing is recorded any more, in ns since 1970: `--detach` ended the
        recording, and the program has recorded no signal itself since."""
        detached_ns = self._detached_ns
        if detached_ns is None:
            return None
        for stats in self.signals.values():
            since = stats.last is not None and stats.last.time_ns > detached_ns
            if since or stats.mode in ("recorded", "registered"):
                return None
        return detached_ns

    @property
    def _noted(self) -> Noted | None:
        """How the process ended, as a bystander wrote it into
        the recording; None: no bystander did."""
        from sigrec._reader.noted import noted

        return noted(self._source, self._header)

    @property
    def handling(self) -> int | None:
        """The number of the signal whose handler, set by register(), was running when the process
        last wrote; None: no handler was."""
        number = Ending(self._source).handling
        return number if 1 <= number < LEDGER_COUNT else None

    @property
    def handling_monotonic_ns(self) -> int | None:
        """Since when that handler had been running, to a few milliseconds, by CLOCK_MONOTONIC;
        None: no handler was running, or that is not known."""
        running = running_handler(self._source, self._header.version)
        return None if running is None else running[1]

    @property
    def handling_time_ns(self) -> int | None:
        """The same time, in ns since 1970."""
        since = self.handling_monotonic_ns
        return None if since is None else since + Infos(self._source, self._here).offset_at(since)

    # --- what the ledger says --------------------------------------------------------

    @property
    def signals(self) -> dict[int, SignalStats]:
        """By number, each signal that was delivered, or has or had a handler."""
        alive = self._source.status is not None and self.state == "alive"
        if self._last_signals is not None and not self._source.closed:
            return dict(self._last_signals)
        found = self._ledger.signals(self._pid_here() if alive else None)
        if self._over is not None:  # the process counts no more
            self._last_signals = dict(found)
        return found

    def _any_delivered(self, signums: Iterable[int]) -> bool:
        """Whether one of these signals was ever delivered; much quicker than ``signals``."""
        return self._ledger.any_delivered(signums)

    # --- what the history has ----------------------------------------------------------

    def events(
        self,
        *signums: int,
        since: datetime | int | None = None,
        until: datetime | int | None = None,
    ) -> Iterator[SignalInfo]:
        """The events that were kept when this was called, in the order of recording: the history,
        and the newest 64 events of each signal, also those that others have pushed out of the
        history.

        signums: only these signals. since, until: only events from this time on, and only events
        before this time; each an aware datetime, or ns since 1970. The history is read piece by
        piece, however large it is: events that are being written, or are overwritten before they
        are read, are left out.

        Raises ValueError for a bad argument.
        """
        wanted = frozenset(map(_check.signal, signums))
        since_ns, until_ns = nanoseconds("since", since), nanoseconds("until", until)
        return self._events(self._history.head(), wanted, since_ns, until_ns)

    def _events(
        self,
        head: int,
        wanted: frozenset[int] = frozenset(),
        since_ns: int | None = None,
        until_ns: int | None = None,
        from_ticket: int = 0,
    ) -> Iterator[SignalInfo]:
        infos, names = Infos(self._source, self._here), self._ledger.names()
        for event in self._raw(head, infos, wanted, since_ns, until_ns, from_ticket):
            yield infos.of(event, names)

    def _raw(
        self,
        head: int,
        infos: Infos,
        wanted: frozenset[int],
        since_ns: int | None,
        until_ns: int | None,
        from_ticket: int = 0,
    ) -> Iterator[tuple[int, ...]]:
        begin = max(from_ticket, head - self.capacity)
        timed = since_ns is not None or until_ns is not None
        for event in self._merged(begin, head, from_ticket == 0):
            if wanted and event[2] not in wanted:
                continue
            if timed:
                time_ns = event[0] + infos.offset_at(event[0])
                if since_ns is not None and time_ns < since_ns:
                    continue
                if until_ns is not None and time_ns >= until_ns:
                    continue
            yield event

    def to_arrow(
        self,
        *signums: int,
        since: datetime | int | None = None,
        until: datetime | int | None = None,
    ) -> Any:
        """The same events as a pyarrow.Table, made without an object for each event.

        Its columns have the names of :meth:`SignalInfo.to_dict`, with sender_kind and sender_comm
        in the place of the sender. A field that si_code does not define is null; an address is a
        signed number. This needs the extra ``sigrec[arrow]``: it raises SigrecError without it, and
        ValueError for a bad argument.
        """
        from sigrec._reader import tables

        wanted = frozenset(map(_check.signal, signums))
        since_ns, until_ns = nanoseconds("since", since), nanoseconds("until", until)
        infos = Infos(self._source, self._here)
        events = self._raw(self._history.head(), infos, wanted, since_ns, until_ns)
        return tables.table(events, infos.offsets, self._ledger.names())

    def to_pandas(
        self,
        *signums: int,
        since: datetime | int | None = None,
        until: datetime | int | None = None,
    ) -> Any:
        """The same events as a pandas.DataFrame, in which columns with nulls keep an integer type
        (Int64 and the like). Raises what :meth:`to_arrow` raises, and SigrecError without
        pandas."""
        from sigrec._reader import tables

        return tables.frame(self.to_arrow(*signums, since=since, until=until))

    def _newest_events(
        self, count: int, wanted: frozenset[int] = frozenset(), head: int | None = None
    ) -> list[SignalInfo]:
        """The last `count` events of what events() yields. The others are read only if needed."""
        head = self._history.head() if head is None else head
        size = max(PIECE, 2 * count)
        while count and size < min(head, self.capacity):
            found = list(self._events(head, wanted, from_ticket=head - size))
            if len(found) >= count:
                return found[-count:]
            size *= 8
        return list(deque(self._events(head, wanted) if count else (), maxlen=count))

    def _merged(self, begin: int, head: int, all_there_is: bool) -> Iterator[tuple[int, ...]]:
        """The history, and among it, by their times, the newest events
        of each signal that are no more in it."""
        kept = self._recent.events() if all_there_is else {}
        gone = self._history.not_in_ring(kept.keys()) if kept else ()
        missing = sorted(kept[key] for key in gone)
        missing.reverse()
        for event in self._history.slots(begin, head, all_there_is):
            while missing and missing[-1] < event:
                yield missing.pop()
            yield event
        yield from reversed(missing)

    def sent(self) -> list[SentSignal]:
        """The signals that the process sent, in order, as far as they are kept: the newest 256, and
        the newest 64 of those that end or stop others (SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGQUIT,
        SIGABRT, SIGSTOP). A process writes them down if it records (record(), ``sigrec run``)."""
        return self._sent.signals()

    def dispositions(self, *signums: int) -> list[Disposition]:
        """How the process changed the dispositions of its signals, and by which calls, in order:
        the newest eight changes of each signal, and the first disposition if that was not the
        default. A process writes them down if it records (record(), ``sigrec run``).

        signums: only these signals. Raises ValueError for anything but a signal number.
        """
        wanted = frozenset(map(_check.signal, signums))
        found = dispositions.dispositions(self._source, self._header, self._identity, self._here)
        return [change for change in found if not wanted or change.si_signo in wanted]

    def masks(self, *signums: int) -> list[MaskChange]:
        """The signals that threads of the process blocked and unblocked, and by which calls, in
        order: for each signal the newest four changes of the main thread, and the newest four of
        all other threads. A call that blocks or unblocks nearly all signals at once is one change,
        of signal 0. A process writes them down if it records (record(), ``sigrec run``).

        signums: only these signals, and signal 0. Raises ValueError for anything but a signal
        number.
        """
        wanted = frozenset(map(_check.signal, signums))
        found = masks.masks(self._source, self._header, self._identity, self._here)
        return [change for change in found if not wanted or change.si_signo in (0, *wanted)]

    def _asker(self, info: SignalInfo) -> Asker | None:
        """The asker of that signal: what the handler found out about its sender; None: it did not
        look, or that is not kept."""
        from sigrec._reader.askers import asker

        return asker(self._source, self._header, info.si_signo, info.ordinal)

    def __iter__(self) -> Iterator[SignalInfo]:
        return self.events()

    def ring(self) -> memoryview:
        """The whole history, one slot of 64 bytes after another (docs/reference/format.md). It is
        read-only and not copied, so it goes on changing while the process lives. It is meant for
        arrays; events() is easier to use, and never yields an event that is only half written.

        It stays valid after close(). If the file is truncated while it is mapped, who reads it gets
        SIGBUS (mmap(2)).

        Raises RecordingError if the recording is not in a file, or was truncated.
        """
        from sigrec._reader import arrays

        return arrays.ring(self._source, self._header)

    @property
    def __array_interface__(self) -> dict[str, object]:
        """For ``numpy.asarray(recording)``: ring(), with the names of the fields."""
        from sigrec._reader import arrays

        return arrays.interface(self._source, self._header)

    # --- the file ------------------------------------------------------------------------

    def close(self) -> None:
        """Close the file; a second call does nothing. After that, reading raises ValueError."""
        self._source.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Recording of PID {self.pid} {self.path or '(this process)'}>"


Recording.__module__ = "sigrec"
