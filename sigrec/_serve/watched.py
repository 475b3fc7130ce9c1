"""One recording, held by a descriptor from its appearance to
its process's end, and what is new in it."""

from __future__ import annotations

import errno
import signal
import struct

from sigrec._errors import NoRecordingError, RecordingError
from sigrec._proc import lease
from sigrec._proc.pidfd import bystander
from sigrec._reader.counts import LARGEST_COUNT, Counts, counts, running_handler
from sigrec._reader.format import CHILDREN, ENDINGS, MODES, RECORDED, SENDER_KINDS
from sigrec._reader.identity import recording_id
from sigrec._reader.recording import Recording
from sigrec._reader.sent import has_any
from sigrec._reader.source import open_file
from sigrec._serve.counters import OTHER
from sigrec._serve.programs import label, program
from sigrec._signals.names import name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sigrec._proc.pidfd import Bystander
    from sigrec._reader.source import Source

    # How many of a signal were delivered, handled, overwritten and sent.
    Counted = tuple[int, int, int, int]
    # What a sender is counted by: the signal, and the sender's kind and PID.
    Whose = tuple[int, int, int]

# The signals whose senders are counted: they are few, and people ask who sent them.
ASKED_WHO = tuple(
    map(int, (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGTERM))
)
_NOTHING_COUNTED = (0, 0, 0, 0)
_REGISTERED = next(n for n, mode in MODES.items() if mode == "registered")
_shared_modes: dict[bytes, bytes] = {}  # of thousands of processes, of which most have the same
_SENDER_NUMBERS = {kind: number for number, kind in SENDER_KINDS.items()}


class Unreadable(Exception):
    """A recording cannot be read. reason: ``"permission"``, ``"descriptors"`` (there are none
    left), ``"damaged"`` (it is no recording, or of a version that is not read here), ``"owner"``
    (it does not belong to the directory's owner), ``"other"``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


# What reading a recording can raise: anybody could have written it, or truncated it just now.
BAD = (
    Unreadable, RecordingError, OSError, ValueError, ArithmeticError, LookupError, struct.error,
)  # fmt: skip


class Watched:
    """A recording that is held. is_subreaper: whether its process inherits orphans (prctl(2)).
    counted: by signal, what was counted already. modes: by signal, its mode at the last look. over:
    whether the end of the process was counted."""

    __slots__ = (
        "_ledger", "_sigrtmin", "_version", "bystander", "counted", "from_whom", "inode", "is_subreaper",
        "key", "modes",
        "name", "over", "path", "pid", "source", "uid", "watch",
    )  # fmt: skip

    def __init__(self, path: str, owner: int | None = None) -> None:
        """owner: the uid that a file must belong to for serve to watch it; None: any. Raises
        Unreadable if it cannot be read, and keeps no
        descriptor then; NoRecordingError if it is gone."""
        self.path = path
        self.watch = -1
        self.over = False
        self.counted: dict[int, Counted] = {}
        self.from_whom: dict[Whose, int] = {}
        self.modes = b""
        try:
            self.source: Source = open_file(path)
        except NoRecordingError:
            raise
        except RecordingError as error:
            raise Unreadable(reason_of(error.__context__)) from None
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
            self._ledger, self._version = header.ledger, header.version
            self._sigrtmin = header.sigrtmin
            # The process may have ended, and another one may have its PID by now: the start time
            # tells that, or that this process maps the file.
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
        """The recording, read by the descriptor that is held,
        even if the file has no name any more."""
        return Recording(self.source)

    @property
    def is_seen(self) -> bool:
        """Whether the recording's process can be seen from here, by a pidfd."""
        return self.bystander is not None

    def is_written(self) -> bool | None:
        """Whether a process of any namespace still writes the recording; None: not known."""
        return lease.is_written(self.source.fd)

    # --- what it counts ---------------------------------------------------------------------

    def now(self) -> dict[int, Counts]:
        """By signal, what the ledger counts. Raises Unreadable if the recording is damaged."""
        modes, ledger = counts(self.source, self._ledger, self._version)
        if modes != self.modes:
            self.modes = _shared_modes.setdefault(modes, modes)
        return ledger

    def is_registered(self, number: int) -> bool:
        """Whether the signal has a handler of sigrec's now."""
        return self.modes[number] == _REGISTERED

    def recorded(self) -> dict[int, bool]:
        """The signals that it records now, and whether they have a handler of sigrec's."""
        modes = enumerate(self.modes)
        return {
            n: mode == _REGISTERED for n, mode in modes if n and mode in (_REGISTERED, RECORDED)
        }

    def take(self, number: int, ledger: Counts) -> Counted | None:
        """How much of its counts is new, which is counted from now on. None: nothing is new."""
        now = ledger.delivered, ledger.handled, ledger.overwritten, ledger.sent
        before = self.counted.get(number, _NOTHING_COUNTED)
        if now == before:
            return None
        if max(now) >= LARGEST_COUNT or not number:
            raise Unreadable("damaged")
        self.counted[number] = tuple(map(max, now, before))  # type: ignore[assignment]
        return tuple(max(0, new - then) for new, then in zip(now, before, strict=True))  # type: ignore[return-value]

    def senders_are_behind(self) -> bool:
        """Whether signals were counted whose senders were not yet: a reader may come in between."""
        attributed: dict[int, int] = {}
        for (number, _, _), count in self.from_whom.items():
            attributed[number] = attributed.get(number, 0) + count
        return any(
            self.counted.get(number, _NOTHING_COUNTED)[0] > attributed.get(number, 0)
            for number in ASKED_WHO
        )

    def take_senders(self, ledger: dict[int, Counts]) -> list[tuple[int, str, int]]:
        """Signal, sender and how many are new to the counters, for the signals of ASKED_WHO."""
        senders: dict[Whose, tuple[int, str]] = {}
        for number, pid, kind, sender, count in self.recording()._ledger.senders():
            if number not in ASKED_WHO:
                continue
            who: str = sender.kind
            if kind == "process":
                who = "itself" if pid == self.pid else sender.comm or "unknown"
            whose = number, _SENDER_NUMBERS[kind], pid
            senders[whose] = senders.get(whose, (0, ""))[0] + count, label(who)
        for number in ASKED_WHO:
            if number in ledger and ledger[number].unattributed:
                senders[number, -1, 0] = ledger[number].unattributed, OTHER
        new = []
        for whose, (count, who) in senders.items():
            before = self.from_whom.get(whose, 0)
            if count > before:
                self.from_whom[whose] = count
                new.append((whose[0], who, count - before))
        return new

    def has_ended_others(self) -> bool:
        """Whether the process sent a signal that ends or stops others.
        It writes that down before it calls kill(2)."""
        return has_any(self.source, ENDINGS)

    def may_know_of_ends(self) -> bool:
        """Whether the process has ended others, or was told of the ends of its children."""
        return self.has_ended_others() or has_any(self.source, CHILDREN)

    def running_handler(self) -> tuple[int, int] | None:
        """The signal whose handler runs, and since when, by
        CLOCK_MONOTONIC; None: no handler runs."""
        return running_handler(self.source, self._version)

    def signal_name(self, number: int) -> str:
        return name(number, self._sigrtmin)

    # --- what is kept of it -----------------------------------------------------------------

    def to_list(self) -> list[Any]:
        senders = [[*whose, count] for whose, count in self.from_whom.items()]
        counted = [[number, *counts] for number, counts in self.counted.items()]
        return [int(self.over), counted, senders]

    def restore(self, kept: list[Any]) -> None:
        """Takes what to_list() made in an earlier run. Raises
        ValueError or TypeError for anything else."""
        over, counted, senders = kept
        self.over = bool(over)
        self.counted = {
            int(number): (int(a), int(b), int(c), int(d)) for number, a, b, c, d in counted
        }
        self.from_whom = {
            (int(n), int(kind), int(pid)): int(count) for n, kind, pid, count in senders
        }

    def close(self) -> None:
        """Closes the pidfd of the recording's process.
        The recording stays open for those that still read it."""
        if self.bystander is not None:
            self.bystander.close()


def reason_of(error: BaseException | None) -> str:
    """The `reason` of Unreadable that an error stands for."""
    number = error.errno if isinstance(error, OSError) else None
    if number is None:
        return "damaged"
    if number in (errno.EACCES, errno.EPERM):
        return "permission"
    return "descriptors" if number in (errno.EMFILE, errno.ENFILE) else "other"
