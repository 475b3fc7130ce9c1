"""Many events at once, as one array: no Python object for each."""

from __future__ import annotations

from functools import partial

from sigrec import _core
from sigrec._signals.siginfo import EVENT_FIELDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# What shares a place in an event is told apart by si_code.
SHARED = {
    "datum": (("si_value", "i8"), ("si_addr", "u8"), ("si_band", "i8")),
    "detail": (("si_status", "i4"), ("si_overrun", "i4"), ("si_fd", "i4")),
}

_started = False


def start() -> None:
    """From now on the core makes arrays, if NumPy is installed, and lists if not."""
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
    # Compiled: no handler runs between the stream's events being taken and the array's being there.
    array: Callable[[bytes], Any] = partial(numpy.frombuffer, dtype=dtype)
    return array
