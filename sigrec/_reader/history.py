"""The history: a ring of slots, one for each event, in which the newest overwrites the oldest."""

from __future__ import annotations

from sigrec._reader.format import HEAD_AT, SLOT, SLOT_SIZE
from sigrec._reader.source import BYTE_ORDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from sigrec._reader.format import Header
    from sigrec._reader.source import Source

PIECE = 1024  # slots that are read at once


def _signo(tag: int) -> int:
    """The first half of the word that holds the signal's number and si_code."""
    return tag & 0xFFFFFFFF if BYTE_ORDER == "little" else tag >> 32


class History:
    def __init__(self, source: Source, header: Header) -> None:
        self._source = source
        self._ring_at = header.ring_at
        self._capacity = header.capacity

    def head(self) -> int:
        """The next event's ticket, and so how many were given out."""
        return self._source.word(HEAD_AT)

    def not_in_ring(self, numbered: Set[tuple[int, int]]) -> set[tuple[int, int]]:
        """Of these pairs, each a signal's number and an ordinal,
        those whose event is not in the history."""
        left = set(numbered)
        ordinals = {ordinal for _, ordinal in numbered}
        for index in range(0, self._capacity, PIECE):
            size = min(PIECE, self._capacity - index) * SLOT_SIZE
            words = memoryview(self._source.bytes(self._ring_at + index * SLOT_SIZE, size)).cast(
                "Q"
            )
            if ordinals.isdisjoint(words[2 :: SLOT_SIZE // 8].tolist()):
                continue
            for at in range(0, len(words), SLOT_SIZE // 8):
                sequence, ordinal, tag = words[at], words[at + 2], words[at + 3]
                if sequence and not sequence & 1:
                    left.discard((_signo(tag), ordinal))
        return left

    def slots(self, begin: int, end: int, left_over: bool) -> Iterator[tuple[int, ...]]:
        """The payloads of the tickets from begin to end, in that order. left_over: before them,
        those of earlier tickets whose event is still there."""
        for ticket in sorted(self._left_over(begin)) if left_over else ():
            yield from self._piece(ticket, 1)
        ticket = begin
        while ticket < end:
            # A piece must not go beyond the end of the ring: it is one read.
            count = min(PIECE, end - ticket, self._capacity - ticket % self._capacity)
            yield from self._piece(ticket, count)
            ticket += count

    def _left_over(self, begin: int) -> list[int]:
        """The tickets before begin whose event is still there,
        since no later one was written to its slot."""
        found: list[int] = []
        if begin == 0:
            return found
        lowest = 2 * begin + 2
        for index in range(0, self._capacity, PIECE):
            size = min(PIECE, self._capacity - index) * SLOT_SIZE
            raw = memoryview(self._source.bytes(self._ring_at + index * SLOT_SIZE, size))
            sequences = raw.cast("Q")[:: SLOT_SIZE // 8].tolist()
            if min(sequences) >= lowest:
                continue
            for at, sequence in enumerate(sequences, index):
                ticket = sequence // 2 - 1
                if 0 < sequence < lowest and ticket % self._capacity == at:
                    found.append(ticket)
        return found

    def _piece(self, ticket: int, count: int) -> Iterator[tuple[int, ...]]:
        at = self._ring_at + ticket % self._capacity * SLOT_SIZE
        # An event is whole if its slot had the same sequence before and after its payload was
        # copied. In which order one copy is made is not known, so there are three.
        before, copy, after = (self._source.bytes(at, count * SLOT_SIZE) for _ in range(3))
        if before == copy == after:
            before = after = copy
        expected = 2 * ticket + 2
        for n, (sequence, *event) in enumerate(SLOT.iter_unpack(copy)):
            if sequence == expected and 1 <= event[2] <= 64:
                at = n * SLOT_SIZE
                word = copy[at : at + 8]
                if before is copy or before[at : at + 8] == word == after[at : at + 8]:
                    yield tuple(event)
            expected += 2
