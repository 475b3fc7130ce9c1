"""The events of a recording as a table: columns of pyarrow, not an object for each event."""

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

# An event as the history has it, in numbers that have a sign, as the columns are.
EVENT = [(name, "i8" if kind == "u4" else kind) for name, kind in EVENT_FIELDS]


def _missing(error: ImportError) -> SigrecError:
    return SigrecError(
        f"this needs {error.name}, which is not installed: pip install 'sigrec[arrow]' pandas"
    )


def frame(of: Any) -> Any:
    """A pandas.DataFrame."""
    try:
        import pandas
    except ImportError as error:
        raise _missing(error) from None
    nullable = {f"int{bits}": getattr(pandas, f"Int{bits}Dtype")() for bits in (32, 64)}
    return of.to_pandas(types_mapper=lambda kind: nullable.get(str(kind)))


def table(events: Iterable[tuple[int, ...]], offsets: list[tuple[int, int]], names: Names) -> Any:
    """A pyarrow.Table. Every engine reads its types: no unsigned ones, no nested ones, and beside
    the time in microseconds the same in nanoseconds as a number."""
    try:
        import numpy
        import pyarrow
    except ImportError as error:
        raise _missing(error) from None
    raw = numpy.fromiter(events, numpy.dtype(EVENT))
    signo, code, pid, detail = raw["si_signo"], raw["si_code"], raw["si_pid"], raw["detail"]
    signed = raw["datum"].astype("i8", casting="unsafe")
    time_ns = raw["monotonic_ns"].copy()
    for n, (at, offset) in enumerate(offsets):  # the newest first, and what is older than all
        here = raw["monotonic_ns"] >= (at if n < len(offsets) - 1 else 0)
        time_ns[here & (time_ns == raw["monotonic_ns"])] += offset
    # Which fields si_code defines, SignalInfo knows: one of each kind is asked.
    kinds, kind_at = numpy.unique(code << 8 | signo, return_inverse=True)
    of_each_kind = [SignalInfo._make(0, 0, 0, k & 255, k >> 8, *[0] * 7) for k in kinds.tolist()]

    def defines(field: str) -> Any:
        which = [getattr(info, field) is not None for info in of_each_kind]
        return numpy.array(which, bool)[kind_at]

    def column(values: Any, kind: str, where: Any = None) -> Any:
        return pyarrow.array(values, kind, mask=None if where is None else ~where)

    def optional(field: str, values: Any, kind: str) -> Any:
        return column(values, kind, defines(field))

    def of_each(keys: Any, word: Callable[[int], Any]) -> Any:
        """What few values are is made once for each of them."""
        few, at = numpy.unique(keys, return_inverse=True)
        return numpy.array([word(key) for key in few.tolist()] or [None], object)[at]

    def sender_name(key: int) -> tuple[str | None, int]:
        return names.senders.get((key >> 32, key & 0xFFFFFFFF), (None, 0))

    signal = of_each(signo, lambda number: name(number, names.sigrtmin))
    has_pid = (pid != 0).astype("i8")
    kind = of_each(
        code << 8 | has_pid << 7 | signo,
        lambda key: sender_kind(key & 127, key >> 8, key >> 7 & 1),
    )
    named = numpy.isin(kind, ["process", "child"])
    whose = signo << 32 | pid
    comm = of_each(whose, lambda key: sender_name(key)[0])
    since = of_each(whose, lambda key: sender_name(key)[1])
    named &= raw["monotonic_ns"] >= since.astype("i8")
    time = column(time_ns // 1000, "int64").cast(pyarrow.timestamp("us", "UTC"))
    return pyarrow.table(
        {
            "time": time,
            "time_ns": column(time_ns, "int64"),
            "monotonic_ns": column(raw["monotonic_ns"], "int64"),
            "ordinal": column(raw["ordinal"], "int64"),
            "signal": column(signal, "string"),
            "tid": column(raw["tid"], "int64"),
            "sender_kind": column(kind, "string"),
            "sender_comm": column(comm, "string", named),
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
    )
