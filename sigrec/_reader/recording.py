"""Reading recordings, of this process or another, live or dead: docs/reference/format.md.

Reads by copying (pread(2)) and not through a mapping: a file that is truncated while it is
read is then an error and not a SIGBUS. A reader never writes, so it can never disturb.
"""

from __future__ import annotations

import os
import stat
import struct
import sys

from sigrec import _check
from sigrec._errors import NoRecordingError, RecordingError
from sigrec._proc import host, process
from sigrec._proc.maps import maps_writable
from sigrec._proc.status import catches
from sigrec._reader import places
from sigrec._signals.names import name
from sigrec._signals.siginfo import (
    Names,
    Sender,
    SignalInfo,
    SignalInfoFromElsewhere,
    _set_names,
    sender_kind,
)
from sigrec._signals.value import Value
from sigrec._times import aware, nanoseconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from types import TracebackType

    _SenderEntry = tuple[int, str, int, int, int, int, int, str | None, int]

MAGIC = b"\x89SIGREC\n"
VERSION = 2
HEADER_SIZE = 4096
SLOT_SIZE = 64
LEDGER_COUNT = 65
LEDGER_ENTRY = 256
ANCHORS = 16
SENDER_ENTRY = 64
LARGEST_SENDERS = 1 << 16
LARGEST_RING = 1 << 24  # slots: what configure() allows
LARGEST_ARGV = 4096
LARGEST_FILE = (LARGEST_RING + 4096) * SLOT_SIZE

# Offsets in csrc/recording.h.
_HEADER = struct.Struct("=8sIHHIIQQIIQIIQQiIQQii40sQI")
_STATE_AT = 160
_HEAD_AT = 192
_ANCHOR_COUNT_AT = 256
_ANCHORS_AT = 320
_SENDERS = struct.Struct("=QII")
_SENDERS_AT = 576
_ENDING = struct.Struct("=IQIiI")  # from _ENDING_AT: signal, ordinal, leave, status, handling
_ENDING_AT = 164
_LEAVE_NS_AT = 592
_REASON_AT, _REASON_SIZE = 608, 128
_EXITED = 1
_LEAVES = {1: "exit", 2: "_exit", 3: "exec"}

# Of a slot, csrc/event.h: sequence, then the members of struct event.
_SLOT = struct.Struct("=QQQIiiIQIiii")
SLOT_FIELDS = (
    ("sequence", "u8"), ("monotonic_ns", "u8"), ("ordinal", "u8"), ("si_signo", "u4"),
    ("si_code", "i4"), ("si_pid", "i4"), ("si_uid", "u4"), ("datum", "u8"), ("tid", "u4"),
    ("si_errno", "i4"), ("detail", "i4"), ("si_timerid", "i4"),
)  # fmt: skip
PIECE = 1024  # slots that are read at once
_COUNTERS = struct.Struct("=9Q2IQ")
_FIRST_AT, _LAST_AT = 128, 192

_BYTE_ORDER = sys.byteorder  # a recording of the other order is refused

# Of a sender, csrc/sender.h: key, count, last_ns, uid, code, named_ns, name, since_ns.
_SENDER = struct.Struct("=QQQIiQ16sQ")
_SENDER_KINDS = {0: "process", 1: "kernel", 2: "timer", 3: "child"}

_MODES = {0: "none", 1: "registered", 2: "unregistered", 3: "recorded"}


class SignalStats(Value):
    """The ledger of one signal in one process. Counts are cumulative since the process began
    to record; ``delivered == recorded + dropped`` when nothing is in flight."""

    __slots__ = {  # noqa: RUF023 - as one reads them
        "signal": 'The signal\'s name, as ``"SIGUSR1"``.',
        "number": "The signal's number.",
        "mode": '``"registered"`` (it has a handler of sigrec\'s), ``"unregistered"`` (it had one), '
        '``"recorded"`` (its handling is the program\'s own), ``"none"`` (it was recorded once).',
        "replaced": "Whether somebody else's handler has taken the place of sigrec's.",
        "delivered": "How many the process took from the kernel.",
        "recorded": "Of these, how many were written to the history.",
        "dropped": "Of these, how many could not be written there.",
        "overwritten": "How many were written, and newer ones have taken their place since.",
        "handled": "For how many a handler was called, or one call stood for them.",
        "pending": "How many were delivered and are not handled yet.",
        "undetailed": "How many were handled or are pending without their siginfo.",
        "abandoned": "How many a cancel inside the signal's own handler left unhandled.",
        "overruns": "How many more expirations of a POSIX timer these signals stood for.",
        "first": "The first event, a :class:`SignalInfo`; None where it is not known.",
        "last": "The newest event; None where it is not known.",
        "senders": "(:class:`Sender`, how many it sent), the most frequent first.",
    }
    _fields = tuple(__slots__)

    signal: str
    number: int
    mode: str
    replaced: bool
    delivered: int
    recorded: int
    dropped: int
    overwritten: int
    handled: int
    pending: int
    undetailed: int
    abandoned: int
    overruns: int
    first: SignalInfo | None
    last: SignalInfo | None
    senders: list[tuple[Sender, int]]

    @property
    def ever_registered(self) -> bool:
        """Whether it has or had a handler of sigrec's: else handled and pending mean nothing."""
        return self.mode not in ("none", "recorded") or bool(
            self.handled or self.pending or self.abandoned
        )

    def __repr__(self) -> str:
        counts = ("delivered", "recorded", "dropped", "handled", "pending")
        shown = " ".join(f"{count}={getattr(self, count)}" for count in counts)
        return f"<SignalStats {self.signal} {self.mode} {shown}>"


class _Descriptor:
    """Closed when nobody has it any more. Not of a recording in memory, which stats() makes each
    time: what a signal's handler raises inside of a __del__ is lost."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    __del__ = close


class Recording:
    """A process's recording. As a context manager it closes the file.

    Made by :func:`open_recording`. Every property reads the file anew, so that the recording of
    a live process stays current.
    """

    def __init__(
        self, read: Callable[[int, int], bytes], path: str | None = None, fd: int = -1
    ) -> None:
        self._path = path
        self._read = read  # (offset, size): fewer bytes only where the recording ends
        self._fd = -1
        self._status = None if fd < 0 else os.fstat(fd)
        self._parse()
        self._fd = fd  # ours to close from here on
        self._descriptor = _Descriptor(fd) if fd >= 0 else None

    # --- the header ----------------------------------------------------------------

    def _parse(self) -> None:
        raw = self._read(0, HEADER_SIZE)
        if not raw:
            raise self._bad("is empty")
        if raw[:8] != MAGIC[: len(raw[:8])]:
            raise self._bad(f"is not a recording: it begins with {raw[:8]!r}")
        if len(raw) < HEADER_SIZE:
            raise self._bad(f"is cut short: {len(raw)} bytes of a {HEADER_SIZE}-byte header")
        (
            _, endian, version, _, header_size, event_size, file_size, argv_at, argv_size, _,
            ledger_at, ledger_count, ledger_entry, ring_at, capacity, pid, uid, ticks, namespace,
            sigrtmin, _sigrtmax, boot_id, started_ns, _,
        ) = _HEADER.unpack_from(raw)  # fmt: skip
        if endian != 0x01020304:
            raise self._bad(f"is from a machine of another byte order (mark {endian:#010x})")
        if version != VERSION:
            raise self._bad(f"has format version {version}; this sigrec reads {VERSION}")
        for what, value, wanted in (
            ("header size", header_size, HEADER_SIZE),
            ("event size", event_size, SLOT_SIZE),
            ("number of ledger entries", ledger_count, LEDGER_COUNT),
            ("ledger entry size", ledger_entry, LEDGER_ENTRY),
        ):
            if value != wanted:
                raise self._bad(f"is corrupt: {what} {value}, not {wanted}")
        if file_size > LARGEST_FILE:
            raise self._bad(f"is corrupt: file size {file_size}")
        if self._status is not None and file_size > self._status.st_size:
            raise self._bad(f"is cut short: {self._status.st_size} bytes of {file_size}")
        # Before anything is read by it: a sparse file costs its author nothing, us memory.
        if not 1 <= capacity <= LARGEST_RING or capacity & (capacity - 1):
            raise self._bad(
                f"is corrupt: ring capacity {capacity} is not a power of two to {LARGEST_RING}"
            )
        if argv_size > LARGEST_ARGV:
            raise self._bad(f"is corrupt: command line of {argv_size} bytes")
        senders_at, senders_count, sender_entry = _SENDERS.unpack_from(raw, _SENDERS_AT)
        if sender_entry != SENDER_ENTRY or senders_count > LARGEST_SENDERS:
            raise self._bad(f"is corrupt: {senders_count} senders of {sender_entry} bytes")
        for what, at, size in (
            ("command line", argv_at, argv_size),
            ("table of senders", senders_at, senders_count * SENDER_ENTRY),
            ("ledger", ledger_at, ledger_count * ledger_entry),
            ("ring", ring_at, capacity * SLOT_SIZE),
        ):
            if at < HEADER_SIZE or at % 64 or at + size > file_size:
                raise self._bad(f"is corrupt: {what} at {at}, {size} bytes, in {file_size}")
        if pid <= 0:
            raise self._bad(f"is corrupt: pid {pid}")
        self._argv_at, self._argv_size = argv_at, argv_size
        self._senders_at, self._senders_size = senders_at, senders_count * SENDER_ENTRY
        self._ledger_at, self._ring_at, self._capacity = ledger_at, ring_at, capacity
        self._start_ticks, self._namespace, self._sigrtmin = ticks, namespace, sigrtmin
        self._pid: int = pid
        self._uid: int = uid
        self._boot_id: str = boot_id.split(b"\0")[0].decode("ascii", "replace")
        self._started_ns: int = started_ns
        here = self._status is None or (
            self.boot_id == host.boot_id() and namespace == host.pid_namespace()
        )
        self._make = (SignalInfo if here else SignalInfoFromElsewhere)._make
        self._here = here

    @property
    def _owner(self) -> int | None:
        """The uid that the file belongs to; None: it is not in a file."""
        return None if self._status is None else self._status.st_uid

    @property
    def _seen_ns(self) -> int:
        """When a process that began to record saw this one alive, as the file's time says."""
        return 0 if self._status is None else self._status.st_mtime_ns

    def _same_pids(self, other: Recording) -> bool:
        """Whether a pid means the same process in both, as one user says."""
        return (self._owner, self.boot_id, self._namespace) == (
            other._owner, other.boot_id, other._namespace
        )  # fmt: skip

    def _bad(self, why: str) -> RecordingError:
        return RecordingError(f"{self.path or 'this process'}: {why}")

    def _bytes(self, offset: int, size: int) -> bytes:
        raw = self._read(offset, size)
        if len(raw) != size:
            raise self._bad(f"is cut short: {len(raw)} of {size} bytes at {offset}")
        return raw

    def _word(self, offset: int) -> int:
        return int.from_bytes(self._bytes(offset, 8), _BYTE_ORDER)

    @property
    def path(self) -> str | None:
        """Its file; None: it is in memory."""
        return self._path

    @property
    def pid(self) -> int:
        """The process's id, in its own PID namespace."""
        return self._pid

    @property
    def uid(self) -> int:
        """The user that the process ran as when the recording was made, as it says itself."""
        return self._uid

    @property
    def boot_id(self) -> str:
        """Which boot of which machine it is of: /proc/sys/kernel/random/boot_id."""
        return self._boot_id

    @property
    def started_ns(self) -> int:
        """When the recording was made, in ns since 1970."""
        return self._started_ns

    @property
    def argv(self) -> list[str]:
        """The command line, as the process was started; as it said itself, so not to be trusted
        (undecodable bytes as surrogates: os.fsdecode)."""
        raw = self._bytes(self._argv_at, self._argv_size)
        return [os.fsdecode(part) for part in raw.removesuffix(b"\0").split(b"\0")] if raw else []

    @property
    def started(self) -> datetime:
        """When the recording was made, aware, in UTC."""
        return aware(self.started_ns)

    @property
    def capacity(self) -> int:
        """How many events the history holds."""
        return self._capacity  # type: ignore[no-any-return]

    @property
    def state(self) -> str:
        """``"alive"``; ``"exited"`` (cleanly); ``"replaced"`` (another program was exec'ed);
        ``"ended"`` (gone without saying); ``"unknown"`` (another PID namespace, or not ours to see).
        """
        if self._status is None:
            return "alive"  # this process
        if self._word(_STATE_AT) & 0xFFFFFFFF == _EXITED:
            return "exited"
        if self.boot_id != host.boot_id():
            return "ended"
        if self._namespace != host.pid_namespace():
            return "unknown"
        # Neither the pid nor the start time is proof: a pid is used again, exec keeps both.
        mapped = maps_writable(self.pid, self._status.st_dev, self._status.st_ino, self.path or "")
        if mapped is None:
            return "unknown"
        if mapped:
            return "alive"
        if process.start_ticks(self.pid) == self._start_ticks:
            return "unknown" if self._is_copy() else "replaced"
        return "ended"

    def _is_copy(self) -> bool:
        """Whether the process still writes the file that this one was copied from."""
        mine = self._bytes(0, _STATE_AT)
        for path in places.find(self.pid):
            try:
                with _open(path, os.O_RDONLY | os.O_NOFOLLOW) as other:
                    if other._bytes(0, _STATE_AT) == mine and other._status is not None:
                        status = other._status
                        return bool(maps_writable(self.pid, status.st_dev, status.st_ino, path))
            except RecordingError:
                continue
        return False

    def name(self, signum: int) -> str:
        """The signal's name in that process: its C library may have another SIGRTMIN.
        ``"signal 99"`` for a number that is no signal's."""
        if not _check.is_int(signum):
            _check.bad("signum must be an int", signum)
        return name(signum, self._sigrtmin)

    @property
    def ending(self) -> tuple[int, int] | None:
        """The signal whose default action was ending the process when it last wrote, and which
        of that signal (its ordinal); None: no such signal was recorded."""
        signum, ordinal, *_ = _ENDING.unpack(self._bytes(_ENDING_AT, _ENDING.size))
        return (signum, ordinal) if 1 <= signum < LEDGER_COUNT else None

    @property
    def leave(self) -> str | None:
        """What the process said that it would do last: ``"exit"`` (exit(3)), ``"_exit"``
        (os._exit), ``"exec"``; None: nothing."""
        return _LEAVES.get(_ENDING.unpack(self._bytes(_ENDING_AT, _ENDING.size))[2])

    @property
    def leave_time_ns(self) -> int | None:
        """When it said so, in ns since 1970."""
        monotonic_ns = self.leave_monotonic_ns
        if monotonic_ns is None:
            return None
        return monotonic_ns + self._offset_at(monotonic_ns, self._clock_offsets())

    @property
    def leave_monotonic_ns(self) -> int | None:
        """The same, as CLOCK_MONOTONIC."""
        return self._word(_LEAVE_NS_AT) if self.leave else None

    @property
    def status(self) -> int | None:
        """The exit status that it said; None: it said none, or the C library does not tell."""
        status = int(_ENDING.unpack(self._bytes(_ENDING_AT, _ENDING.size))[3])
        return status if self.leave in ("exit", "_exit") and 0 <= status <= 255 else None

    @property
    def reason(self) -> str | None:
        """The type of the exception that nobody caught, or the program that was exec'ed."""
        text = self._bytes(_REASON_AT, _REASON_SIZE).split(b"\0")[0]
        return os.fsdecode(text) or None

    @property
    def handling(self) -> int | None:
        """The signal whose handler (of register()) was running when it last wrote; or None."""
        number: int = _ENDING.unpack(self._bytes(_ENDING_AT, _ENDING.size))[4]
        return number if 1 <= number < LEDGER_COUNT else None

    # --- the ledger ------------------------------------------------------------------

    @property
    def signals(self) -> dict[int, SignalStats]:
        """By number: every signal that was delivered, or has or had a handler."""
        offsets = self._clock_offsets()
        senders = self._senders(offsets)
        names = self._names()
        alive = self.state == "alive"
        size = LEDGER_COUNT * LEDGER_ENTRY
        copies = [self._bytes(self._ledger_at, size) for _ in range(3)]
        found = {}
        for number in range(1, LEDGER_COUNT):
            at = number * LEDGER_ENTRY
            counters = _COUNTERS.unpack_from(copies[1], at)
            (delivered, recorded, dropped, overwritten, queued, undetailed, handled, abandoned,
             overruns, mode, replaced, unattributed) = counters  # fmt: skip
            if not delivered and not mode:
                continue
            stats = SignalStats()
            stats.signal = name(number, self._sigrtmin)
            stats.number = number
            stats.mode = _MODES.get(mode, f"mode {mode}")
            stats.replaced = bool(replaced)
            if alive and mode == 1 and catches(self.pid, number) is False:
                stats.replaced = True  # the kernel says that nothing catches it
            stats.delivered, stats.recorded, stats.dropped = delivered, recorded, dropped
            stats.overwritten, stats.handled = overwritten, handled
            # In flight a signal may be handled before it is seen as queued.
            stats.pending = max(0, queued + undetailed - handled - abandoned)
            stats.undetailed, stats.abandoned, stats.overruns = undetailed, abandoned, overruns
            stats.first = self._kept(copies, at + _FIRST_AT, offsets, names)
            stats.last = self._kept(copies, at + _LAST_AT, offsets, names)
            stats.senders = senders.get(number, [])
            if unattributed:
                stats.senders.append((Sender("others"), unattributed))
            found[number] = stats
        return found

    def _senders(self, offsets: list[tuple[int, int]]) -> dict[int, list[tuple[Sender, int]]]:
        """By signal: who sent how many, the most frequent first."""
        merged: dict[int, dict[Sender, int]] = {}
        for number, kind, pid, count, last_ns, uid, code, comm, _ in self._sender_entries():
            if not count:
                continue
            sender = None
            if kind == "process":
                event = [last_ns, 0, number, code, pid, uid, 0, 0, 0, 0, 0]
                sender = self._info(event, offsets, self._one_name(number, pid, comm)).sender
            elif kind == "child":
                sender = Sender("child")  # all of them: an event tells which
            else:
                sender = Sender(sender_kind(number, code, pid))
            of_signal = merged.setdefault(number, {})
            of_signal[sender] = of_signal.get(sender, 0) + count
        return {
            number: sorted(of_signal.items(), key=lambda item: -item[1])
            for number, of_signal in merged.items()
        }

    def _one_name(self, number: int, pid: int, comm: str | None) -> Names:
        return Names(self._sigrtmin, {} if comm is None else {(number, pid): (comm, 0)})

    def _sender_entries(self) -> Iterator[_SenderEntry]:
        raw = self._bytes(self._senders_at, self._senders_size)
        for key, count, last_ns, uid, code, named_ns, short, since_ns in _SENDER.iter_unpack(raw):
            number = key >> 32 & 0xFF
            kind = _SENDER_KINDS.get(key >> 40 & 0xFF)
            if key >> 63 and 1 <= number < LEDGER_COUNT and kind is not None:
                comm = short.split(b"\0")[0].decode(errors="replace") if named_ns else None
                # The name was looked up no more than ten seconds after its first signal.
                since_ns = max(0, since_ns - 10 * 10**9)
                yield number, kind, key & 0xFFFFFFFF, count, last_ns, uid, code, comm, since_ns

    def _names(self) -> Names:
        return Names(
            self._sigrtmin,
            {
                (number, pid): (comm, since_ns)
                for number, kind, pid, *_, comm, since_ns in self._sender_entries()
                if kind == "process" and comm is not None
            },
        )

    def _kept(
        self, copies: list[bytes], at: int, offsets: list[tuple[int, int]], names: Names
    ) -> SignalInfo | None:
        sequence, *event = _SLOT.unpack_from(copies[1], at)
        for copy in (copies[0], copies[2]):
            if int.from_bytes(copy[at : at + 8], _BYTE_ORDER) != sequence:
                return None
        if sequence == 0 or sequence & 1 or event[2] != at // LEDGER_ENTRY:
            return None
        return self._info(event, offsets, names)

    # --- the history -------------------------------------------------------------------

    def events(
        self,
        *signums: int,
        since: datetime | int | None = None,
        until: datetime | int | None = None,
    ) -> Iterator[SignalInfo]:
        """What is still in the history, in the order of recording, as it was when this began.

        signums: only these signals. since, until: only from then on, and only before then; each
        an aware datetime, or ns since 1970. Read piece by piece, however large the history is:
        events that are being written, or are overwritten before they are read, are left out.

        Raises ValueError for a bad argument.
        """
        wanted = frozenset(map(_signum, signums))
        first_ns, end_ns = nanoseconds("since", since), nanoseconds("until", until)
        return self._events(self._word(_HEAD_AT), wanted, first_ns, end_ns)

    def _events(
        self,
        head: int,
        wanted: frozenset[int] = frozenset(),
        first_ns: int | None = None,
        end_ns: int | None = None,
        from_ticket: int = 0,
    ) -> Iterator[SignalInfo]:
        offsets, names = self._clock_offsets(), self._names()
        begin = max(from_ticket, head - self._capacity)
        timed = first_ns is not None or end_ns is not None
        for event in self._slots(begin, head, from_ticket == 0):
            if wanted and event[2] not in wanted:
                continue
            if timed:
                time_ns = event[0] + self._offset_at(event[0], offsets)
                if first_ns is not None and time_ns < first_ns:
                    continue
                if end_ns is not None and time_ns >= end_ns:
                    continue
            yield self._info(event, offsets, names)

    def _slots(self, begin: int, end: int, left_over: bool) -> Iterator[tuple[int, ...]]:
        """The payloads of the tickets from begin to end, in that order; before them, of those
        that are left over from earlier."""
        for ticket in sorted(self._left_over(begin)) if left_over else ():
            yield from self._piece(ticket, 1)
        ticket = begin
        while ticket < end:
            # Up to the end of the ring: a piece is one read.
            count = min(PIECE, end - ticket, self._capacity - ticket % self._capacity)
            yield from self._piece(ticket, count)
            ticket += count

    def _left_over(self, begin: int) -> list[int]:
        """Tickets before begin whose event is still there: the slot's later ones were burned."""
        found: list[int] = []
        if begin == 0:
            return found
        lowest = 2 * begin + 2
        for index in range(0, self._capacity, PIECE):
            size = min(PIECE, self._capacity - index) * SLOT_SIZE
            raw = memoryview(self._bytes(self._ring_at + index * SLOT_SIZE, size))
            sequences = raw.cast("Q")[:: SLOT_SIZE // 8].tolist()
            if min(sequences) >= lowest:
                continue
            for at, sequence in enumerate(sequences, index):
                ticket = sequence // 2 - 1
                if 0 < sequence < lowest and ticket % self._capacity == at:
                    found.append(ticket)
        return found

    def _piece(self, ticket: int, count: int) -> Iterator[tuple[int, ...]]:
        at = self._ring_at + ticket % self._capacity * SLOT_SIZE
        # An event is whole if its slot had its sequence before and after its payload
        # was copied. The order within one copy is not known: so three of them.
        before, copy, after = (self._bytes(at, count * SLOT_SIZE) for _ in range(3))
        if before == copy == after:
            before = after = copy
        expected = 2 * ticket + 2
        for n, (sequence, *event) in enumerate(_SLOT.iter_unpack(copy)):
            if sequence == expected and 1 <= event[2] <= 64:
                at = n * SLOT_SIZE
                word = copy[at : at + 8]
                if before is copy or before[at : at + 8] == word == after[at : at + 8]:
                    yield tuple(event)
            expected += 2

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
        import mmap

        if self._fd < 0:
            if self._status is not None:
                _closed(0, 0)
            raise self._bad("is not in a file: open it by its path")
        start = self._ring_at % mmap.ALLOCATIONGRANULARITY
        size = self._capacity * SLOT_SIZE
        if os.fstat(self._fd).st_size < self._ring_at + size:
            raise self._bad("is cut short")
        mapped = mmap.mmap(
            self._fd, start + size, prot=mmap.PROT_READ, offset=self._ring_at - start
        )
        return memoryview(mapped)[start : start + size]

    @property
    def __array_interface__(self) -> dict[str, object]:
        """``numpy.asarray(recording)``: ring(), with the fields' names."""
        order = "<" if _BYTE_ORDER == "little" else ">"
        return {
            "version": 3,
            "shape": (self._capacity,),
            "typestr": f"|V{SLOT_SIZE}",
            "descr": [(name, order + kind) for name, kind in SLOT_FIELDS],
            "data": self.ring(),
        }

    def _clock_offsets(self) -> list[tuple[int, int]]:
        """(MONOTONIC, REALTIME minus MONOTONIC) of the anchors, the newest first."""
        count, raw = 0, b""
        for _ in range(3):
            count = self._word(_ANCHOR_COUNT_AT)
            raw = self._bytes(_ANCHORS_AT, ANCHORS * 16)
            if self._word(_ANCHOR_COUNT_AT) - count < ANCHORS - 1:
                break
        pairs = list(struct.iter_unpack("=QQ", raw))
        newest_first = [pairs[n % ANCHORS] for n in range(count - 1, max(-1, count - ANCHORS), -1)]
        return [(monotonic, realtime - monotonic) for monotonic, realtime in newest_first]

    def _info(
        self, event: Sequence[int], offsets: list[tuple[int, int]], names: Names
    ) -> SignalInfo:
        info = self._make(self._offset_at(event[0], offsets), *event)
        _set_names(info, names)
        return info

    @staticmethod
    def _offset_at(monotonic_ns: int, offsets: list[tuple[int, int]]) -> int:
        # The newest anchor that is not younger; the first event of a process may be
        # older than all.
        oldest = offsets[-1][1] if offsets else 0
        return next((offset for at, offset in offsets if at <= monotonic_ns), oldest)

    # --- the file ------------------------------------------------------------------------

    def close(self) -> None:
        """Close the file; a second call does nothing. Reading raises ValueError then."""
        if self._descriptor is not None:
            self._fd = -1
            self._read = _closed  # the number of the descriptor is soon someone else's
            self._descriptor.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Recording of PID {self.pid} {self.path or '(this process)'}>"


def open_recording(pid_or_path: int | str | os.PathLike[str]) -> Recording:
    """Open the recording of a process, by its pid, or of a file; live or dead.

    Raises NoRecordingError where there is none, RecordingError for a file that is not a
    recording, or corrupt, or of another version; ValueError for another kind of argument.
    """
    by = "a recording is opened by a pid or a path"
    if not isinstance(pid_or_path, int):
        return _open(_check.path(by, pid_or_path), os.O_RDONLY)
    pid = _check.integer(by, pid_or_path, 1, (1 << 31) - 1)
    opened: list[Recording] = []
    bad: RecordingError | None = None
    for path in places.find(pid):
        try:
            opened.append(_open(path, os.O_RDONLY | os.O_NOFOLLOW))
        except NoRecordingError:
            continue  # it went as we looked
        except RecordingError as error:
            bad = bad or error  # a good one elsewhere is better than this
    opened.sort(key=lambda recording: (recording.state == "alive", recording.started_ns))
    for recording in opened[:-1]:
        recording.close()
    if opened:
        return opened[-1]
    if bad is not None:
        raise bad
    raise NoRecordingError(_none_of(pid))


def _signum(signum: int) -> int:
    return _check.integer("signum must be a signal number", signum, 1, LEDGER_COUNT - 1)


def _closed(offset: int, size: int) -> bytes:
    raise ValueError("the recording is closed")


def _none_of(pid: int) -> str:
    owner = process.owner(pid)
    if owner is None:
        return (
            f"there is no process {pid}, and no recording of one (kept are the newest "
            f"{places.KEEP} of processes that ended, and as many that exited with status 0)"
        )
    if os.geteuid() not in (0, owner):
        return (
            f"process {pid} belongs to uid {owner}: only that user and root can find its recording"
        )
    searched = ", ".join(dict.fromkeys(places.directories()))
    if os.geteuid() == 0:
        searched += ", and those of other users"
    hint = ""
    parent = process.parent(pid)
    while parent and not hint:
        if places.find(parent):
            hint = f"; PID {parent}, which it descends from, does: `sigrec run --children` records both"
        parent = process.parent(parent)
    return f"process {pid} publishes no recording (searched: {searched}){hint}"


def _open(path: str, flags: int) -> Recording:
    try:
        # O_NONBLOCK: a FIFO must not make us wait for a writer.
        fd = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NoRecordingError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecordingError(f"{path}: cannot be opened: {reason}") from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise RecordingError(f"{path}: is not a regular file")
        if status.st_size == 0:
            raise RecordingError(f"{path}: is empty")
        return Recording(lambda offset, size: os.pread(fd, size, offset), path, fd)
    except BaseException:
        os.close(fd)
        raise


for _public in (Recording, SignalStats, open_recording):
    _public.__module__ = "sigrec"
del _public
