"""The anchors: pairs of times, by the wall clock and by CLOCK_MONOTONIC, of the same moments."""

from __future__ import annotations

import struct

from sigrec._reader.format import ANCHOR_COUNT_AT, ANCHORS, ANCHORS_AT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.source import Source


class Anchors:
    """The anchors that the recording has at this moment."""

    __slots__ = ("began_ns", "offsets")

    def __init__(self, source: Source) -> None:
        count, raw = 0, b""
        for _ in range(3):
            count = source.word(ANCHOR_COUNT_AT)
            raw = source.bytes(ANCHORS_AT, ANCHORS * 16)
            if source.word(ANCHOR_COUNT_AT) - count < ANCHORS - 1:
                break
        pairs = list(struct.iter_unpack("=QQ", raw))
        newest_first = [pairs[n % ANCHORS] for n in range(count - 1, max(-1, count - ANCHORS), -1)]
        # (MONOTONIC, REALTIME minus MONOTONIC), the newest first.
        self.offsets = [(monotonic, realtime - monotonic) for monotonic, realtime in newest_first]

        # The first anchor is made with the recording. After 16 newer ones it is gone, and the
        # oldest that is left stands for it, although it is later.
        self.began_ns: int | None = self.offsets[-1][0] if self.offsets else None

    def offset_at(self, monotonic_ns: int) -> int:
        """REALTIME minus MONOTONIC at that moment."""
        # This is the newest anchor that is not younger. The first event of a process may be older
        # than all anchors.
        oldest = self.offsets[-1][1] if self.offsets else 0
        return next((offset for at, offset in self.offsets if at <= monotonic_ns), oldest)
