"""Makes the rows of the datasets: those of events as arrays,
those of a process from its recording."""

from __future__ import annotations

import os
import re
import signal
import time

import numpy
import pyarrow
import pyarrow.compute

from sigrec._lake.schema import schema
from sigrec._proc import host
from sigrec._reader.anchors import Anchors
from sigrec._reader.counts import first_ns
from sigrec._reader.tables import columns
from sigrec._serve.programs import label
from sigrec._text import printable, without_folder
from sigrec._why.answer import when
from sigrec._why.cause import event_of
from sigrec._why.evidence import surest
from sigrec._why.sentence import why

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sigrec._lake.held import Held
    from sigrec._serve.ending import End

    Row = dict[str, Any]

_LATEST_NS = 253402300799 * 10**9  # 9999-12-31
_OPTION = re.compile(r"--?[A-Za-z][A-Za-z0-9-]*(?==)|--[a-z][a-z-]*$|-[A-Za-z]$")


def redacted_command_line(argv: list[str], how: str) -> str | None:
    """The command line as far as it may leave the host. redacted: only the names of the options,
    and nothing that could be a value."""
    if how == "none" or not argv:
        return None
    if how == "full":
        return printable(" ".join(argv))
    name, _, more = without_folder(argv[0]).partition(" ")  # more: of a title, it may hold anything
    shown = [name, *(["…"] if more else [])]
    for argument in argv[1:]:
        option = _OPTION.match(argument)
        shown.append((option[0] + ("=…" if "=" in argument else "")) if option else "…")
    return printable(" ".join(shown))


# --- rows of one recording ------------------------------------------------------------------


def whose(held: Held) -> Row:
    recording, identity = held.recording, held.recording._identity
    ours = recording.boot_id == host.boot_id()
    return {
        "host": printable(identity.host_name or (os.uname().nodename if ours else "")),
        "boot_id": printable(recording.boot_id),
        "recording": held.key.partition(":")[2],
        "program": held.watched.name,
        "pid": recording.pid,
        "uid": held.watched.uid,
    }


class Process:
    """The columns that several datasets have about a process, by its recording as it is now."""

    def __init__(self, held: Held, how: str) -> None:
        self.held = held
        self.how = how
        self.whose = whose(held)
        self.ledger = held.ledger()
        self.anchors = Anchors(held.watched.source)

    def _first(self, number: int) -> int | None:
        """When the first signal of that number came, in ns since 1970; None: not known."""
        monotonic_ns = first_ns(self.held.watched.source, self.held.header, number)
        return None if monotonic_ns is None else monotonic_ns + self.anchors.offset_at(monotonic_ns)

    def _common(self) -> Row:
        recording, identity = self.held.recording, self.held.recording._identity
        row = {
            **self.whose,
            "machine_id": printable(identity.machine_id) or None,
            "pid_namespace": self.held.header.namespace,
            "ppid": identity.ppid,
            "executable": label(os.path.basename(identity.executable)) or None,
            "argv": redacted_command_line(recording.argv, self.how),
            **_time("started", recording.started_ns),
            **_time("first_sigterm", self._first(signal.SIGTERM)),
        }
        for name in _TOTALS:
            row[name] = sum(getattr(counts, name) for counts in self.ledger.values())
        return row

    def snapshot(self) -> Row:
        state = "alive" if self.held.watched.is_seen else "unknown"
        return {**self._common(), **_time("time", time.time_ns()), "state": state}

    def end(self, end: End) -> Row:
        """The row of processes/."""
        cause_found, row = end.cause_found, self._common()
        event = event_of(self.held.recording, cause_found)
        row |= _time("ended", when(self.held.recording, cause_found, event))
        asked_ns, ended_ns = row["first_sigterm_ns"], row["ended_ns"]
        if asked_ns is not None and ended_ns is not None:
            row["sigterm_to_end_ns"] = max(0, ended_ns - asked_ns)
        source, certainty = surest(cause_found)
        commands = self.how == "full"
        return {
            **row,
            "cause": end.cause,
            "sender": end.sender or None,
            "status": cause_found.status,
            "exception": printable(cause_found.reason)
            if cause_found.kind == "exception" and cause_found.reason
            else None,
            "source": source,
            "certainty": certainty,
            "sentence": why(self.held.recording, in_utc=True, found=cause_found, commands=commands),
        }

    def counts(self, ended_ns: int | None) -> list[Row]:
        """The rows of counts/. ended_ns: when the process ended."""
        return [
            {
                **self._signal(number),
                **{name: getattr(counts, name) for name in _TOTALS},
                **_time("time", ended_ns),
            }
            for number, counts in self.ledger.items()
        ]

    def gaps(self, ended_ns: int | None) -> list[Row]:
        """The rows of gaps/: what was delivered, and is in no event that was taken."""
        rows = []
        for number, counts in self.ledger.items():
            taken = self.held.taken.get(number)
            for begin, end in taken.missing(counts.delivered) if taken else [(0, counts.delivered)]:
                if begin < end:
                    rows.append({
                        **self._signal(number), "first_ordinal": begin, "last_ordinal": end - 1,
                        "count": end - begin, **_time("time", ended_ns),
                    })  # fmt: skip
        return rows

    def _signal(self, number: int) -> Row:
        name = self.held.watched.signal_name(number)
        return {**self.whose, "signal": name, "si_signo": number}


_TOTALS = "delivered", "handled", "overwritten", "dropped", "sent"


def _time(name: str, ns: int | None) -> Row:
    if ns is not None and not 0 < ns < _LATEST_NS:
        ns = None  # the clock was never set, or it is no time at all
    return {name: None if ns is None else ns // 1000, f"{name}_ns": ns}


# --- tables -----------------------------------------------------------------------------------


def table(dataset: str, rows: list[Row]) -> Any:
    return pyarrow.Table.from_pylist(rows, schema(dataset))


class Batch:
    """Events of many recordings, to become one table."""

    def __init__(self) -> None:
        self._of: list[tuple[Held, Any]] = []
        self.events = 0

    def add(self, held: Held, raw: Any) -> None:
        self._of.append((held, raw))
        self.events += len(raw)

    def table(self) -> Any:
        parts, owners = [], []
        for held, raw in self._of:
            anchors = Anchors(held.watched.source)
            parts.append((raw, anchors.offsets, held.recording._ledger.names()))
            owners.append(whose(held))
        by_column = columns(parts)
        owner_of_event = numpy.repeat(numpy.arange(len(parts)), [len(raw) for raw, _, _ in parts])
        wanted = schema("events")
        for name in owners[0]:
            words = pyarrow.array([owner[name] for owner in owners], wanted.field(name).type)
            by_column[name] = words.take(pyarrow.array(owner_of_event))
        by_column["sender"] = _sender(by_column)
        return pyarrow.table(by_column).select(wanted.names).cast(wanted)


def _sender(by_column: dict[str, Any]) -> Any:
    """The senders' names, as in the metrics: _serve/ending.py."""
    compute: Any = pyarrow.compute  # whose functions are made as it is imported
    kind, comm = by_column["sender_kind"], by_column["sender_comm"]
    is_process = compute.equal(kind, "process")
    itself = compute.and_(
        is_process, compute.fill_null(compute.equal(by_column["si_pid"], by_column["pid"]), False)
    )
    of_process = compute.if_else(itself, "itself", compute.fill_null(comm, "unknown"))
    return compute.if_else(is_process, of_process, kind)
