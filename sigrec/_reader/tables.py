"""The events of a recording as a table: columns of pyarrow, not an object for each event."""

from __future__ import annotations

from sigrec._errors import SigrecError
from sigrec._signals.codes import (
    FAULTS,
    POLL_HUP,
    SI_KERNEL,
    SI_SIGIO,
    SI_TIMER,
    SI_TKILL,
    SIGCHLD,
)
from sigrec._signals.names import name
from sigrec._signals.sender import sender_kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from sigrec._signals.siginfo import Names

# Of an event as the history has it: the order of csrc/event.h.
EVENT = [
    ("monotonic_ns", "i8"), ("ordinal", "i8"), ("signo", "i4"), ("code", "i4"), ("pid", "i4"),
    ("uid", "i8"), ("datum", "u8"), ("tid", "i8"), ("error", "i4"), ("detail", "i4"),
    ("timerid", "i4"),
]  # fmt: skip


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
    signo, code, pid, detail = raw["signo"], raw["code"], raw["pid"], raw["detail"]
    signed = raw["datum"].astype("i8", casting="unsafe")
    time_ns = raw["monotonic_ns"].copy()
    for n, (at, offset) in enumerate(offsets):  # the newest first, and what is older than all
        here = raw["monotonic_ns"] >= (at if n < len(offsets) - 1 else 0)
        time_ns[here & (time_ns == raw["monotonic_ns"])] += offset
    # Which fields si_code defines: the rules of SignalInfo.
    is_fault = numpy.isin(signo, list(FAULTS))
    from_kernel = (code > 0) & (code != SI_KERNEL)
    is_child = (signo == SIGCHLD) & from_kernel
    is_timer = code == SI_TIMER
    is_poll = (code == SI_SIGIO) | (
        (code > 0) & (code <= POLL_HUP) & ~is_fault & (signo != SIGCHLD)
    )
    has_sender = is_child | ((code <= 0) & ~is_timer & (code != SI_SIGIO))
    has_value = (code < 0) & (code != SI_TKILL) & (code != SI_SIGIO)

    def column(values: Any, kind: str, where: Any = None) -> Any:
        return pyarrow.array(values, kind, mask=None if where is None else ~where)

    def of_each(keys: Any, word: Callable[[int], Any]) -> Any:
        """What few values are is made once for each of them."""
        few, at = numpy.unique(keys, return_inverse=True)
        return numpy.array([word(key) for key in few.tolist()] or [None], object)[at]

    def sender_name(key: int) -> tuple[str | None, int]:
        return names.senders.get((key >> 32, key & 0xFFFFFFFF), (None, 0))

    signal = of_each(signo, lambda number: name(number, names.sigrtmin))
    has_pid = (pid != 0).astype("i8")
    kind = of_each(
        code.astype("i8") << 8 | has_pid << 7 | signo,
        lambda key: sender_kind(key & 127, key >> 8, key >> 7 & 1),
    )
    named = numpy.isin(kind, ["process", "child"])
    whose = signo.astype("i8") << 32 | pid
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
            "si_errno": column(raw["error"], "int32"),
            "si_pid": column(pid, "int32", has_sender),
            "si_uid": column(raw["uid"], "int64", has_sender),
            "si_status": column(detail, "int32", is_child),
            "si_band": column(signed, "int64", is_poll),
            "si_value": column(signed, "int64", has_value),
            "si_overrun": column(detail, "int32", is_timer),
            "si_timerid": column(raw["timerid"], "int32", is_timer),
            "si_addr": column(signed, "int64", is_fault & from_kernel),
            "si_fd": column(detail, "int32", is_poll),
        }
    )
