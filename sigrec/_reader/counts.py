"""The counts of a ledger, and nothing else of it, for those who read thousands of ledgers again and
again. They keep no Recording, only where its ledger is."""

from __future__ import annotations

import struct

from sigrec._reader.format import (
    COUNTERS,
    FIRST_AT,
    HANDLING_AT,
    HANDLING_NS_AT,
    LEDGER_COUNT,
    RECORDED,
    RECORDED_AT,
    SLOT,
)
from sigrec._tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.format import Header, Section
    from sigrec._reader.source import Source

_HANDLING = struct.Struct(f"=I{HANDLING_NS_AT - HANDLING_AT - 4}xQ")
_of_entry: dict[int, struct.Struct] = {}

# No process counts so far: such a number means that the file is damaged. And a metric holds each
# number below it exactly.
LARGEST_COUNT = 1 << 53


class Counts(NamedTuple):
    """What a ledger counts of one signal: the members of struct ledger_entry (csrc/events/ledger.h),
    in its order. unattributed: how many came from senders that are not kept apart."""

    delivered: int
    recorded: int
    dropped: int
    overwritten: int
    queued: int
    undetailed: int
    handled: int
    abandoned: int
    overruns: int
    mode: int
    replaced: int
    unattributed: int
    sent: int

    @property
    def pending(self) -> int:
        """How many of the signal were delivered and are not handled yet."""
        # A signal that is being delivered may be seen as handled before it is seen as queued.
        return max(0, self.queued + self.undetailed - self.handled - self.abandoned)


def counts(source: Source, ledger: Section, version: int) -> tuple[bytes, dict[int, Counts]]:
    """The mode of each signal, by number, and the counts of those that count anything.
    version: of the recording's format."""
    if ledger.entry not in _of_entry:
        rest = ledger.entry - COUNTERS.size
        _of_entry[ledger.entry] = struct.Struct(f"{COUNTERS.format}{rest}x")
    rows = list(_of_entry[ledger.entry].iter_unpack(source.bytes(ledger.at, ledger.size)))
    recorded = source.word(RECORDED_AT) if version > 2 else 0
    modes = bytes(
        RECORDED if number and recorded >> (number - 1) & 1 else row[9] & 0xFF
        for number, row in enumerate(rows)
    )
    # Of its counts one that is delivered, handled or sent is never 0.
    found = {n: Counts(*row) for n, row in enumerate(rows) if row[0] or row[12] or row[6]}
    return modes, found


def running_handler(source: Source, version: int) -> tuple[int, int] | None:
    """The signal whose handler, set by register(), runs, and since when, by CLOCK_MONOTONIC; None:
    none runs, or handlers came and went while this looked."""
    # The two are written one after the other: one may belong to the handler that ran before.
    for _ in range(3 if version > 2 else 0):
        raw = source.bytes(HANDLING_AT, _HANDLING.size)
        number, since = _HANDLING.unpack(raw)
        if not number or not since or number >= LEDGER_COUNT:
            return None
        if raw[:4] == source.bytes(HANDLING_AT, 4):
            return number, since
    return None


def first_ns(source: Source, header: Header, number: int) -> int | None:
    """When the first signal of that number came, by CLOCK_MONOTONIC; None: not known."""
    at = header.ledger.at + number * header.ledger.entry + FIRST_AT
    copies = {source.bytes(at, SLOT.size) for _ in range(3)}
    sequence, monotonic_ns, _, signo, *_ = SLOT.unpack(copies.pop())
    if copies or not sequence or sequence & 1 or signo != number:
        return None
    return int(monotonic_ns)
