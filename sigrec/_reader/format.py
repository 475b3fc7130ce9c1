"""The format of a recording: docs/reference/format.md. The header, and the checks of it."""

from __future__ import annotations

import struct
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.source import Source

MAGIC = b"\x89SIGREC\n"
VERSION = 2
HEADER_SIZE = 4096
SLOT_SIZE = 64
LEDGER_COUNT = 65
LEDGER_ENTRY = 256
ANCHORS = 16
SENDER_ENTRY = 64
LARGEST_SENDERS = 1 << 16
LARGEST_RING = 1 << 24  # slots: what configure() allows
LARGEST_ARGV = 4096
LARGEST_FILE = (LARGEST_RING + 4096) * SLOT_SIZE

# Offsets in csrc/recording.h.
_HEADER = struct.Struct("=8sIHHIIQQIIQIIQQiIQQii40sQI")
STATE_AT = 160
HEAD_AT = 192
ANCHOR_COUNT_AT = 256
ANCHORS_AT = 320
_SENDERS = struct.Struct("=QII")
_SENDERS_AT = 576
ENDING = struct.Struct("=IQIiI")  # from ENDING_AT: signal, ordinal, leave, status, handling
ENDING_AT = 164
LEAVE_NS_AT = 592
REASON_AT, REASON_SIZE = 608, 128
EXITED = 1
LEAVES = {1: "exit", 2: "_exit", 3: "exec"}

# Of a slot, csrc/event.h: sequence, then the members of struct event.
SLOT = struct.Struct("=QQQIiiIQIiii")
SLOT_FIELDS = (
    ("sequence", "u8"), ("monotonic_ns", "u8"), ("ordinal", "u8"), ("si_signo", "u4"),
    ("si_code", "i4"), ("si_pid", "i4"), ("si_uid", "u4"), ("datum", "u8"), ("tid", "u4"),
    ("si_errno", "i4"), ("detail", "i4"), ("si_timerid", "i4"),
)  # fmt: skip
COUNTERS = struct.Struct("=9Q2IQ")
FIRST_AT, LAST_AT = 128, 192
# Of a sender, csrc/sender.h: key, count, last_ns, uid, code, named_ns, name, since_ns.
SENDER = struct.Struct("=QQQIiQ16sQ")
SENDER_KINDS = {0: "process", 1: "kernel", 2: "timer", 3: "child"}
MODES = {0: "none", 1: "registered", 2: "unregistered", 3: "recorded"}


class Header:
    """What is written once, when the recording is made. Checked before anything is read by it:
    RecordingError for what is not a recording, or corrupt, or of another version."""

    pid: int
    uid: int
    boot_id: str
    started_ns: int
    start_ticks: int
    namespace: int
    sigrtmin: int
    argv_at: int
    argv_size: int
    senders_at: int
    senders_size: int
    ledger_at: int
    ring_at: int
    capacity: int

    def __init__(self, source: Source) -> None:
        raw = source.start(HEADER_SIZE)
        if not raw:
            raise source.bad("is empty")
        if raw[:8] != MAGIC[: len(raw[:8])]:
            raise source.bad(f"is not a recording: it begins with {raw[:8]!r}")
        if len(raw) < HEADER_SIZE:
            raise source.bad(f"is cut short: {len(raw)} bytes of a {HEADER_SIZE}-byte header")
        (
            _, endian, version, _, header_size, event_size, file_size, argv_at, argv_size, _,
            ledger_at, ledger_count, ledger_entry, ring_at, capacity, pid, uid, ticks, namespace,
            sigrtmin, _sigrtmax, boot_id, started_ns, _,
        ) = _HEADER.unpack_from(raw)  # fmt: skip
        if endian != 0x01020304:
            raise source.bad(f"is from a machine of another byte order (mark {endian:#010x})")
        if version != VERSION:
            raise source.bad(f"has format version {version}; this sigrec reads {VERSION}")
        for what, value, wanted in (
            ("header size", header_size, HEADER_SIZE),
            ("event size", event_size, SLOT_SIZE),
            ("number of ledger entries", ledger_count, LEDGER_COUNT),
            ("ledger entry size", ledger_entry, LEDGER_ENTRY),
        ):
            if value != wanted:
                raise source.bad(f"is corrupt: {what} {value}, not {wanted}")
        if file_size > LARGEST_FILE:
            raise source.bad(f"is corrupt: file size {file_size}")
        if source.status is not None and file_size > source.status.st_size:
            raise source.bad(f"is cut short: {source.status.st_size} bytes of {file_size}")
        # Before anything is read by it: a sparse file costs its author nothing, us memory.
        if not 1 <= capacity <= LARGEST_RING or capacity & (capacity - 1):
            raise source.bad(
                f"is corrupt: ring capacity {capacity} is not a power of two to {LARGEST_RING}"
            )
        if argv_size > LARGEST_ARGV:
            raise source.bad(f"is corrupt: command line of {argv_size} bytes")
        senders_at, senders_count, sender_entry = _SENDERS.unpack_from(raw, _SENDERS_AT)
        if sender_entry != SENDER_ENTRY or senders_count > LARGEST_SENDERS:
            raise source.bad(f"is corrupt: {senders_count} senders of {sender_entry} bytes")
        for what, at, size in (
            ("command line", argv_at, argv_size),
            ("table of senders", senders_at, senders_count * SENDER_ENTRY),
            ("ledger", ledger_at, ledger_count * ledger_entry),
            ("ring", ring_at, capacity * SLOT_SIZE),
        ):
            if at < HEADER_SIZE or at % 64 or at + size > file_size:
                raise source.bad(f"is corrupt: {what} at {at}, {size} bytes, in {file_size}")
        if pid <= 0:
            raise source.bad(f"is corrupt: pid {pid}")
        self.argv_at, self.argv_size = argv_at, argv_size
        self.senders_at, self.senders_size = senders_at, senders_count * SENDER_ENTRY
        self.ledger_at, self.ring_at, self.capacity = ledger_at, ring_at, capacity
        self.start_ticks, self.namespace, self.sigrtmin = ticks, namespace, sigrtmin
        self.pid, self.uid, self.started_ns = pid, uid, started_ns
        self.boot_id = boot_id.split(b"\0")[0].decode("ascii", "replace")


class Ending(NamedTuple):
    """What the process wrote of its end when it last did; 0: nothing."""

    signum: int
    ordinal: int
    leave: int
    status: int
    handling: int


def ending(source: Source) -> Ending:
    return Ending(*ENDING.unpack(source.bytes(ENDING_AT, ENDING.size)))
