"""Builds recordings by docs/format.md, and not by the code under test."""

import os
import struct

MAGIC = b"\x89SIGREC\n"
ARGV_AT, LEDGER_AT = 4096, 8192
SENDERS_AT = LEDGER_AT + 20480
RING_AT = SENDERS_AT + 4096


def slot(sequence, monotonic=0, ordinal=0, signo=0, code=0, pid=0, uid=0, datum=0, tid=0, errno=0,
         detail=0, timerid=0):  # fmt: skip
    return struct.pack("=QQQIiiIQIiii", sequence, monotonic, ordinal, signo, code, pid, uid,
                       datum & (2**64 - 1), tid, errno, detail, timerid)  # fmt: skip


def build(path, *, capacity=16, slots=(), head=0, counters=None, argv=(b"prog", b"arg"), first=None,
          last=None, pid=None, state=0, boot_id=b"not this boot", anchors=((1000, 10**18),), **header):  # fmt: skip
    """slots: bytes for slot 0, 1, ...; counters: {signum: (delivered, ..., overruns, mode, replaced)}."""
    data = bytearray(RING_AT + capacity * 64)
    text = b"".join(part + b"\0" for part in argv)
    values = {
        "endian": 0x01020304, "version": 2, "header_size": 4096, "event_size": 64,
        "file_size": len(data), "argv_at": ARGV_AT, "argv_size": len(text), "ledger_at": LEDGER_AT,
        "ledger_count": 65, "ledger_entry": 256, "ring_at": RING_AT, "capacity": capacity,
    }  # fmt: skip
    values.update(header)
    struct.pack_into("=8sIHHIIQQIIQIIQQ", data, 0, header.get("magic", MAGIC), values["endian"], values["version"], 0,
                     values["header_size"], values["event_size"], values["file_size"], values["argv_at"],
                     values["argv_size"], 0, values["ledger_at"], values["ledger_count"],
                     values["ledger_entry"], values["ring_at"], values["capacity"])  # fmt: skip
    struct.pack_into("=iIQQii40sQI", data, 80, pid or header.get("raw_pid", os.getpid()), 0, 1, 2, 34, 64, boot_id, 10**18, state)
    struct.pack_into("=QII", data, 576, SENDERS_AT, 64, 64)
    struct.pack_into("=Q", data, 192, head)
    struct.pack_into("=Q", data, 256, len(anchors))
    for n, (monotonic, realtime) in enumerate(anchors):
        struct.pack_into("=QQ", data, 320 + 16 * (n % 16), monotonic, realtime)
    data[ARGV_AT : ARGV_AT + len(text)] = text
    for signum, values in (counters or {}).items():
        struct.pack_into("=9Q2I", data, LEDGER_AT + 256 * signum, *values)
        for at, kept in ((128, first), (192, last)):
            if kept:
                start = LEDGER_AT + 256 * signum + at
                data[start : start + 64] = kept
    for n, raw in enumerate(slots):
        data[RING_AT + 64 * n : RING_AT + 64 * (n + 1)] = raw
    path.write_bytes(data)
    return path
