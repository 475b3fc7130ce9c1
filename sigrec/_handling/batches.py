"""Many events at once as one array, without a Python object for each."""

from __future__ import annotations

from functools import partial

from sigrec import _core
from sigrec._signals.siginfo import EVENT_FIELDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Fields that share a place in an event are told apart by si_code.
SHARED = {
    "datum": (("si_value", "i8"), ("si_addr", "u8"), ("si_band", "i8")),
    "detail": (("si_status", "i4"), ("si_overrun", "i4"), ("si_fd", "i4")),
}

_started = False


def start() -> None:
    """Tells the core to make arrays if NumPy is installed, and lists if not."""
    global _started
    if not _started:
        _core.start_batches(_array_maker())
        _started = True


def _array_maker() -> Callable[[bytes], Any] | None:
    try:
        import numpy
    except ImportError:
        return None
    at, fields = 0, []
    for name, kind in EVENT_FIELDS:
        fields += [(*field, at) for field in SHARED.get(name, ((name, kind),))]
        at += int(kind[1:])
    names, formats, offsets = zip(*fields, strict=True)
    dtype = numpy.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": at})
    # partial() is compiled: no handler runs after the events are taken and before the array is made.
    array: Callable[[bytes], Any] = partial(numpy.frombuffer, dtype=dtype)
    return array
