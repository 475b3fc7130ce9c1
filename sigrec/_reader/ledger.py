"""The ledger: for each signal the counts, the first and the last event, and who sent how many."""

from __future__ import annotations

from itertools import compress

from sigrec._proc.status import catches
from sigrec._reader.counts import Counts
from sigrec._reader.format import (
    COUNTERS,
    FIRST_AT,
    LAST_AT,
    LEDGER_COUNT,
    MODES,
    RECORDED,
    RECORDED_AT,
    SENDER,
    SENDER_KINDS,
    SLOT,
)
from sigrec._reader.infos import Infos
from sigrec._reader.source import BYTE_ORDER
from sigrec._signals.names import name
from sigrec._signals.sender import Sender, sender_kind
from sigrec._signals.siginfo import Names
from sigrec._signals.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sigrec._reader.format import Header
    from sigrec._reader.recent import Recent
    from sigrec._reader.source import Source
    from sigrec._signals.siginfo import SignalInfo

    # An entry of the table of senders: as senders() returns it, and as the file has it.
    SenderEntry = tuple[int, int, str, Sender, int]
    _Entry = tuple[int, str, int, int, int, int, int, str | None, int, int]


_COUNTS = (
    "delivered", "recorded", "dropped", "overwritten", "handled", "pending", "undetailed", "abandoned",
    "overruns", "sent",
)  # fmt: skip
NAME_HOLDS_NS = 10 * 10**9  # how long a sender's name holds until the handler reads it again


class SignalStats(Value):
    """The ledger of one signal in one process. Counts are cumulative since the process began
    to record; ``delivered == recorded + dropped`` when nothing is in flight."""

    __slots__ = {  # noqa: RUF023 - as one reads them
        "signal_name": 'The signal\'s name, as ``"SIGUSR1"``.',
        "signum": "The signal's number.",
        "mode": '``"registered"`` (it has a handler of sigrec\'s), ``"unregistered"`` (it had one), '
        '``"recorded"`` (its handling is the program\'s own), ``"released"`` (it was recorded once).',
        "replaced": "Whether another handler has taken the place of sigrec's.",
        "delivered": "How many signals the process took from the kernel.",
        "recorded": "How many of these were written to the history.",
        "dropped": "How many of these could not be written to the history.",
        "overwritten": "How many were written to the history, and have been replaced by newer ones since.",
        "handled": "For how many a handler was called, each by itself or several by one call.",
        "pending": "How many were delivered and are not handled yet.",
        "undetailed": "How many were handled or are pending without their siginfo.",
        "abandoned": "How many were left unhandled when the registration was cancelled inside the signal's "
        "own handler, or while another thread was just taking them.",
        "overruns": "How many more expirations of a POSIX timer these signals stood for.",
        "sent": "How many signals of this number the process sent, or tried to send, to any process. "
        "Only a process that records knows that.",
        "first": "The first event, a :class:`SignalInfo`; None: it is not known.",
        "last": "The newest event; None: it is not known.",
        "senders": "A list of (:class:`Sender`, how many it sent), the most frequent first.",
    }
    _fields = tuple(__slots__)

    signal_name: str
    signum: int
    mode: str
    replaced: bool
    delivered: int
    recorded: int
    dropped: int
    overwritten: int
    handled: int
    pending: int
    undetailed: int
    abandoned: int
    overruns: int
    sent: int
    first: SignalInfo | None
    last: SignalInfo | None
    senders: list[tuple[Sender, int]]

    @property
    def ever_registered(self) -> bool:
        """Whether the signal has or had a handler of sigrec's;
        otherwise handled and pending mean nothing."""
        return self.mode not in ("released", "recorded") or bool(
            self.handled or self.pending or self.abandoned
        )

    def __repr__(self) -> str:
        counts = ("delivered", "recorded", "dropped", "handled", "pending")
        shown = " ".join(f"{count}={getattr(self, count)}" for count in counts)
        return f"<SignalStats {self.signal_name} {self.mode} {shown}>"


class Ledger:
    def __init__(self, source: Source, header: Header, recent: Recent, here: bool) -> None:
        self._source = source
        self._header = header
        self._recent = recent
        self._here = here

    def signals(self, pid: int | None) -> dict[int, SignalStats]:
        """By number, each signal that was delivered, or has or had a handler. pid: the process, if
        it is alive and is not this one."""
        infos = Infos(self._source, self._here)
        entries = list(self._entries())
        names = self._names_in(entries)
        senders = _senders(entries, infos, names)
        ledger = self._header.ledger
        copies = [self._source.bytes(ledger.at, ledger.size) for _ in range(3)]
        newest = self._recent.newest()
        recorded_now = self._source.word(RECORDED_AT) if self._header.version > 2 else 0
        found = {}
        for number in range(1, LEDGER_COUNT):
            at = number * ledger.entry
            row = COUNTERS.unpack_from(copies[1], at)
            is_recorded = recorded_now >> (number - 1) & 1
            if not any(row) and not is_recorded:
                continue  # most signals; and an object for each would take long
            counts = Counts(*row)
            mode, replaced = (RECORDED, 0) if is_recorded else (counts.mode, counts.replaced)
            if not counts.delivered and not mode and not counts.sent:
                continue
            stats = SignalStats()
            stats.signal_name = name(number, self._header.sigrtmin)
            stats.signum = number
            stats.mode = MODES.get(mode, f"mode {mode}")
            stats.replaced = bool(replaced)
            if pid and mode == 1 and catches(pid, number) is False:
                stats.replaced = True  # the kernel says that no handler catches it
            for count in _COUNTS:
                setattr(stats, count, getattr(counts, count))
            stats.first = stats.last = None
            if counts.delivered:  # most signals were never delivered
                stats.first = self._kept(copies, at + FIRST_AT, number, infos, names)
                if number in newest:
                    stats.last = infos.of(newest[number], names)
                else:
                    stats.last = self._kept(copies, at + LAST_AT, number, infos, names)
            stats.senders = senders.get(number, [])
            if counts.unattributed:
                stats.senders.append((Sender("others"), counts.unattributed))
            found[number] = stats
        return found

    def senders(self) -> Iterator[SenderEntry]:
        """Each entry of the table of senders: signal, PID, a key of SENDER_KINDS' values, the
        sender, how many it sent. A sender that says itself who it is has an entry of its own beside
        that of the kernel's word."""
        entries = list(self._entries())
        return _each_sender(entries, Infos(self._source, self._here), self._names_in(entries))

    def any_delivered(self, numbers: Iterable[int]) -> bool:
        """Whether one of these signals was ever delivered; nothing else is read."""
        ledger = self._header.ledger
        return any(self._source.word(ledger.at + number * ledger.entry) for number in numbers)

    def _entries(self) -> Iterator[_Entry]:
        senders = self._header.senders
        raw = self._source.bytes(senders.at, senders.size)
        # Most entries are free: this is the byte of each that has the key's bit 63.
        tops = raw[7 if BYTE_ORDER == "little" else 0 :: senders.entry]
        for at in compress(range(0, len(raw), senders.entry), tops):
            entry = SENDER.unpack_from(raw, at)
            key, count, last_ns, uid, code, named_ns, short, since_ns = entry
            number = key >> 32 & 0xFF
            kind = SENDER_KINDS.get(key >> 40 & 0xFF)
            if key >> 63 and 1 <= number < LEDGER_COUNT and kind is not None:
                comm = short.split(b"\0")[0].decode(errors="replace") if named_ns else None
                # The handler read the name within ten seconds of the sender's first signal.
                since_ns = max(0, since_ns - NAME_HOLDS_NS)
                pid = key & 0xFFFFFFFF
                yield number, kind, pid, count, last_ns, uid, code, comm, since_ns, named_ns

    def names(self) -> Names:
        """The names of the senders that the ledger has, as the handler read them. It reads a name
        for one of a sender's signals only, and that name holds for the others of that time."""
        return self._names_in(self._entries())

    def _names_in(self, entries: Iterable[_Entry]) -> Names:
        found: dict[tuple[int, int], tuple[str, int]] = {}
        by_pid: dict[int, list[tuple[int, int, str]]] = {}
        unnamed = []
        for number, kind, pid, _, last_ns, _, _, comm, since_ns, named_ns in entries:
            if kind == "process" and comm is not None:
                found[number, pid] = comm, since_ns
                by_pid.setdefault(pid, []).append((named_ns, since_ns, comm))
            elif kind == "process":
                unnamed.append((number, pid, last_ns))
        for number, pid, last_ns in unnamed:
            for named_ns, since_ns, comm in sorted(by_pid.get(pid, ()), reverse=True):
                if (
                    since_ns <= last_ns <= named_ns + NAME_HOLDS_NS
                ):  # otherwise it may have been another process
                    found[number, pid] = comm, since_ns
                    break
        return Names(self._header.sigrtmin, found)

    def _kept(
        self, copies: list[bytes], at: int, number: int, infos: Infos, names: Names
    ) -> SignalInfo | None:
        sequence, *event = SLOT.unpack_from(copies[1], at)
        for copy in (copies[0], copies[2]):
            if int.from_bytes(copy[at : at + 8], BYTE_ORDER) != sequence:
                return None
        if sequence == 0 or sequence & 1 or event[2] != number:
            return None
        return infos.of(event, names)


def _senders(
    entries: Iterable[_Entry], infos: Infos, names: Names
) -> dict[int, list[tuple[Sender, int]]]:
    """By signal, who sent how many, the most frequent first."""
    merged: dict[int, dict[Sender, int]] = {}
    for number, _, _, sender, count in _each_sender(entries, infos, names):
        of_signal = merged.setdefault(number, {})
        of_signal[sender] = of_signal.get(sender, 0) + count
    return {
        number: sorted(of_signal.items(), key=lambda item: -item[1])
        for number, of_signal in merged.items()
    }


def _each_sender(entries: Iterable[_Entry], infos: Infos, names: Names) -> Iterator[SenderEntry]:
    for number, kind, pid, count, last_ns, uid, code, comm, *_ in entries:
        if not count:
            continue
        if kind == "process":
            event = [last_ns, 0, number, code, pid, uid, 0, 0, 0, 0, 0]
            own = None if comm is None else Names(names.sigrtmin, {(number, pid): (comm, 0)})
            sender = infos.of(event, own or names).sender
        elif kind == "child":
            sender = Sender("child")  # stands for all children; only an event tells which one
        else:
            sender = Sender(sender_kind(number, code, pid))
        yield number, pid, kind, sender, count


SignalStats.__module__ = "sigrec"
