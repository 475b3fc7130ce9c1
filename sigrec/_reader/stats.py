"""The ledger as objects, and as the JSON that ``sigrec stats --json`` prints."""

from __future__ import annotations

import os

from sigrec import _check
from sigrec._reader.ledger import SignalStats
from sigrec._reader.recording import Recording
from sigrec._signals.value import Value
from sigrec._text import json_text
from sigrec._times import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from sigrec._signals.disposition import Disposition
    from sigrec._signals.mask import MaskChange
    from sigrec._signals.siginfo import SignalInfo

STATS_VERSION = 1


class ProcessStats(Value):
    """One process at one moment: what its recording's header says, and its signals by number."""

    __slots__ = {  # noqa: RUF023 - as one reads them
        "pid": "Its process id.",
        "state": "The process's :attr:`Recording.state`.",
        "ended_by": "The name of the signal that ended it, if that was recorded; else None.",
        "argv": "Its command line; None: it has no recording.",
        "started_ns": "When the recording was made, in ns since 1970; None: it has no recording.",
        "path": "The recording's file; None: it is in memory, or there is none.",
        "signals": "Its :class:`SignalStats` by signal number.",
        "dispositions": "The changes of its signals' dispositions: :meth:`Recording.dispositions`.",
        "masks": "The changes of its threads' signal masks: :meth:`Recording.masks`.",
    }
    _fields = tuple(__slots__)

    def __init__(self, recording: Recording | None) -> None:
        self.pid: int = recording.pid if recording else os.getpid()
        self.state: str = recording.state if recording else "alive"
        fatal = recording.fatal_signal if recording and self.state == "ended" else None
        self.ended_by: str | None = recording.signal_name(fatal) if recording and fatal else None
        self.argv: list[str] | None = recording.argv if recording else None
        self.started_ns: int | None = recording.started_ns if recording else None
        self.path: str | None = recording.path if recording else None
        self.signals: dict[int, SignalStats] = recording.signals if recording else {}
        self.dispositions: list[Disposition] = recording.dispositions() if recording else []
        self.masks: list[MaskChange] = recording.masks() if recording else []

    def __repr__(self) -> str:
        return f"<ProcessStats of PID {self.pid}, {self.state}>"

    def to_dict(self) -> dict[str, Any]:
        """The process's part of the JSON of ``sigrec stats --json``."""
        return {
            "pid": self.pid,
            "state": self.state,
            "ended_by": self.ended_by,
            "argv": None if self.argv is None else [json_text(part) for part in self.argv],
            "started": None if self.started_ns is None else rfc3339(self.started_ns),
            "recording": None if self.path is None else json_text(self.path),
            "signals": [_signal_fields(stats) for stats in self.signals.values()],
            "dispositions": [_disposition_fields(change) for change in self.dispositions],
            "masks": [_mask_fields(change) for change in self.masks],
        }


class Stats(Value):
    """The ledgers of one or more processes at one moment.

    If there is one process, ``stats[signum]`` is the :class:`SignalStats` of a signal, and raises
    KeyError for a signal that was never delivered and has no handler; and iterating yields each
    SignalStats.
    """

    __slots__ = {"processes": "A :class:`ProcessStats` for each process."}
    _fields = ("processes",)

    def __init__(self, recordings: Iterable[Recording | None]) -> None:
        self.processes = [ProcessStats(recording) for recording in recordings]

    def _only_process(self) -> ProcessStats:
        if len(self.processes) != 1:
            raise LookupError(f"these are the stats of {len(self.processes)} processes")
        return self.processes[0]

    def __getitem__(self, signum: int) -> SignalStats:
        number = _check.signal(signum)
        return self._only_process().signals[number]

    def __contains__(self, signum: object) -> bool:
        return _check.is_int(signum) and signum in self._only_process().signals

    def __iter__(self) -> Iterator[SignalStats]:
        return iter(self._only_process().signals.values())

    def __len__(self) -> int:
        return len(self._only_process().signals)

    def to_dict(self) -> dict[str, Any]:
        """The JSON of ``sigrec stats --json``, as a dict."""
        return {
            "version": STATS_VERSION,
            "processes": [process.to_dict() for process in self.processes],
        }

    def __repr__(self) -> str:
        return f"<Stats of {', '.join(f'PID {process.pid}' for process in self.processes)}>"


def worth_showing(process: ProcessStats) -> list[SignalStats]:
    """The process's signals, without those that are only recorded and never came, which may be
    60."""
    return [s for s in process.signals.values() if s.delivered or s.mode != "recorded"]


def _signal_fields(stats: SignalStats) -> dict[str, Any]:
    return {
        "signal": stats.signal_name,
        "number": stats.signum,
        "mode": stats.mode,
        "replaced": stats.replaced,
        "delivered": stats.delivered,
        "recorded": stats.recorded,
        "dropped": stats.dropped,
        "overwritten": stats.overwritten,
        "handled": stats.handled if stats.ever_registered else None,
        "pending": stats.pending if stats.ever_registered else None,
        "undetailed": stats.undetailed,
        "abandoned": stats.abandoned,
        "overruns": stats.overruns,
        "sent": stats.sent,
        "first": _time_of(stats.first),
        "last": _time_of(stats.last),
        "senders": [{**s.to_dict(), "count": count} for s, count in stats.senders],
    }


def _disposition_fields(change: Disposition) -> dict[str, Any]:
    return {**_change_fields(change), "action": change.action, "flags": change.flags}


def _mask_fields(change: MaskChange) -> dict[str, Any]:
    return {**_change_fields(change), "blocked": change.blocked, "main_thread": change.main_thread, "tid": change.tid,
            "mask": sorted(change.mask)}  # fmt: skip


def _change_fields(change: Disposition | MaskChange) -> dict[str, Any]:
    return {
        "signal": change.signal_name,
        "number": change.si_signo,
        "ordinal": change.ordinal,
        "how": change.how,
        "file": None if change.file is None else json_text(change.file),
        "line": change.line,
        "library": None if change.library is None else json_text(change.library),
        "time": rfc3339(change.time_ns),
        "time_ns": change.time_ns,
        "monotonic_ns": change.monotonic_ns,
    }


def _time_of(info: SignalInfo | None) -> str | None:
    return None if info is None else rfc3339(info.time_ns)


for _public in (Stats, ProcessStats):
    _public.__module__ = "sigrec"
del _public
