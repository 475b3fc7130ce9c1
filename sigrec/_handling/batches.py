"""Many events at once, as one array: no Python object for each."""

from __future__ import annotations

from functools import partial

from sigrec import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# struct event, csrc/event.h. What shares a place there is told apart by si_code.
FIELDS = (
    ("monotonic_ns", "u8", 0), ("ordinal", "u8", 8), ("si_signo", "u4", 16), ("si_code", "i4", 20),
    ("si_pid", "i4", 24), ("si_uid", "u4", 28), ("si_value", "i8", 32), ("si_addr", "u8", 32),
    ("si_band", "i8", 32), ("tid", "u4", 40), ("si_errno", "i4", 44), ("si_status", "i4", 48),
    ("si_overrun", "i4", 48), ("si_fd", "i4", 48), ("si_timerid", "i4", 52),
)  # fmt: skip
SIZE = 56

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
    names, formats, offsets = zip(*FIELDS, strict=True)
    dtype = numpy.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": SIZE})
    # Compiled: no handler runs between the stream's events being taken and the array's being there.
    array: Callable[[bytes], Any] = partial(numpy.frombuffer, dtype=dtype)
    return array
