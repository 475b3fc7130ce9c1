"""The format of a recording (docs/reference/format.md): its header, and how that is checked."""

from __future__ import annotations

import struct

from sigrec._signals.siginfo import EVENT_FIELDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.source import Source

MAGIC = b"\x89SIGREC\n"
VERSION = 3  # readers read 2 as well
HEADER_SIZE = 4096
SLOT_SIZE = 64
LEDGER_COUNT = 65
LEDGER_ENTRY = 256
ANCHORS = 16
SENDER_ENTRY = 64
RECENT_SLOTS = 64  # slots in a block
RECENT_BLOCKS = 16
LARGEST_ENTRY = 1 << 16  # bytes
LARGEST_SECTIONS = 64
LARGEST_SENDERS = 1 << 16
LARGEST_SENT = 1 << 16  # slots
LARGEST_PLACES = 1 << 12
SITE_ENTRY = 128
LARGEST_RING = 1 << 24  # slots: what configure() allows
LARGEST_ARGV = 4096
LARGEST_FILE = (LARGEST_RING + 4096) * SLOT_SIZE

# Offsets in csrc/recording/recording.h.
_START = struct.Struct("=8sIHH")
_OWNER = struct.Struct(
    "=iIQQii40sQ"
)  # pid, uid, ticks, namespace, sigrtmin, sigrtmax, boot id, began
_OWNER_AT = 80
_VERSION_2 = struct.Struct("=IIQQIIQIIQQ")  # from _PARTS_AT
_VERSION_3 = struct.Struct("=IIQII16s")
_PARTS_AT = 16
_SECTION = struct.Struct("=IIQIIQ")  # type, flags, offset, entry size, reserved, count
_ESSENTIAL = 1
(
    ARGV, LEDGER, SENDERS, HISTORY, RECENT, IDENTITY, SENT, ENDINGS, CHILDREN, DISPOSITIONS, SITES,
    MASKS,
) = range(1, 13)  # types  # fmt: skip
STATE_AT = 160
HEAD_AT = 192
ANCHOR_COUNT_AT = 256
ANCHORS_AT = 320
_SENDERS_2 = struct.Struct("=QII")  # of version 2
_SENDERS_2_AT = 576
RECENT_OWNERS_AT = 736
SENT_HEADS_AT = 800  # of the sections SENT, ENDINGS and CHILDREN
ENDING = struct.Struct("=IQIiI")  # from ENDING_AT: signal, ordinal, exit kind and status, handling
ENDING_AT = 164
HANDLING_AT, HANDLING_NS_AT = 184, 576
RECORDED_AT = 832  # bits of the signals whose mode is "recorded", since version 3
ATTACHED_AT = 188
EXIT_NS_AT = 592
DETACHED_NS_AT = 600
GAP_AT = 840
REASON_AT, REASON_SIZE = 608, 128
# What a bystander noted of the end: which signals were blocked, with SIGKILL's bit if that is
# known; CLOCK_MONOTONIC, CLOCK_REALTIME, status, source; OOM kills, whether the end was one of
# them, and since when they were counted.
NOTED = struct.Struct("=QQQiIIIQ")
NOTED_AT = 976
NOTED_SEEN_BY = {"proc": 1, "pidfd": 2}  # 0: nobody noted anything
EXITED = 1
EXIT_KINDS = {1: "exit", 2: "_exit", 3: "exec"}

# A slot: its sequence, then the members of struct event (csrc/events/event.h).
SLOT = struct.Struct("=QQQIiiIQIiii")
SLOT_FIELDS = (("sequence", "u8"), *EVENT_FIELDS)
COUNTERS = struct.Struct("=9Q2IQ8xQ")
FIRST_AT, LAST_AT = 128, 192
# A sender (csrc/events/sender.h): key, count, last_ns, uid, code, named_ns, name, since_ns.
SENDER = struct.Struct("=QQQIiQ16sQ")
# The identity (csrc/host/owner.h): pgid, sid, ppid, whether the process is a subreaper, time and
# mount namespace, ignored and blocked signals, OOM kills; then the texts: host name, machine id,
# executable, cgroup; and, if the entry is that long, the cgroup
# that the process was in when it ended.
IDENTITY_ENTRY = struct.Struct("=iiiIQQQQq8x72s56s512s512s")
CGROUP_AT_END, CGROUP_SIZE = IDENTITY_ENTRY.size, 512
# Of each type: its name, how many bytes an entry has at least and at most, and how many entries there
# may be. Events must follow one another without gaps, since they are read as an array, too.
SECTIONS = {
    ARGV: ("command line", 1, 1, LARGEST_ARGV),
    LEDGER: ("ledger", LEDGER_ENTRY, LARGEST_ENTRY, LEDGER_COUNT),
    SENDERS: ("table of senders", SENDER_ENTRY, LARGEST_ENTRY, LARGEST_SENDERS),
    HISTORY: ("ring", SLOT_SIZE, SLOT_SIZE, LARGEST_RING),
    RECENT: ("newest events", SLOT_SIZE, SLOT_SIZE, RECENT_BLOCKS * RECENT_SLOTS),
    IDENTITY: ("identity", IDENTITY_ENTRY.size, LARGEST_ENTRY, LARGEST_PLACES),
    SENT: ("signals that it sent", SLOT_SIZE, SLOT_SIZE, LARGEST_SENT),
    ENDINGS: ("signals that it sent to end others", SLOT_SIZE, SLOT_SIZE, LARGEST_SENT),
    CHILDREN: ("children", SLOT_SIZE, SLOT_SIZE, LARGEST_SENT),
    DISPOSITIONS: ("dispositions", SLOT_SIZE, SLOT_SIZE, LEDGER_COUNT * RECENT_SLOTS),
    SITES: ("table of call sites", SITE_ENTRY, LARGEST_ENTRY, LARGEST_PLACES),
    MASKS: ("masks", SLOT_SIZE, SLOT_SIZE, LEDGER_COUNT * RECENT_SLOTS),
}
SENDER_KINDS = {0: "process", 1: "kernel", 2: "timer", 3: "child"}
MODES = {0: "released", 1: "registered", 2: "unregistered", 3: "recorded"}
RECORDED = 3


class Section:
    """Where a part of the recording is, how many entries it has, and how long each is."""

    __slots__ = ("at", "entries", "entry")

    def __init__(self, at: int, entry: int, entries: int) -> None:
        self.at = at
        self.entry = entry
        self.entries = entries

    @property
    def size(self) -> int:
        """How many bytes the section has."""
        return self.entry * self.entries


class Header:
    """What is written once, when the recording is made. It is checked before anything is read with
    its help: raises RecordingError for a file that is no recording, is corrupt, or has a newer
    version.

    recent, identity: None in a recording of version 2.
    """

    version: int
    id: bytes  # random; b"": of version 2
    pid: int
    uid: int
    boot_id: str
    started_ns: int
    start_ticks: int
    namespace: int
    sigrtmin: int
    argv: Section
    senders: Section
    ledger: Section
    ring_at: int
    capacity: int
    recent: Section | None
    identity: Section | None
    rings: dict[int, Section]  # of what it sent and was told, by type
    dispositions: Section | None
    masks: Section | None
    sites: Section | None

    def __init__(self, source: Source) -> None:
        raw = source.start(HEADER_SIZE)
        if not raw:
            raise source.bad("is empty")
        if raw[:8] != MAGIC[: len(raw[:8])]:
            raise source.bad(f"is not a recording: it begins with {raw[:8]!r}")
        if len(raw) < HEADER_SIZE:
            raise source.bad(f"is cut short: {len(raw)} bytes of a {HEADER_SIZE}-byte header")
        _, endian, self.version, _ = _START.unpack_from(raw)
        if endian == 0x04030201:
            raise source.bad(f"is from a machine of another byte order (mark {endian:#010x})")
        if endian != 0x01020304:
            raise source.bad(f"is corrupt: its mark of the byte order is {endian:#010x}")
        if self.version not in (2, VERSION):
            raise source.bad(
                f"has format version {self.version}; this sigrec reads versions 2 and {VERSION}"
            )
        parts = _parts_2 if self.version == 2 else _parts_3
        header_size, file_size, self.id, sections = parts(source, raw)
        if header_size != HEADER_SIZE:
            raise source.bad(f"is corrupt: header size {header_size}, not {HEADER_SIZE}")
        if file_size > LARGEST_FILE:
            raise source.bad(f"is corrupt: file size {file_size}")
        if source.status is not None and file_size > source.status.st_size:
            raise source.bad(f"is cut short: {source.status.st_size} bytes of {file_size}")
        self._check_sections(source, sections, file_size)
        self.argv = sections.get(ARGV, Section(HEADER_SIZE, 1, 0))
        self.senders = sections.get(SENDERS, Section(HEADER_SIZE, SENDER_ENTRY, 0))
        self.ledger = sections[LEDGER]
        self.ring_at, self.capacity = sections[HISTORY].at, sections[HISTORY].entries
        self.recent, self.identity = sections.get(RECENT), sections.get(IDENTITY)
        self.dispositions, self.sites = sections.get(DISPOSITIONS), sections.get(SITES)
        self.masks = sections.get(MASKS)
        self.rings = {k: sections[k] for k in (SENT, ENDINGS, CHILDREN) if k in sections}
        (
            self.pid, self.uid, self.start_ticks, self.namespace, self.sigrtmin, _, boot_id,
            self.started_ns,
        ) = _OWNER.unpack_from(raw, _OWNER_AT)  # fmt: skip
        if self.pid <= 0:
            raise source.bad(f"is corrupt: pid {self.pid}")
        self.boot_id = boot_id.split(b"\0")[0].decode("ascii", "replace")

    @staticmethod
    def _check_sections(source: Source, sections: dict[int, Section], file_size: int) -> None:
        """Checks the sections before anything is read with their help: a sparse file costs nothing
        to make, and would cost us memory."""
        for kind in (LEDGER, HISTORY):
            if kind not in sections:
                raise source.bad(f"is corrupt: it has no {SECTIONS[kind][0]}")
        for kind, section in sections.items():
            name, least, most, _ = SECTIONS[kind]
            if not least <= section.entry <= most:
                raise source.bad(f"is corrupt: {section.entry} bytes in an entry of its {name}")
        capacity = sections[HISTORY].entries
        if not 1 <= capacity <= LARGEST_RING or capacity & (capacity - 1):
            raise source.bad(
                f"is corrupt: ring capacity {capacity} is not a power of two to {LARGEST_RING}"
            )
        count = sections[LEDGER].entries
        if count != LEDGER_COUNT:
            raise source.bad(f"is corrupt: {count} entries in its ledger, not {LEDGER_COUNT}")
        for kind, section in sections.items():
            name, *_, largest = SECTIONS[kind]
            if section.entries > largest:
                raise source.bad(f"is corrupt: {section.entries} entries in its {name}")
        for kind, section in sections.items():
            if section.at < HEADER_SIZE or section.at % 64 or section.at + section.size > file_size:
                raise source.bad(
                    f"is corrupt: {SECTIONS[kind][0]} at {section.at}, {section.size} bytes, "
                    f"in {file_size}"
                )


_Parts = tuple[int, int, bytes, dict[int, Section]]


def _parts_2(source: Source, raw: bytes) -> _Parts:
    """The parts of version 2, which has a field for each offset and size."""
    (
        header_size, event_size, file_size, argv_at, argv_size, _, ledger_at, ledger_count,
        ledger_entry, ring_at, capacity,
    ) = _VERSION_2.unpack_from(raw, _PARTS_AT)  # fmt: skip
    senders_at, senders_count, sender_entry = _SENDERS_2.unpack_from(raw, _SENDERS_2_AT)
    return header_size, file_size, b"", {
        ARGV: Section(argv_at, 1, argv_size),
        LEDGER: Section(ledger_at, ledger_entry, ledger_count),
        SENDERS: Section(senders_at, sender_entry, senders_count),
        HISTORY: Section(ring_at, event_size, capacity),
    }  # fmt: skip


def _parts_3(source: Source, raw: bytes) -> _Parts:
    """The parts of version 3, which has a table of them.
    Types that are not known here are skipped."""
    header_size, at, file_size, count, entry, identifier = _VERSION_3.unpack_from(raw, _PARTS_AT)
    if count > LARGEST_SECTIONS or not _SECTION.size <= entry <= HEADER_SIZE:
        raise source.bad(f"is corrupt: a table of {count} sections of {entry} bytes")
    if at + count * entry > HEADER_SIZE:
        raise source.bad(f"is corrupt: its table of sections is at {at}")
    sections: dict[int, Section] = {}
    for n in range(count):
        kind, flags, begin, size, _, entries = _SECTION.unpack_from(raw, at + n * entry)
        if kind not in SECTIONS:
            if flags & _ESSENTIAL:
                raise source.bad(
                    f"has a section of type {kind}, which this sigrec would have to understand: "
                    "a newer sigrec wrote it, or it is corrupt"
                )
        elif kind in sections:
            raise source.bad(f"is corrupt: it has two sections of type {kind}")
        else:
            sections[kind] = Section(begin, size, entries)
    return header_size, file_size, identifier, sections


class Ending:
    """What the process last wrote about its end; 0: nothing."""

    def __init__(self, source: Source) -> None:
        raw = source.bytes(ENDING_AT, ENDING.size)
        self.signum, self.ordinal, self.exit_kind, self.exit_status, self.handling = ENDING.unpack(
            raw
        )
