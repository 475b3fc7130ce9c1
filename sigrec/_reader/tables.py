"""The events of a recording as a table of pyarrow, made without an object for each event."""

from __future__ import annotations

from sigrec._errors import SigrecError
from sigrec._signals.names import name
from sigrec._signals.sender import sender_kind
from sigrec._signals.siginfo import EVENT_FIELDS, SignalInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from sigrec._signals.siginfo import Names

# An event of the history, in signed numbers, as the columns have them.
EVENT = [(name, "i8" if kind == "u4" else kind) for name, kind in EVENT_FIELDS]


def _not_installed(error: ImportError) -> SigrecError:
    return SigrecError(
        f"this needs {error.name}, which is not installed: pip install 'sigrec[arrow]' pandas"
    )


def frame(of: Any) -> Any:
    """A recording's events as a pandas.DataFrame."""
    try:
        import pandas
    except ImportError as error:
        raise _not_installed(error) from None
    nullable = {f"int{bits}": getattr(pandas, f"Int{bits}Dtype")() for bits in (32, 64)}
    return of.to_pandas(types_mapper=lambda kind: nullable.get(str(kind)))


def table(events: Iterable[tuple[int, ...]], offsets: list[tuple[int, int]], names: Names) -> Any:
    """A pyarrow.Table of one recording's events."""
    try:
        import numpy
        import pyarrow
    except ImportError as error:
        raise _not_installed(error) from None
    raw = numpy.fromiter(events, numpy.dtype(EVENT))
    return pyarrow.table(columns([(raw, offsets, names)]))


def columns(parts: list[tuple[Any, list[tuple[int, int]], Names]]) -> dict[str, Any]:
    """The columns, by their names, for several recordings. Each is given as its events in an array
    of EVENT, the offsets of its clock (Anchors) and its names.

    The types are such that every engine reads them: none is unsigned or nested, and each time in
    microseconds has a number in nanoseconds beside it.
    """
    import numpy
    import pyarrow

    raw = numpy.concatenate([part for part, _, _ in parts])
    part_of = numpy.repeat(numpy.arange(len(parts)), [len(part) for part, _, _ in parts])
    signo, code, pid, detail = raw["si_signo"], raw["si_code"], raw["si_pid"], raw["detail"]
    signed = raw["datum"].astype("i8", casting="unsafe")
    times = [_wall_times(part["monotonic_ns"], offsets) for part, offsets, _ in parts]
    time_ns = numpy.concatenate(times)
    # SignalInfo knows which fields si_code defines: one event of each kind is asked.
    kinds, kind_at = numpy.unique(code << 8 | signo, return_inverse=True)
    of_each_kind = [SignalInfo._make(0, 0, 0, k & 255, k >> 8, *[0] * 7) for k in kinds.tolist()]

    def defines(field: str) -> Any:
        which = [getattr(info, field) is not None for info in of_each_kind]
        return numpy.array(which, bool)[kind_at]

    def column(values: Any, kind: str, where: Any = None) -> Any:
        return pyarrow.array(values, kind, mask=None if where is None else ~where)

    def optional(field: str, values: Any, kind: str) -> Any:
        return column(values, kind, defines(field))

    def of_each(keys: Any, word: Callable[[int], str | None]) -> tuple[list[str | None], Any]:
        """Makes the word for each different key once. Returns the
        words, and the index of each key's word."""
        few, at = numpy.unique(keys, return_inverse=True)
        return [word(key) for key in few.tolist()], at

    def text(words: list[str | None], at: Any, where: Any = None) -> Any:
        mask = None if where is None else ~where
        return pyarrow.array(words, "string").take(pyarrow.array(at, "int64", mask=mask))

    # Which name a real-time signal has depends on SIGRTMIN in its process.
    rtmin = numpy.array([names.sigrtmin for _, _, names in parts], "i8")[part_of]
    signal = text(*of_each(rtmin << 8 | signo, lambda key: name(key & 255, key >> 8)))
    has_pid = (pid != 0).astype("i8")
    kind_words, kind = of_each(
        code << 8 | has_pid << 7 | signo,
        lambda key: sender_kind(key & 127, key >> 8, key >> 7 & 1),
    )
    named = numpy.array([word in ("process", "child") for word in kind_words], bool)[kind]
    whose, whose_at = numpy.unique(
        part_of << 40 | signo << 32 | pid.astype("i8") & 0xFFFFFFFF, return_inverse=True
    )
    known = [
        parts[key >> 40][2].senders.get((key >> 32 & 255, key & 0xFFFFFFFF), (None, 0))
        for key in whose.tolist()
    ]
    since = numpy.array([since for _, since in known], "i8")[whose_at]
    named &= raw["monotonic_ns"].astype("i8") >= since
    time = column(time_ns // 1000, "int64").cast(pyarrow.timestamp("us", "UTC"))
    return {
        "time": time,
        "time_ns": column(time_ns, "int64"),
        "monotonic_ns": column(raw["monotonic_ns"].astype("i8"), "int64"),
        "ordinal": column(raw["ordinal"].astype("i8"), "int64"),
        "signal": signal,
        "tid": column(raw["tid"], "int64"),
        "sender_kind": text(kind_words, kind),
        "sender_comm": text([comm for comm, _ in known], whose_at, named),
        "si_signo": column(signo, "int32"),
        "si_code": column(code, "int32"),
        "si_errno": column(raw["si_errno"], "int32"),
        "si_pid": optional("si_pid", pid, "int32"),
        "si_uid": optional("si_uid", raw["si_uid"], "int64"),
        "si_status": optional("si_status", detail, "int32"),
        "si_band": optional("si_band", signed, "int64"),
        "si_value": optional("si_value", signed, "int64"),
        "si_overrun": optional("si_overrun", detail, "int32"),
        "si_timerid": optional("si_timerid", raw["si_timerid"], "int32"),
        "si_addr": optional("si_addr", signed, "int64"),
        "si_fd": optional("si_fd", detail, "int32"),
    }


def _wall_times(monotonic_ns: Any, offsets: list[tuple[int, int]]) -> Any:
    """The times by the wall clock as it was then. offsets: the newest first; the last one also
    holds for what is older than all."""
    found = monotonic_ns.astype("i8")
    for n in range(len(offsets) - 1, -1, -1):
        at, offset = offsets[n]
        here = monotonic_ns >= (at if n < len(offsets) - 1 else 0)
        found[here] = monotonic_ns[here].astype("i8") + offset
    return found
