"""Builds recordings byte by byte, after docs/reference/format.md and not after the reader's own
code."""

import itertools
import os
import struct
import sys

PAGE = 4096
SLOT = 64
ENTRY = 256
IDENTITY_AT = PAGE
ARGV_AT = IDENTITY_AT + 1728
LEDGER_AT = 3 * PAGE
SENDERS_AT = LEDGER_AT + 5 * PAGE  # 65 entries of 256 bytes, in whole pages
SENDERS = 512
BLOCKS, BLOCK = 16, 64  # blocks of newest events, and slots in a block
RECENT_AT = SENDERS_AT + SENDERS * SLOT
SENT_AT = RECENT_AT + BLOCKS * BLOCK * SLOT
ENDINGS_AT = SENT_AT + 256 * SLOT
CHILDREN_AT = ENDINGS_AT + 64 * SLOT
DISPOSITIONS_AT = CHILDREN_AT + 256 * SLOT
CHANGES = 8  # of each signal
SITES_AT = DISPOSITIONS_AT + 9 * PAGE  # 65 signals' slots, in whole pages
SITES, SITE = 256, 128
MASKS_AT = SITES_AT + SITES * SITE
MASKS = 4  # changes of each signal of the main thread, and as many of the others
RING_AT = MASKS_AT + 9 * PAGE
SENT_HEAD_AT = 800  # of the three, one after another
SECTIONS_AT = 1024
OWNERS_AT = 736
IDENTITY = struct.Struct("=iiiIQQQQq8x72s56s512s512s")

BOOT = "01234567-89ab-cdef-0123-456789abcdef"

# For each field of the header its offset and its struct format.
ALWAYS = {
    "magic": (0, "8s"),
    "endian": (8, "I"),
    "version": (12, "H"),
    "header_size": (16, "I"),
    "file_size": (24, "Q"),
    "pid": (80, "i"),
    "uid": (84, "I"),
    "start_ticks": (88, "Q"),
    "pid_namespace": (96, "Q"),
    "sigrtmin": (104, "i"),
    "sigrtmax": (108, "i"),
    "boot_id": (112, "40s"),
    "started_ns": (152, "Q"),
    "state": (160, "I"),
    "fatal_signal": (164, "I"),
    "fatal_ordinal": (168, "Q"),
    "exit_kind": (176, "I"),
    "exit_status": (180, "i"),
    "handling": (184, "I"),
    "head": (192, "Q"),
    "anchor_count": (256, "Q"),
    "exit_ns": (592, "Q"),
    "exit_reason": (608, "128s"),
}
FIELDS_2 = {
    **ALWAYS,
    "event_size": (20, "I"),
    "argv_offset": (32, "Q"),
    "argv_size": (40, "I"),
    "ledger_offset": (48, "Q"),
    "ledger_count": (56, "I"),
    "ledger_entry": (60, "I"),
    "ring_offset": (64, "Q"),
    "ring_capacity": (72, "Q"),
    "senders_offset": (576, "Q"),
    "senders_count": (584, "I"),
    "senders_entry": (588, "I"),
}


def section(n, offset="offset", entry="entry", count="count"):
    """The fields of entry n in the table of sections, under these names."""
    at = SECTIONS_AT + 32 * n
    return {offset: (at + 8, "Q"), entry: (at + 16, "I"), count: (at + 24, "Q")}


FIELDS = {
    **ALWAYS,
    "sections_offset": (20, "I"),
    "sections_count": (32, "I"),
    "sections_entry": (36, "I"),
    "id": (40, "16s"),
    **section(0, "argv_offset", "argv_entry", "argv_size"),
    **section(1, "ledger_offset", "ledger_entry", "ledger_count"),
    **section(2, "senders_offset", "senders_entry", "senders_count"),
    **section(3, "ring_offset", "event_size", "ring_capacity"),
    **section(4, "recent_offset", "recent_entry", "recent_count"),
    **section(5, "identity_offset", "identity_entry", "identity_count"),
    **section(6, "sent_offset", "sent_entry", "sent_count"),
    **section(7, "endings_offset", "endings_entry", "endings_count"),
    **section(8, "children_offset", "children_entry", "children_count"),
    **section(9, "dispositions_offset", "dispositions_entry", "dispositions_count"),
    **section(10, "sites_offset", "sites_entry", "sites_count"),
    **section(11, "masks_offset", "masks_entry", "masks_count"),
}

COUNTERS = (
    "delivered",
    "recorded",
    "dropped",
    "overwritten",
    "queued",
    "undetailed",
    "handled",
    "abandoned",
    "overruns",
)
KINDS = ("process", "kernel", "timer", "child")  # fmt: skip

REALTIME = 1_767_323_045_000_006_000  # 2026-01-02T03:04:05.000006Z
MONOTONIC = 5_000_000_000

IDS = itertools.count(1)  # no two recordings have the same


def event(signo, monotonic_ns=MONOTONIC, ordinal=0, code=0, pid=0, uid=0, datum=0, tid=1,
          error=0, detail=0, timerid=0):  # fmt: skip
    """The seven payload words of a slot."""
    return struct.pack(
        "=QQIiiIQIiii", monotonic_ns, ordinal, signo, code, pid, uid, datum & (1 << 64) - 1, tid,
        error, detail, timerid,
    )  # fmt: skip


class RecordingBuilder:
    """A valid recording of a process that died in another boot, to be filled or broken by a test,
    in version 3 of the format or in 2, which readers read as well."""

    def __init__(self, capacity=16, argv=(b"python3", b"worker.py"), pid=4242, version=3):
        self.raw = bytearray(RING_AT + max(PAGE, capacity * SLOT))
        self.version = version
        self.fields = FIELDS_2 if version == 2 else FIELDS
        self.capacity = capacity
        self.ring_at = RING_AT
        text = b"".join(part + b"\0" for part in argv)
        self.raw[ARGV_AT : ARGV_AT + len(text)] = text
        self.set(
            magic=b"\x89SIGREC\n", endian=0x01020304, version=version, header_size=PAGE,
            file_size=len(self.raw), pid=pid, uid=os.geteuid(), start_ticks=1, pid_namespace=1,
            sigrtmin=34, sigrtmax=64, boot_id=BOOT.encode(), started_ns=REALTIME,
            argv_offset=ARGV_AT, argv_size=len(text), ledger_offset=LEDGER_AT, ledger_count=65,
            ledger_entry=ENTRY, ring_offset=RING_AT, ring_capacity=capacity, event_size=SLOT,
            senders_offset=SENDERS_AT, senders_count=SENDERS, senders_entry=SLOT,
        )  # fmt: skip
        if version != 2:
            self.set(
                sections_offset=SECTIONS_AT, sections_count=12, sections_entry=32,
                id=next(IDS).to_bytes(16, "big"), argv_entry=1, recent_offset=RECENT_AT, recent_entry=SLOT,
                recent_count=BLOCKS * BLOCK, identity_offset=IDENTITY_AT,
                identity_entry=IDENTITY.size + 512, identity_count=1,
                sent_offset=SENT_AT,
                sent_entry=SLOT,
                sent_count=256,
                endings_offset=ENDINGS_AT,
                endings_entry=SLOT,
                endings_count=64,
                children_offset=CHILDREN_AT,
                children_entry=SLOT,
                children_count=256,
                dispositions_offset=DISPOSITIONS_AT,
                dispositions_entry=SLOT,
                dispositions_count=65 * CHANGES,
                sites_offset=SITES_AT,
                sites_entry=SITE,
                sites_count=SITES,
                masks_offset=MASKS_AT,
                masks_entry=SLOT,
                masks_count=2 * 65 * MASKS,
            )  # fmt: skip
            for n, flags in enumerate((0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)):
                self.section(n, n + 1, flags)
        self.anchors((MONOTONIC, REALTIME))

    def section(self, n, kind, flags=0, **fields):
        """Sets the type of entry n in the table of sections, and other fields of it."""
        struct.pack_into("=II", self.raw, SECTIONS_AT + 32 * n, kind, flags)
        for name, value in fields.items():
            at, form = section(n)[name]
            struct.pack_into("=" + form, self.raw, at, value)
        return self

    def recent(self, block, signum, ordinal, payload, sequence=None):
        """Keeps an event among the newest of its signal, in the block of that."""
        struct.pack_into("=I", self.raw, OWNERS_AT + 4 * block, signum)
        at = RECENT_AT + (block * BLOCK + ordinal % BLOCK) * SLOT
        sequence = 2 * ordinal + 2 if sequence is None else sequence
        self.raw[at : at + SLOT] = struct.pack("=Q", sequence) + payload
        return self

    def set(self, **fields):
        for field, value in fields.items():
            at, form = self.fields[field]
            struct.pack_into("=" + form, self.raw, at, value)
        return self

    def get(self, field):
        at, form = self.fields[field]
        return struct.unpack_from("=" + form, self.raw, at)[0]

    def anchors(self, *pairs, first=0):
        """Anchors first, first + 1, ...: each a (MONOTONIC, REALTIME) pair in ns."""
        for n, pair in enumerate(pairs, first):
            struct.pack_into("=QQ", self.raw, 320 + n % 16 * 16, *pair)
        return self.set(anchor_count=first + len(pairs))

    def slot(self, ticket, payload, sequence=None):
        """Writes an event of the history where ticket belongs; moves head past it."""
        at = RING_AT + ticket % self.capacity * SLOT
        sequence = 2 * ticket + 2 if sequence is None else sequence
        self.raw[at : at + SLOT] = struct.pack("=Q", sequence) + payload
        return self.set(head=max(self.get("head"), ticket + 1))

    def ledger(self, signum, mode=0, replaced=0, unattributed=0, first=None, last=None, last_sequence=None,
               **counters):  # fmt: skip
        at = LEDGER_AT + signum * ENTRY
        values = [counters.pop(name, 0) for name in COUNTERS]
        assert not counters
        struct.pack_into("=9Q2IQ", self.raw, at, *values, mode, replaced, unattributed)
        if first is not None:
            self.raw[at + 128 : at + 192] = struct.pack("=Q", 2) + first
        if last is not None:
            sequence = 2 * values[0] if last_sequence is None else last_sequence
            self.raw[at + 192 : at + 256] = struct.pack("=Q", sequence) + last
        return self

    def sender(self, index, signum, pid=0, count=1, kind="process", last_ns=MONOTONIC, uid=0,
               code=0, named_ns=0, name=b"", since_ns=0):  # fmt: skip
        key = 1 << 63 | KINDS.index(kind) << 40 | signum << 32 | pid
        at = SENDERS_AT + index * SLOT
        struct.pack_into(
            "=QQQIiQ16sQ", self.raw, at, key, count, last_ns, uid, code, named_ns, name, since_ns
        )
        return self

    def identity(self, pgid=0, sid=0, ppid=0, time_namespace=0, mount_namespace=0, ignored=0,
                 blocked=0, oom_kills=-1, host_name=b"", machine_id=b"", executable=b"",
                 cgroup=b"", cgroup_at_end=b"", subreaper=0):  # fmt: skip
        IDENTITY.pack_into(
            self.raw, IDENTITY_AT, pgid, sid, ppid, subreaper, time_namespace, mount_namespace, ignored,
            blocked, oom_kills, host_name, machine_id, executable, cgroup,
        )  # fmt: skip
        struct.pack_into("=512s", self.raw, IDENTITY_AT + IDENTITY.size, cgroup_at_end)
        return self

    def sent(
        self, ticket, signum, target, monotonic_ns=MONOTONIC, how=1, result=0, ending=True, start=0
    ):
        """What the process sent; ending: in the ring of what ends others, too."""
        payload = event(signum, monotonic_ns, ticket, how, target, detail=result, datum=start)
        for n, (at, size) in enumerate(((SENT_AT, 256), (ENDINGS_AT, 64))[: 1 + ending]):
            slot = at + ticket % size * SLOT
            self.raw[slot : slot + SLOT] = struct.pack("=Q", 2 * ticket + 2) + payload
            struct.pack_into("=Q", self.raw, SENT_HEAD_AT + 8 * n, ticket + 1)
        return self

    def child(self, ticket, pid, code, status, monotonic_ns=MONOTONIC):
        """What the process was told of a child."""
        slot = CHILDREN_AT + ticket % 256 * SLOT
        payload = event(17, monotonic_ns, 0, code, pid, detail=status)
        self.raw[slot : slot + SLOT] = struct.pack("=Q", 2 * ticket + 2) + payload
        struct.pack_into("=Q", self.raw, SENT_HEAD_AT + 16, ticket + 1)
        return self

    def disposition(self, signum, ordinal, action=2, how=3, site=0, monotonic_ns=MONOTONIC,
                    flags=0, sequence=None):  # fmt: skip
        """A change of what the signal does."""
        payload = event(signum, monotonic_ns, ordinal, how, action, site, flags, tid=0)
        slot = DISPOSITIONS_AT + (ordinal % CHANGES * 65 + signum) * SLOT
        sequence = 2 * ordinal + 2 if sequence is None else sequence
        self.raw[slot : slot + SLOT] = struct.pack("=Q", sequence) + payload
        return self

    def mask(self, signum, ordinal, blocked=1, how=3, site=0, monotonic_ns=MONOTONIC, mask=0,
             tid=4242, main=True, sequence=None):  # fmt: skip
        """A change of what a thread blocks."""
        payload = event(signum, monotonic_ns, ordinal, how, blocked, site, mask, tid)
        slot = MASKS_AT + (ordinal % MASKS * 130 + (signum if main else 65 + signum)) * SLOT
        sequence = 2 * ordinal + 2 if sequence is None else sequence
        self.raw[slot : slot + SLOT] = struct.pack("=Q", sequence) + payload
        return self

    def site(self, number, text, line=0, whole=1):
        """Where something was called, from 1."""
        at = SITES_AT + (number - 1) * SITE
        struct.pack_into("=QII112s", self.raw, at, number, whole, line, text)
        return self

    def read(self, offset, size):
        """What Recording() reads with, without a file."""
        return bytes(self.raw[offset : offset + size])

    def write(self, path):
        path.write_bytes(self.raw)
        return path


OTHER_ENDIAN = int.from_bytes((0x01020304).to_bytes(4, sys.byteorder)[::-1], sys.byteorder)
