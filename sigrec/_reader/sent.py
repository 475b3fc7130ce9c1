"""The signals that a process sent, and what it was told about its children: the rings of
csrc/recording/sent.h."""

from __future__ import annotations

import signal
import struct

from sigrec._reader.format import CHILDREN, ENDINGS, SENT, SENT_HEADS_AT, SLOT, SLOT_SIZE
from sigrec._reader.infos import Infos
from sigrec._reader.source import Source
from sigrec._signals.names import name
from sigrec._signals.sent import ChildTold, SentSignal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.format import Header

    _Event = tuple[int, ...]

# SentSignal.how, by the number in the recording.
HOW = {
    1: "kill", 2: "killpg", 3: "pthread_kill", 4: "raise", 5: "sigqueue", 6: "pidfd_send_signal",
}  # fmt: skip
_UNKNOWN = (1 << 31) - 1
_HEADS = struct.Struct("=QQQ")


class Sent:
    """What is in the rings of a recording for what was sent and told; nothing in a recording that
    an older sigrec made."""

    def __init__(self, source: Source, header: Header, here: bool) -> None:
        self._source = source
        self._header = header
        self._here = here

    def signals(self, endings_only: bool = False) -> list[SentSignal]:
        """The signals that are kept, in order, each once: the newest of all, and the newest of
        those that end or stop others."""
        infos = Infos(self._source, self._here)
        found = {(event[2], event[1]): event for event in self._ring_events(ENDINGS)}
        if not endings_only:
            found.update({(event[2], event[1]): event for event in self._ring_events(SENT)})
        return [self._sent_signal(event, infos) for event in sorted(found.values())]

    def children(self) -> list[ChildTold]:
        """What the process was told about its children, as far as it is kept, in order."""
        infos = Infos(self._source, self._here)
        return [
            ChildTold(pid, code, status, at, at + infos.offset_at(at))
            for at, _, _, code, pid, _, _, _, _, status, _ in self._ring_events(CHILDREN)
        ]

    def heads(self) -> tuple[int, ...]:
        """The heads of the three rings, which move when something is written."""
        if not self._header.rings:
            return ()
        return _HEADS.unpack(self._source.bytes(SENT_HEADS_AT, _HEADS.size))

    def _sent_signal(self, event: _Event, infos: Infos) -> SentSignal:
        at, ordinal, signum, how, target, thread, value, tid, _, result, _ = event
        sent = SentSignal()
        sent.si_signo, sent.signal_name = signum, name(signum, self._header.sigrtmin)
        sent.how = HOW.get(how, f"call {how}")
        kill = signum == signal.SIGKILL
        sent.target, sent.target_tid, sent.value = target, thread or None, 0 if kill else value
        sent.target_start_ticks = value or None if kill else None
        sent.error = None if result == _UNKNOWN else result
        sent.tid, sent.ordinal = tid, ordinal
        sent.monotonic_ns, sent.time_ns = at, at + infos.offset_at(at)
        return sent

    def _ring_events(self, kind: int) -> list[_Event]:
        section = self._header.rings.get(kind)
        if section is None or not section.entries:
            return []
        head = self._source.word(SENT_HEADS_AT + 8 * (kind - SENT))
        if not head:
            return []  # true for most recordings, whose slots need not be read then
        before, copy, after = (self._source.bytes(section.at, section.size) for _ in range(3))
        events = []
        for n, (sequence, *event) in enumerate(SLOT.iter_unpack(copy)):
            at = n * SLOT_SIZE
            ticket = sequence // 2 - 1
            if (
                sequence
                and not sequence & 1
                and ticket < head
                and ticket % section.entries == n
                and 1 <= event[2] <= 64
                and before[at : at + 8] == copy[at : at + 8] == after[at : at + 8]
            ):
                events.append(tuple(event))
        return sorted(events)


def has_any(source: Source, kind: int) -> bool:
    """Whether anything was written into the ring of that kind: SENT, ENDINGS or CHILDREN."""
    return source.word(SENT_HEADS_AT + 8 * (kind - SENT)) != 0
