"""The columns of each dataset in the lake. Columns are only ever added, and each can be null.

Their types are such that every engine reads them: there are no unsigned integers, structures, lists
or dictionaries, and each time in microseconds has a number in nanoseconds beside it.
"""

from __future__ import annotations

from sigrec._tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Column(NamedTuple):
    """A column of a dataset. kind: string, int32, int64,
    or time, which stands for two columns, the second one with ``_ns``."""

    name: str
    kind: str
    says: str


_WHOSE = (
    Column("host", "string", "The host's name, as the process saw it"),
    Column("boot_id", "string", "An id of the machine's boot"),
    Column("recording", "string", "32 hexadecimal digits that no other recording has"),
    Column(
        "program",
        "string",
        "The name of the process's executable, script or module, without arguments",
    ),
    Column("pid", "int32", "The process's PID, in its own PID namespace"),
    Column("uid", "int64", "The owner of the recording"),
)
_PROCESS = (
    Column("machine_id", "string", "/etc/machine-id"),
    Column("pid_namespace", "int64", "The inode of its PID namespace"),
    Column("ppid", "int32", "Its parent's PID, when it began to record"),
    Column("executable", "string", "The name of its executable, without directories"),
    Column("argv", "string", "Its command line; null without --argv"),
    Column("started", "time", "When the recording was made"),
    Column("first_sigterm", "time", "When it got its first SIGTERM"),
    Column("delivered", "int64", "Signals that were delivered to it"),
    Column("handled", "int64", "Signals for which a handler of sigrec was called"),
    Column(
        "overwritten", "int64", "Signals whose detail was replaced by newer ones in the recording"
    ),
    Column("dropped", "int64", "Signals whose detail was never written there"),
    Column("sent", "int64", "Signals that it sent"),
)
_SIGNAL = (
    Column("signal", "string", "The signal's name"),
    Column("si_signo", "int32", "The signal's number"),
)

DATASETS: dict[str, tuple[Column, ...]] = {
    "events": (
        *_WHOSE,
        Column("time", "time", "When the signal was delivered"),
        Column("monotonic_ns", "int64", "When the signal was delivered, by CLOCK_MONOTONIC"),
        Column("ordinal", "int64", "How many of this signal were delivered before; with recording and signal, the event's identity"),
        Column("signal", "string", "The signal's name"),
        Column("tid", "int64", "The thread that took the signal"),
        Column("sender", "string", "A process's name, or itself, kernel, terminal, timer, child, unknown"),
        Column("sender_kind", "string", "process, kernel, terminal, timer, child, unknown"),
        Column("sender_comm", "string", "The sending process's name"),
        *(
            Column(name, "int64" if name in ("si_uid", "si_band", "si_value", "si_addr") else "int32",
                   "As in siginfo_t; null where si_code does not define it")
            for name in (
                "si_signo", "si_code", "si_errno", "si_pid", "si_uid", "si_status", "si_band",
                "si_value", "si_overrun", "si_timerid", "si_addr", "si_fd",
            )
        ),
    ),
    "gaps": (
        *_WHOSE, *_SIGNAL,
        Column("first_ordinal", "int64", "The first ordinal without detail"),
        Column("last_ordinal", "int64", "The last ordinal without detail; none between the two has any"),
        Column("count", "int64", "How many signals these are"),
        Column("time", "time", "When the process ended"),
    ),
    "processes": (
        *_WHOSE, *_PROCESS,
        Column("ended", "time", "When it ended, as far as that is known"),
        Column("cause", "string", "A signal's name, exit (status 0), error (another status), exception, oom, exec, unknown"),
        Column("sender", "string", "Who sent the signal that ended it, as in events"),
        Column("status", "int32", "Its exit status"),
        Column("exception", "string", "The type of the exception that nobody caught"),
        Column("source", "string", "The source that says how it ended: recording, parent, sender, pidfd, proc, cgroup"),
        Column("certainty", "string", "seen, told (by the kernel or the sender), inferred, unknown"),
        Column("sigterm_to_end_ns", "int64", "From its first SIGTERM to its end"),
        Column("sentence", "string", "What sigrec why says; it has command lines only with --argv full"),
    ),
    "counts": (
        *_WHOSE, *_SIGNAL,
        Column("delivered", "int64", "As in processes/, of this signal, at the process's end"),
        Column("handled", "int64", "The same"),
        Column("overwritten", "int64", "The same"),
        Column("dropped", "int64", "The same"),
        Column("sent", "int64", "The same"),
        Column("time", "time", "When the process ended"),
    ),
    "snapshots": (
        *_WHOSE, *_PROCESS,
        Column("time", "time", "When the process was looked at"),
        Column("state", "string", "alive, or unknown: it cannot be seen from where this ran"),
    ),
}  # fmt: skip

# The column whose time decides in which date= a row is.
TIME = {name: "ended" if name == "processes" else "time" for name in DATASETS}


def schema(dataset: str) -> Any:
    """The schema of a dataset, as pyarrow's."""
    import pyarrow

    fields = []
    for name, kind, _ in DATASETS[dataset]:
        if kind == "time":
            fields += [(name, pyarrow.timestamp("us", "UTC")), (f"{name}_ns", pyarrow.int64())]
        else:
            fields.append((name, getattr(pyarrow, kind)()))
    return pyarrow.schema(fields)
