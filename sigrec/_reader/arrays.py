"""The history as an array that is mapped, and not copied."""

from __future__ import annotations

import mmap
import os

from sigrec._reader.format import SLOT_FIELDS, SLOT_SIZE
from sigrec._reader.source import BYTE_ORDER, closed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.format import Header
    from sigrec._reader.source import Source


def ring(source: Source, header: Header) -> memoryview:
    """What :meth:`sigrec.Recording.ring` returns."""
    if source.fd < 0:
        if source.status is not None:
            closed(0, 0)
        raise source.bad("is not in a file: open it by its path")
    start = header.ring_at % mmap.ALLOCATIONGRANULARITY
    size = header.capacity * SLOT_SIZE
    if os.fstat(source.fd).st_size < header.ring_at + size:
        raise source.bad("is cut short")
    mapped = mmap.mmap(source.fd, start + size, prot=mmap.PROT_READ, offset=header.ring_at - start)
    return memoryview(mapped)[start : start + size]


def interface(source: Source, header: Header) -> dict[str, object]:
    """The history for NumPy, with the names of the fields."""
    order = "<" if BYTE_ORDER == "little" else ">"
    return {
        "version": 3,
        "shape": (header.capacity,),
        "typestr": f"|V{SLOT_SIZE}",
        "descr": [(name, order + kind) for name, kind in SLOT_FIELDS],
        "data": ring(source, header),
    }
