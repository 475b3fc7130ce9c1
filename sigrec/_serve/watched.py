"""One recording, held by a descriptor from its appearance to the end of its process, and what is new in it."""

from __future__ import annotations

import errno
import os
import signal
import struct

from sigrec._errors import NoRecordingError, RecordingError
from sigrec._proc import lease
from sigrec._proc.pidfd import bystander
from sigrec._reader.format import (
    HANDLING_AT,
    HANDLING_NS_AT,
    LEDGER_COUNT,
    MODES,
    RECORDED,
    RECORDED_AT,
    SENDER_KINDS,
    SENT_HEADS_AT,
)
from sigrec._reader.identity import recording_id
from sigrec._reader.infos import Infos
from sigrec._reader.recording import Recording
from sigrec._reader.source import open_file
from sigrec._serve.counters import OTHER
from sigrec._serve.programs import label, program
from sigrec._signals.names import name
from sigrec._signals.sender import sender_kind
from sigrec._tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sigrec._proc.pidfd import Bystander
    from sigrec._reader.source import Source

    # Of a signal: delivered, handled, overwritten, sent.
    Counts = tuple[int, int, int, int]
    # Of a sender: signal, kind and PID.
    Whose = tuple[int, int, int]

# Whose senders are counted: few, and people ask who sent them.
ASKED_WHO = tuple(
    map(int, (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGTERM))
)
_NOTHING = (0, 0, 0, 0)
_LARGEST = 1 << 53  # what a metric holds exactly: no process counts so far
_REGISTERED = next(n for n, mode in MODES.items() if mode == "registered")
_shared: dict[bytes, bytes] = {}  # thousands of processes have the same few
_KINDS = {kind: number for number, kind in SENDER_KINDS.items()}


class Unreadable(Exception):
    """reason: ``"permission"``, ``"descriptors"`` (there are none left), ``"damaged"`` (no recording,
    or not of a version that is read here), ``"owner"`` (not the directory's), ``"other"``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


# What reading a recording may come to, which anybody could have written, or cut short just now.
BAD = (
    Unreadable, RecordingError, OSError, ValueError, ArithmeticError, LookupError, struct.error,
)  # fmt: skip


class Now(NamedTuple):
    """What the ledger says of a signal now. registered: it has a handler of sigrec's."""

    number: int
    counts: Counts
    pending: int
    registered: bool


class Watched:
    """is_subreaper: it inherits orphans (prctl(2)). counted: of each signal what was counted already. modes: of each signal, as of the last
    look. over: its end was counted."""

    __slots__ = (
        "_entry", "_handling", "_sigrtmin", "bystander", "counted", "from_whom", "inode", "is_subreaper",
        "key", "modes",
        "name", "over", "path", "pid", "source", "uid", "watch",
    )  # fmt: skip

    def __init__(self, path: str, owner: int | None = None) -> None:
        """owner: whose it has to be; None: anybody's. Unreadable: it is not to be read; None of its
        descriptors is kept then. NoRecordingError: it is gone."""
        self.path = path
        self.watch = -1
        self.over = False
        self.counted: dict[int, Counts] = {}
        self.from_whom: dict[Whose, int] = {}
        self.modes = b""
        try:
            self.source: Source = open_file(path)
        except NoRecordingError:
            raise
        except RecordingError as error:
            raise Unreadable(_reason(error.__context__)) from None
        status = self.source.status
        assert status is not None
        try:
            if owner is not None and status.st_uid != owner:
                raise Unreadable("owner")
            recording = Recording(self.source)
            header = recording._header
            self.uid, self.inode = status.st_uid, status.st_ino
            self.key = f"{self.uid}:{recording_id(header).hex()}"
            self.pid = header.pid
            self.is_subreaper = bool(recording._identity.subreaper)
            self.name = program(recording.argv, recording._identity.executable)
            ledger = header.ledger
            self._entry = ledger.at, ledger.size, ledger.entry
            self._handling = header.version > 2
            self._sigrtmin = header.sigrtmin
            # It may have ended, and its PID be another's by now: the start time tells, or that the
            # process maps the file.
            self.bystander: Bystander | None = bystander(recording._pid_here())
            if self.bystander is not None:
                same = self.bystander.start_ticks == header.start_ticks
                if not same and recording.state != "alive":
                    self.bystander.close()
                    self.bystander = None
        except BaseException as error:
            self.source.close()
            if isinstance(error, BAD) and not isinstance(error, Unreadable):
                raise Unreadable("damaged") from None
            raise

    def recording(self) -> Recording:
        """By the descriptor that is held: also when the file has no name any more."""
        return Recording(self.source)

    @property
    def is_seen(self) -> bool:
        """Whether its process is told apart from others here, by a pidfd."""
        return self.bystander is not None

    def is_written(self) -> bool | None:
        """Whether a process, wherever, still writes the recording."""
        return lease.is_written(self.source.fd)

    # --- what it counts ---------------------------------------------------------------------

    def now(self) -> list[Now]:
        """Each signal that counts anything. Unreadable: it is damaged."""
        at, size, entry = self._entry
        rows = list(_counters(entry).iter_unpack(self.source.bytes(at, size)))
        bits = self.source.word(RECORDED_AT) if self._handling else 0
        modes = bytes(
            RECORDED if number and bits >> (number - 1) & 1 else row[6] & 0xFF
            for number, row in enumerate(rows)
        )
        if modes != self.modes:
            self.modes = _shared.setdefault(modes, modes)
        found = []
        for number, row in enumerate(rows):
            if row[0] or row[8] or row[4]:
                delivered, overwritten, queued, undetailed, handled, abandoned, _, _, sent = row
                pending = max(0, queued + undetailed - handled - abandoned)
                counts = delivered, handled, overwritten, sent
                found.append(Now(number, counts, pending, modes[number] == _REGISTERED))
        return found

    def recorded(self) -> dict[int, bool]:
        """The signals that it records now, and whether they have a handler of sigrec's."""
        modes = enumerate(self.modes)
        return {
            n: mode == _REGISTERED for n, mode in modes if n and mode in (_REGISTERED, RECORDED)
        }

    def take(self, number: int, counts: Counts) -> Counts | None:
        """How much of it is new; from now on it is counted. None: nothing."""
        before = self.counted.get(number, _NOTHING)
        if counts == before:
            return None
        if max(counts) >= _LARGEST or not number:
            raise Unreadable("damaged")
        self.counted[number] = tuple(map(max, counts, before))  # type: ignore[assignment]
        return tuple(max(0, now - then) for now, then in zip(counts, before, strict=True))  # type: ignore[return-value]

    def senders_are_behind(self) -> bool:
        """A signal is counted before its sender is, and may be read in between."""
        told: dict[int, int] = {}
        for (number, _, _), count in self.from_whom.items():
            told[number] = told.get(number, 0) + count
        return any(
            self.counted.get(number, _NOTHING)[0] > told.get(number, 0) for number in ASKED_WHO
        )

    def take_senders(self) -> list[tuple[int, str, int]]:
        """(signal, sender, how many) that are new of the signals that people ask about."""
        recording = self.recording()
        infos, names = Infos(self.source, recording._here), recording._ledger.names()
        told: dict[Whose, tuple[int, str]] = {}
        for number, kind, pid, count, last_ns, uid, code, comm, *_ in recording._ledger._entries():
            if number not in ASKED_WHO or not count:
                continue
            if kind != "process":
                who = "child" if kind == "child" else sender_kind(number, code, pid)
            elif pid == self.pid:
                who = "itself"
            else:
                event = [last_ns, 0, number, code, pid, uid, 0, 0, 0, 0, 0]
                who = comm or infos.of(event, names).sender.comm or "unknown"
            whose = number, _KINDS[kind], pid
            # One that says itself who it is stands beside the same one as the kernel knows it.
            told[whose] = told.get(whose, (0, ""))[0] + count, label(who)
        at, size, entry = self._entry
        rows = list(_counters(entry).iter_unpack(self.source.bytes(at, size)))
        for number in ASKED_WHO:
            if rows[number][7]:
                told[number, -1, 0] = rows[number][7], OTHER  # more than are kept apart
        found = []
        for whose, (count, who) in told.items():
            before = self.from_whom.get(whose, 0)
            if count > before:
                self.from_whom[whose] = count
                found.append((whose[0], who, count - before))
        return found

    def has_ended_others(self) -> bool:
        """Whether it sent a signal that ends or stops others; written before the call of kill(2)."""
        raw = os.pread(self.source.fd, 8, SENT_HEADS_AT + 8)
        return any(raw)

    def handler_since_ns(self) -> tuple[int, int] | None:
        """The signal whose handler runs, and since when, as CLOCK_MONOTONIC; None: none does."""
        if not self._handling:
            return None
        raw = os.pread(self.source.fd, _HANDLING.size, HANDLING_AT)
        if len(raw) != _HANDLING.size:
            raise Unreadable("damaged")
        number, since = _HANDLING.unpack(raw)
        if not number or not since or number >= LEDGER_COUNT:
            return None
        # The two are not written at once: one may be of the handler that ran before.
        again = os.pread(self.source.fd, _HANDLING.size, HANDLING_AT)
        return (number, since) if again == raw else None

    def signal_name(self, number: int) -> str:
        return name(number, self._sigrtmin)

    # --- what is kept of it -----------------------------------------------------------------

    def to_list(self) -> list[Any]:
        senders = [[*whose, count] for whose, count in self.from_whom.items()]
        counted = [[number, *counts] for number, counts in self.counted.items()]
        return [int(self.over), counted, senders]

    def restore(self, kept: list[Any]) -> None:
        """What was counted of it before. ValueError, TypeError: to_list() made no such thing."""
        over, counted, senders = kept
        self.over = bool(over)
        self.counted = {
            int(number): (int(a), int(b), int(c), int(d)) for number, a, b, c, d in counted
        }
        self.from_whom = {
            (int(n), int(kind), int(pid)): int(count) for n, kind, pid, count in senders
        }

    def close(self) -> None:
        """Of its process; whoever reads the recording keeps it open."""
        if self.bystander is not None:
            self.bystander.close()


_HANDLING = struct.Struct(f"=I{HANDLING_NS_AT - HANDLING_AT - 4}xQ")
_of_entry: dict[int, struct.Struct] = {}


def _counters(entry: int) -> struct.Struct:
    """Of a ledger's entry (COUNTERS in _reader/format), what is counted here: delivered, overwritten,
    queued, undetailed, handled, abandoned, mode, of other senders, sent."""
    if entry not in _of_entry:
        _of_entry[entry] = struct.Struct(f"=Q16x5Q8xI4xQ8xQ{entry - 104}x")
    return _of_entry[entry]


def _reason(error: BaseException | None) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number is None:
        return "damaged"
    if number in (errno.EACCES, errno.EPERM):
        return "permission"
    return "descriptors" if number in (errno.EMFILE, errno.ENFILE) else "other"
