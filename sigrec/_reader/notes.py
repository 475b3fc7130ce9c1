"""The notes that a process made of its changes, by signal,
with each one's call site: csrc/program/notes.h."""

from __future__ import annotations

import os
import struct
from itertools import compress

from sigrec._reader.format import LEDGER_COUNT, SLOT, SLOT_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.format import Section
    from sigrec._reader.source import Source

_SITE = struct.Struct("=8xII112s")  # whole, line, text


def notes(source: Source, section: Section | None, rows: int) -> list[tuple[int, list[int]]]:
    """Row and fields of each note, the oldest first; nothing if an older sigrec made the recording.
    rows: how many rows the section must have."""
    if section is None or not section.entries:
        return []
    before, copy, after = (source.bytes(section.at, section.size) for _ in range(3))
    each = section.entries // rows
    found = []
    # Most slots are empty, and have no sequence: only the others are looked at.
    for n in compress(range(section.entries), memoryview(copy).cast("Q")[:: SLOT_SIZE // 8]):
        at, row = n * SLOT_SIZE, n % rows
        sequence, *event = SLOT.unpack_from(copy, at)
        if (
            sequence == 2 * event[1] + 2
            and n < rows * each
            and row % LEDGER_COUNT == event[2]
            and n // rows == event[1] % each
            and before[at : at + 8] == copy[at : at + 8] == after[at : at + 8]
        ):
            found.append((row, event))
    found.sort(key=lambda note: (note[1][0], note[1][2], note[1][1]))
    return found


class Sites:
    """The call sites by their numbers, as far as they are written: they never change."""

    def __init__(self, source: Source, section: Section | None, program: str) -> None:
        self._program = program
        self._of: dict[int, tuple[str, int]] = {}
        if section is None:
            return
        raw = source.bytes(section.at, section.size)
        for n in range(section.entries):
            whole, line, text = _SITE.unpack_from(raw, n * section.entry)
            if whole == 1:
                self._of[n + 1] = os.fsdecode(text.split(b"\0")[0]), line

    def of(self, number: int) -> tuple[str | None, int | None, str | None]:
        """The Python file and line, or the library, of that number; None: not known."""
        text, line = self._of.get(number, ("", 0))
        if line:
            return text, line, None
        return None, None, (text or self._program or None) if number in self._of else None
