"""Hostile recordings: ``python -m tests.reader.fuzz --count 100000 --seed 1``.

Each file is a valid recording with some of it changed: fields of the header, and of an entry of any
section that the format knows, set to values that are awkward, bytes flipped, the end cut off. Whatever
it says: an answer or RecordingError, soon, and nothing raw on a terminal or in a page.
"""

import argparse
import faulthandler
import io
import json
import os
import random
import struct
import sys
import tempfile
from pathlib import Path

import sigrec
from sigrec._reader import format
from sigrec._reader.stats import ProcessStats, Stats
from sigrec._why.answer import Answer
from sigrec._why.brief import state_words
from sigrec._why.cause import cause
from sigrec._why.sentence import why
from sigrec.cli import stats as cli_stats
from sigrec.cli import tail
from sigrec.export import Selection, writer
from tests.reader.builder import (
    ARGV_AT,
    ENTRY,
    FIELDS,
    MONOTONIC,
    PAGE,
    SECTIONS_AT,
    SENDERS_AT,
    SLOT,
    RecordingBuilder,
    event,
)

HOSTILE = (
    b"\x1b]0;owned\x07\x1b[2J\x1b[31m", b"<x-evil onload=alert(1)>", b"</script><x-evil>",
    b"=cmd|' /C calc'!A0", b"\xc2\x9b31m\xe2\x80\xae\xff\xfe", b"a\nb\rc\0d\te", b"%s%n${x}{0}",
    b"'\"`;--", b"\xed\xb2\x80\xf4\x90\x80\x80",
)  # fmt: skip
AWKWARD = (
    0, 1, 2, 15, 16, 63, 64, 65, 255, 4095, 4096, 4097, 1 << 15, (1 << 16) - 1, 1 << 16, 1 << 24,
    (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 40, (1 << 62) - 1, (1 << 63) - 1, 1 << 63,
    (1 << 64) - 1,
)  # fmt: skip
SECTION = struct.Struct("=IIQIIQ")
SECONDS = 60  # for one file: it takes a fiftieth of one


def base(random):
    builder = RecordingBuilder(
        capacity=16,
        argv=[random.choice(HOSTILE), random.choice(HOSTILE)],
        version=random.choice((2, 3, 3)),
    )
    for ticket in range(random.choice((0, 5, 16, 40))):
        signum = random.choice((1, 2, 10, 11, 15, 17, 29, 34, 64))
        code = random.choice((0, -1, -2, -5, -6, 1, 2, 6, 0x80))
        builder.slot(
            ticket,
            event(signum, MONOTONIC + ticket * 10**6, ticket, code, random.choice((0, 1, 77)),
                  1, random.getrandbits(64)),
        )  # fmt: skip
        builder.ledger(
            signum, random.choice((0, 1, 2, 3)), 0, delivered=ticket + 1, recorded=ticket + 1,
            last=event(signum, MONOTONIC, ticket, code, 77), queued=ticket,
        )  # fmt: skip
        if builder.version == 3:
            block, ordinal = random.randrange(16), random.randrange(200)
            builder.recent(block, signum, ordinal, event(signum, MONOTONIC, ordinal, code, 77))
            builder.sent(ordinal, signum, random.choice((4242, 0, -1, -77)), how=block)
            builder.disposition(signum, ordinal, ordinal % 6, ordinal % 9, block + 1)
            builder.mask(signum if ordinal % 3 else 0, ordinal, ordinal % 2, ordinal % 9, block + 1,
                         mask=random.getrandbits(64), main=bool(block % 2))  # fmt: skip
            builder.site(block + 1, HOSTILE[ordinal % len(HOSTILE)], AWKWARD[block] & 0xFFFFFFFF)
            builder.child(ordinal, random.choice((4242, 77)), random.randrange(8), signum)
        builder.sender(
            random.randrange(64), signum, 77, ticket + 1, random.choice(("process", "kernel", "child")),
            named_ns=1, name=random.choice(HOSTILE)[:16],
        )  # fmt: skip
    if builder.version == 3:
        for kind in format.SECTIONS.keys() - {kind for kind, *_ in table(builder.raw)}:
            add_section(random, builder, kind)
    return builder.set(
        fatal_signal=random.choice((0, 11, 15)), exit_kind=random.randrange(4),
        exit_reason=random.choice(HOSTILE), handling=random.choice((0, 15)),
    )  # fmt: skip


def table(raw):
    """Of the file's own: type, offset, bytes of an entry, entries. As they stand there, after some changes."""
    if raw[12] == 2:  # it has none
        builder = RecordingBuilder(version=2)
        for kind, name in ((1, "argv"), (2, "ledger"), (3, "senders"), (4, "ring")):
            entry = {1: 1, 2: ENTRY}.get(kind, SLOT)
            yield kind, builder.get(f"{name}_offset"), entry, 16
        return
    count = min(int.from_bytes(raw[32:36], sys.byteorder), 64)
    for at in range(SECTIONS_AT, min(SECTIONS_AT + 32 * count, len(raw) - 31), 32):
        kind, _, begin, size, _, entries = SECTION.unpack_from(raw, at)
        yield kind, begin, size, entries


def add_section(random, builder, kind):
    """One that the builder does not know yet, full of anything."""
    n, (_, size, *_) = builder.get("sections_count"), format.SECTIONS[kind]
    begin = len(builder.raw) + -len(builder.raw) % 64
    builder.raw.extend(bytes(begin - len(builder.raw)) + random.randbytes(8 * size))
    SECTION.pack_into(builder.raw, SECTIONS_AT + 32 * n, kind, 0, begin, size, 0, 8)
    builder.set(sections_count=n + 1, file_size=len(builder.raw))


def number(random, bits):
    value = random.choice((random.choice(AWKWARD), random.getrandbits(64), random.randrange(100)))
    return value & ((1 << bits) - 1)


def change(random, raw):
    """One change to the bytes, which may have become few."""

    def put(at, size):
        if at + size <= len(raw):
            raw[at : at + size] = number(random, 8 * size).to_bytes(size, sys.byteorder)

    kind = random.randrange(10)
    if kind == 0:
        at, form = FIELDS[random.choice([name for name in FIELDS if name != "magic"])]
        put(at, {"H": 2, "I": 4, "i": 4, "Q": 8}.get(form, 4))
    elif kind == 1:
        put(8 + 4 * random.randrange(PAGE // 4 - 2), random.choice((4, 8)))
    elif kind == 2:
        put(SECTIONS_AT + 4 * random.randrange(8 * len(format.SECTIONS)), random.choice((4, 8)))
    elif kind in (3, 8, 9) and (sections := list(table(raw))):
        _, begin, size, entries = random.choice(sections)
        # What was written is among the first, most often.
        entry = random.randrange(max(1, min(entries, random.choice((2, 16, 64, 1 << 16)))))
        put(
            begin + entry * size + 4 * random.randrange(max(1, min(size, PAGE) // 4)),
            random.choice((4, 8)),
        )
    elif kind == 4 and raw:
        for _ in range(random.choice((1, 8, 100))):
            raw[random.randrange(len(raw))] = random.randrange(256)
    elif kind == 5:
        del raw[random.randrange(len(raw) + 1) :]
    elif kind == 6:
        raw.extend(random.randbytes(random.choice((1, 64, PAGE))))
    else:
        text = random.choice(HOSTILE) * 9
        at = random.choice((ARGV_AT, SENDERS_AT + 40, 608, 112))
        raw[at : at + len(text)] = text[: max(0, len(raw) - at)]


def hostile(seed):
    """The bytes of one file."""
    source = random.Random(seed)
    raw = bytearray(base(source).raw)
    for _ in range(source.choice((0, 1, 1, 2, 3, 8))):
        change(source, raw)
    return bytes(raw)


def safe_text(text):
    assert all(c.isprintable() or c == "\n" for c in text), repr(text)


def check(path):
    """Looks at it in every way; what it says of itself, for counting: "read" or "refused"."""
    try:
        recording = sigrec.open_recording(path)
    except sigrec.RecordingError as error:
        str(error)
        return "refused"
    with recording:
        try:
            look(recording)
        except sigrec.RecordingError:
            return "refused"
    return "read"


def look(recording):
    process = ProcessStats(recording)
    for one in (*recording.dispositions(), *recording.masks()):
        repr(one), hash(one), one.time, one.by
    for sent in recording.sent():
        repr(sent), hash(sent), sent.time
    for told in recording._sent.children():
        assert isinstance(told.pid, int)
    json.dumps(Stats([recording]).to_dict(), allow_nan=False).encode()
    answer = Answer(recording).to_dict()
    safe_text(answer["sentence"])
    json.dumps(answer, allow_nan=False).encode()
    safe_text(cli_stats._show(process, state_words(recording, cause(recording))))
    safe_text(why(recording))
    lines = tail._Output(recording, json=False)
    for info in recording.events():
        safe_text(lines._as_printed(info))
        repr(info), hash(info), info.time
    recording.ring()[:1].release()
    for form in ("jsonl", "csv", "chrome", "html"):
        out = io.StringIO()
        writer(form)(Selection(recording), out)
        text = out.getvalue()
        safe_text(text)
        if form == "jsonl":
            for line in text.splitlines():
                json.loads(line)
        elif form == "chrome":
            json.loads(text)
        elif form == "html":
            assert text.isascii() and "<x-evil" not in text


def run(seeds, directory):
    counts = {"read": 0, "refused": 0}
    path = Path(directory) / "hostile.sigrec"
    # A process of whose end the hostile recording speaks: as its sender, its parent, or with its PID.
    victim = RecordingBuilder(pid=4242).write(Path(directory) / "victim.sigrec")
    for seed in seeds:
        path.write_bytes(hostile(seed))
        # A hang is a failure, and not a test that does not end.
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            counts[check(path)] += 1
            if seed % 4:
                continue
            with sigrec.open_recording(victim) as recording:
                safe_text(Answer(recording).sentence)
        except BaseException:
            print(f"seed {seed}", file=sys.stderr)
            raise
        finally:
            faulthandler.cancel_dump_traceback_later()
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(
        dir="/dev/shm" if os.path.isdir("/dev/shm") else None
    ) as place:
        done = 0
        total = {"read": 0, "refused": 0}
        while done < args.count:
            n = min(1000, args.count - done)
            first = args.seed * 1_000_000_000 + done
            for what, count in run(range(first, first + n), place).items():
                total[what] += count
            done += n
            print(f"{done:,} files: {total}", flush=True)


if __name__ == "__main__":
    main()
