"""The reader, on recordings built by hand: valid, corrupt, hostile, torn."""

import os
import signal
import struct
import subprocess
import sys

import pytest

import sigrec
from sigrec._proc import host, process
from sigrec._reader.recording import Recording
from sigrec._reader.source import Source
from tests.conftest import unrecorded
from tests.reader.builder import (
    BOOT,
    ENTRY,
    IDENTITY,
    LEDGER_AT,
    MONOTONIC,
    OTHER_ENDIAN,
    PAGE,
    REALTIME,
    RING_AT,
    SECTIONS_AT,
    SLOT,
    RecordingBuilder,
    event,
)

USR1 = int(signal.SIGUSR1)
SECOND = 10**9


# --- what a valid one says -----------------------------------------------------------


def test_header(built, tmp_path):
    recording = built(RecordingBuilder(argv=[b"python3", b"", b"caf\xc3\xa9", b"\xff"]))
    assert recording.pid == 4242
    assert recording.uid == os.geteuid()
    assert recording.boot_id == BOOT
    assert recording.capacity == 16
    assert recording.argv == ["python3", "", "café", "\udcff"]
    assert recording.path == str(tmp_path / "a.sigrec")
    assert recording.started_ns == REALTIME
    assert recording.started.isoformat() == "2026-01-02T03:04:05.000006+00:00"
    assert recording.signals == {}
    assert list(recording.events()) == []


def test_no_argv(built):
    assert built(RecordingBuilder(argv=[])).argv == []


def test_the_format_of_the_core_is_the_documented_one(child):
    """The builder and the core agree: a live recording has the fields where we say."""
    p = child("sigrec.register(RT, print); say(os.getpid()); hear()", "one", "two")
    p.line()
    with sigrec.open_recording(p.pid) as recording, open(recording.path, "rb") as file:
        raw = file.read()
    ours = RecordingBuilder(capacity=16384)
    theirs = RecordingBuilder(capacity=16384)
    theirs.raw[:] = raw
    for field in ("magic", "endian", "version", "header_size", "event_size", "file_size",
                  "argv_offset", "ledger_offset", "ledger_count", "ledger_entry", "ring_offset",
                  "ring_capacity", "senders_offset", "senders_count", "senders_entry"):  # fmt: skip
        assert theirs.get(field) == ours.get(field), field
    assert theirs.get("pid") == p.pid
    assert theirs.get("sigrtmin") == signal.SIGRTMIN
    assert theirs.get("sigrtmax") == signal.SIGRTMAX
    p.tell()
    p.end()


def test_counters(built):
    first, last = event(USR1, MONOTONIC, 0), event(USR1, MONOTONIC + SECOND, 99)
    recording = built(
        RecordingBuilder()
        .ledger(USR1, mode=1, replaced=1, delivered=100, recorded=97, dropped=3, overwritten=81,
                queued=90, undetailed=10, handled=60, abandoned=15, overruns=7, first=first,
                last=last)
        .ledger(int(signal.SIGUSR2), mode=2)
        .ledger(36, delivered=1, recorded=1)
    )  # fmt: skip
    assert list(recording.signals) == [USR1, int(signal.SIGUSR2), 36]
    stats = recording.signals[USR1]
    assert (stats.signal_name, stats.signum, stats.mode, stats.replaced) == (
        "SIGUSR1", USR1, "registered", True)  # fmt: skip
    assert (stats.delivered, stats.recorded, stats.dropped, stats.overwritten) == (100, 97, 3, 81)
    assert (stats.handled, stats.undetailed, stats.abandoned, stats.overruns) == (60, 10, 15, 7)
    assert stats.pending == 90 + 10 - 60 - 15
    assert stats.first.ordinal == 0
    assert stats.last.ordinal == 99
    assert stats.last.time_ns == REALTIME + SECOND
    assert recording.signals[int(signal.SIGUSR2)].mode == "unregistered"
    assert recording.signals[36].mode == "released"
    assert recording.signals[36].first is None


def test_full_counters_are_not_cut(built):
    most = (1 << 64) - 1
    stats = built(RecordingBuilder().ledger(USR1, delivered=most, recorded=most)).signals[USR1]
    assert stats.delivered == stats.recorded == most


def test_pending_is_never_negative(built):
    """In flight a signal may be handled before its queued count is seen."""
    recording = built(RecordingBuilder().ledger(USR1, delivered=1, handled=1))
    assert recording.signals[USR1].pending == 0


def test_real_time_names_are_those_of_the_recorded_process(built):
    recording = built(RecordingBuilder().set(sigrtmin=35).ledger(35, mode=1).ledger(37, mode=1))
    assert [stats.signal_name for stats in recording.signals.values()] == ["SIGRTMIN", "SIGRTMIN+2"]


def test_events_are_in_the_order_of_recording(built):
    builder = RecordingBuilder()
    for ticket in (2, 0, 1):
        # Another thread may have read the clock earlier and recorded later.
        builder.slot(ticket, event(USR1, MONOTONIC - ticket, ordinal=ticket))
    assert [info.ordinal for info in built(builder).events()] == [0, 1, 2]
    assert [info.ordinal for info in built(builder)] == [0, 1, 2]


def test_a_lapped_ring_gives_the_newest(built):
    builder = RecordingBuilder(capacity=16)
    for ticket in range(40):
        builder.slot(ticket, event(USR1, ordinal=ticket))
    assert [info.ordinal for info in built(builder).events()] == list(range(24, 40))


def test_a_burned_ticket_leaves_its_slots_older_event(built):
    """recorded - overwritten is what the history holds, so the older one is still there."""
    builder = RecordingBuilder(capacity=16)
    for ticket in range(32):
        if ticket != 20:
            builder.slot(ticket, event(USR1, ordinal=ticket))
    assert [info.ordinal for info in built(builder).events()] == [4, *range(16, 20), *range(21, 32)]


def test_reads_anew_each_time(built, tmp_path):
    builder = RecordingBuilder().ledger(USR1, delivered=1)
    recording = built(builder)
    assert recording.signals[USR1].delivered == 1
    builder.ledger(USR1, delivered=5).slot(0, event(USR1))
    with open(tmp_path / "a.sigrec", "r+b") as file:
        file.write(builder.raw)
    assert recording.signals[USR1].delivered == 5
    assert len(list(recording.events())) == 1


def test_never_writes(built, tmp_path):
    builder = RecordingBuilder().slot(0, event(USR1)).ledger(USR1, delivered=1)
    recording = built(builder)
    before = os.stat(recording.path)
    _ = recording.signals, list(recording.events()), recording.state, recording.argv
    after = os.stat(recording.path)
    assert (tmp_path / "a.sigrec").read_bytes() == builder.raw
    assert before.st_mtime_ns == after.st_mtime_ns


def test_reads_a_file_that_it_may_not_write(tmp_path):
    path = RecordingBuilder().write(tmp_path / "a.sigrec")
    path.chmod(0o400)
    with sigrec.open_recording(path) as recording:
        assert recording.pid == 4242


# --- the clock -----------------------------------------------------------------------


def test_time_is_from_the_newest_anchor_not_younger_than_the_event(built):
    hour = 3600 * SECOND
    builder = RecordingBuilder().anchors(
        (MONOTONIC, REALTIME),
        (MONOTONIC + 100, REALTIME + hour),  # a suspend of an hour
        (MONOTONIC + 200, REALTIME - hour),  # someone set the clock back
    )
    for ticket, at in enumerate((50, 100, 199, 200, 300)):
        builder.slot(ticket, event(USR1, MONOTONIC + at, ticket))
    assert [info.time_ns - REALTIME for info in built(builder).events()] == [
        50, hour, hour + 99, -hour, -hour + 100]  # fmt: skip


def test_an_event_before_every_anchor_takes_the_oldest(built):
    builder = RecordingBuilder().slot(0, event(USR1, MONOTONIC - 7))
    assert next(built(builder).events()).time_ns == REALTIME - 7


def test_anchors_that_lapped(built):
    """More than 16: the newest 15 count, since the next one overwrites the oldest."""
    pairs = [(MONOTONIC + n, REALTIME + n + n * SECOND) for n in range(20)]
    builder = RecordingBuilder()
    for n, pair in enumerate(pairs):
        builder.anchors(pair, first=n)
    builder.slot(0, event(USR1, MONOTONIC + 19)).slot(1, event(USR1, MONOTONIC + 5))
    builder.slot(2, event(USR1, MONOTONIC))
    offset = REALTIME - MONOTONIC
    assert [info.time_ns - info.monotonic_ns - offset for info in built(builder).events()] == [
        19 * SECOND, 5 * SECOND, 5 * SECOND]  # fmt: skip


@pytest.mark.parametrize("count", [0, 1 << 63, (1 << 64) - 1])
def test_any_number_of_anchors(built, count):
    builder = RecordingBuilder().slot(0, event(USR1)).set(anchor_count=count)
    assert len(list(built(builder).events())) == 1


# --- torn and half-written slots -------------------------------------------------------


@pytest.mark.parametrize(
    "sequence",
    [0, 2 * 3 + 1, 2 * 3, 2 * 4 + 2, 1 << 62, 1 << 63, (1 << 64) - 1, (1 << 64) - 2],
    ids=["empty", "being written", "older odd lap", "other slot", "62", "63", "odd", "even"],
)
def test_a_slot_with_a_wrong_sequence_is_left_out(built, sequence):
    builder = RecordingBuilder().slot(2, event(USR1, ordinal=2))
    builder.slot(3, event(USR1, ordinal=3), sequence=sequence)
    if sequence == 2 * 3:
        assert sequence // 2 - 1 == 2  # ticket 2 in the slot of ticket 3
    assert [info.ordinal for info in built(builder).events()] == [2]


def test_a_ring_of_one_slot_that_is_being_written(built):
    """Only here does the odd sequence of ticket 1 look like the slot of ticket 0."""
    builder = RecordingBuilder(capacity=1).slot(1, event(USR1), sequence=2 * 1 + 1)
    assert list(built(builder).events()) == []


def test_a_slot_beyond_head_is_left_out(built):
    builder = RecordingBuilder().slot(0, event(USR1)).slot(1, event(USR1)).set(head=1)
    assert len(list(built(builder).events())) == 1


@pytest.mark.parametrize("signo", [0, 65, 1 << 31])
def test_a_slot_with_no_signal_number_is_left_out(built, signo):
    assert list(built(RecordingBuilder().slot(0, event(signo))).events()) == []


def interrupted(builder, at, size, change):
    """A Recording over the builder's bytes, and change(n) before the n-th read of a region."""
    reads = 0

    def read(offset, wanted):
        nonlocal reads
        if (offset, wanted) == (at, size):
            change(reads)
            reads += 1
        return builder.read(offset, wanted)

    return Recording(Source(read))


@pytest.mark.parametrize("when", [1, 2])
def test_a_slot_rewritten_between_two_copies_is_left_out(when):
    """Whenever the writer comes, a payload is given only with its own sequence."""
    builder = RecordingBuilder()
    for ticket in range(16):
        builder.slot(ticket, event(USR1, ordinal=ticket))

    def change(n):
        if n == when:
            builder.slot(16 + 5, event(USR1, ordinal=16 + 5))

    recording = interrupted(builder, RING_AT, 16 * SLOT, change)
    ordinals = [info.ordinal for info in recording.events()]
    assert ordinals == [n for n in range(16) if n != 5]


@pytest.mark.parametrize("when", [0, 1, 2])
def test_no_mixture_of_two_events(when):
    """The payload changes while the sequence, at first, does not: the claim comes before."""
    builder = RecordingBuilder(capacity=16).slot(0, event(USR1, ordinal=0, pid=1))

    def change(n):
        if n == when:  # ticket 16 has claimed slot 0 and written half its payload
            at = RING_AT
            builder.raw[at : at + 8] = struct.pack("=Q", 2 * 16 + 1)
            builder.raw[at + 8 : at + 32] = event(USR1, ordinal=16, pid=2)[:24]

    recording = interrupted(builder, RING_AT, SLOT, change)
    assert list(recording.events()) == []


@pytest.mark.parametrize("when", [1, 2])
def test_last_rewritten_between_two_copies_is_not_told(when):
    builder = RecordingBuilder().ledger(USR1, delivered=1, recorded=1, first=event(USR1),
                                        last=event(USR1))  # fmt: skip

    def change(n):
        if n == when:
            builder.ledger(USR1, delivered=2, recorded=2, last=event(USR1, ordinal=1))

    stats = interrupted(builder, LEDGER_AT, 65 * 256, change).signals[USR1]
    assert stats.last is None
    assert stats.first.ordinal == 0


def test_last_that_is_being_written_is_not_told(built):
    builder = RecordingBuilder().ledger(USR1, delivered=9, last=event(USR1), last_sequence=17)
    assert built(builder).signals[USR1].last is None


# --- corrupt, foreign, hostile ---------------------------------------------------------


def refused(path, *words):
    with pytest.raises(sigrec.RecordingError) as caught:
        sigrec.open_recording(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    for word in words:
        assert word in text
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"magic": b"\x7fELF\2\1\1\0"}, ["not a recording", "ELF"]),
        ({"magic": b"\x89SIGREC\r"}, ["not a recording"]),
        ({"endian": OTHER_ENDIAN}, ["byte order", "0x04030201"]),
        ({"endian": 0}, ["is corrupt", "byte order"]),
        ({"version": 0}, ["version 0"]),
        ({"version": 1}, ["version 1"]),
        ({"version": 4}, ["version 4", "reads versions 2 and 3"]),
        ({"header_size": 8192}, ["header size 8192"]),
        ({"event_size": 128}, ["128 bytes", "ring"]),
        ({"file_size": 0}, ["corrupt"]),
        ({"file_size": 1 << 21}, ["cut short", str(1 << 21)]),
        ({"file_size": 1 << 40}, [str(1 << 40)]),
        ({"file_size": (1 << 64) - 1}, [str((1 << 64) - 1)]),
        ({"argv_offset": 0}, ["command line at 0"]),
        ({"argv_offset": (1 << 64) - 64}, ["command line"]),
        ({"argv_offset": 1 << 20}, ["command line"]),
        ({"argv_size": (1 << 32) - 1}, ["command line", str((1 << 32) - 1)]),
        ({"ledger_offset": 0}, ["ledger at 0"]),
        ({"ledger_offset": LEDGER_AT + 1}, ["ledger", str(LEDGER_AT + 1)]),
        ({"ledger_offset": (1 << 64) - 64}, ["ledger"]),
        ({"ledger_count": 0}, ["0 entries", "ledger"]),
        ({"ledger_count": 66}, ["66 entries", "ledger"]),
        ({"ledger_entry": 0}, ["0 bytes", "ledger"]),
        ({"ledger_entry": 255}, ["255 bytes", "ledger"]),
        ({"ledger_entry": 1 << 31}, [f"{1 << 31} bytes", "ledger"]),
        ({"ring_offset": 0}, ["ring at 0"]),
        ({"ring_offset": RING_AT + 8}, ["ring", str(RING_AT + 8)]),
        ({"ring_offset": (1 << 64) - 64}, ["ring"]),
        ({"ring_capacity": 0}, ["capacity 0"]),
        ({"ring_capacity": 15}, ["capacity 15"]),
        ({"ring_capacity": 1 << 20}, ["ring"]),
        ({"ring_capacity": 1 << 63}, [str(1 << 63)]),
        ({"pid": 0}, ["pid 0"]),
        ({"pid": -1}, ["pid -1"]),
    ],
    ids=lambda value: next(iter(value.items())).__repr__() if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("version", [2, 3])
def test_corrupt(tmp_path, fields, words, version):
    builder = RecordingBuilder(version=version).set(**fields)
    refused(builder.write(tmp_path / "bad.sigrec"), *words)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sections_count": 65}, ["65 sections"]),
        ({"sections_count": 1}, ["no ledger"]),
        ({"sections_count": 3}, ["no ring"]),
        ({"sections_entry": 31}, ["31 bytes"]),
        ({"sections_entry": 1 << 31}, [f"{1 << 31} bytes"]),
        ({"sections_offset": 4000}, ["sections is at 4000"]),
        ({"recent_offset": 0}, ["newest events at 0"]),
        ({"recent_entry": 128}, ["128 bytes", "newest events"]),
        ({"recent_count": 1025}, ["1025 entries", "newest events"]),
        ({"identity_offset": 1 << 40}, ["identity at"]),
        ({"identity_entry": 8}, ["8 bytes", "identity"]),
        ({"sent_offset": 1}, ["signals that it sent at 1"]),
        ({"sent_count": (1 << 16) + 1}, [f"{(1 << 16) + 1} entries", "signals that it sent"]),
        ({"endings_entry": 128}, ["128 bytes"]),
        ({"children_offset": 1 << 50}, ["children at"]),
        ({"dispositions_entry": 128}, ["128 bytes", "dispositions"]),
        ({"dispositions_count": 1 << 20}, [f"{1 << 20} entries", "dispositions"]),
        ({"masks_entry": 128}, ["128 bytes", "masks"]),
        ({"masks_count": 1 << 20}, [f"{1 << 20} entries", "masks"]),
        ({"sites_entry": 64}, ["64 bytes", "call sites"]),
        ({"sites_count": 4097}, ["4097 entries", "call sites"]),
        ({"sites_offset": 1 << 50}, ["call sites at"]),
    ],
    ids=lambda value: next(iter(value.items())).__repr__() if isinstance(value, dict) else "",
)
def test_corrupt_sections(tmp_path, fields, words):
    refused(RecordingBuilder().set(**fields).write(tmp_path / "bad.sigrec"), *words)


def test_a_section_twice(tmp_path):
    path = RecordingBuilder().section(4, 4, 1).write(tmp_path / "bad.sigrec")
    refused(path, "two sections of type 4")


def test_what_a_newer_sigrec_added_is_skipped_or_refused_in_words(built, tmp_path):
    """Sections of types that are not known, and larger entries."""
    builder = RecordingBuilder().set(sections_count=12)
    builder.section(11, 99, offset=1 << 60, entry=1 << 30, count=1 << 60)
    builder.slot(0, event(USR1)).ledger(USR1, delivered=1, recorded=1)
    recording = built(builder)
    assert [info.ordinal for info in recording.events()] == [0]
    assert recording.signals[USR1].delivered == 1
    refused(builder.section(11, 99, 1).write(tmp_path / "bad.sigrec"), "type 99", "newer sigrec")


@pytest.mark.parametrize("part", ["ledger", "senders", "identity"])
def test_larger_entries_are_read(built, part):
    """By the table's own word for how large they are; here two are where one was."""
    builder = RecordingBuilder()
    builder.ledger(2 * USR1, delivered=3, recorded=3)
    builder.sender(0, USR1, 7, 2).sender(2, USR1, 9, 1).sender(1, USR1, 8, 5)
    old = {"ledger": ENTRY, "senders": SLOT, "identity": IDENTITY.size}[part]
    if part == "ledger":
        assert built(builder.set(ledger_entry=2 * ENTRY)).signals[USR1].delivered == 3
        return
    builder.ledger(USR1, delivered=8, recorded=8)
    builder.set(**{f"{part}_entry": 2 * old})
    if part == "senders":
        builder.set(senders_count=256)
    senders = {s.pid: n for s, n in built(builder).signals[USR1].senders}
    assert senders == ({7: 2, 9: 1} if part == "senders" else {7: 2, 9: 1, 8: 5})


def test_version_2_is_read_as_ever(built):
    builder = RecordingBuilder(version=2)
    for ticket in range(20):
        builder.slot(ticket, event(USR1, MONOTONIC + ticket, ticket, pid=77))
    builder.ledger(USR1, mode=1, delivered=20, recorded=20, overwritten=4, queued=20, handled=20,
                   first=event(USR1, MONOTONIC, 0), last=event(USR1, MONOTONIC + 19, 19))  # fmt: skip
    builder.sender(0, USR1, 77, 20).set(
        fatal_signal=15, exit_kind=1, exit_status=3, exit_reason=b"KeyError"
    )
    recording = built(builder)
    assert [info.ordinal for info in recording.events()] == list(range(4, 20))
    stats = recording.signals[USR1]
    assert (stats.delivered, stats.handled, stats.first.ordinal, stats.last.ordinal) == (
        20,
        20,
        0,
        19,
    )
    assert [count for _, count in stats.senders] == [20]
    assert (recording.fatal_signal, recording.exit_kind, recording.exit_status) == (15, "exit", 3)
    assert recording.argv == ["python3", "worker.py"]


# --- the newest events of each signal ------------------------------------------------------


def test_what_was_pushed_out_of_the_history_by_another_signal_is_there(built):
    """At its time, once, and in order."""
    term = int(signal.SIGTERM)
    builder = RecordingBuilder()
    for ordinal in range(3):
        builder.recent(1, term, ordinal, event(term, MONOTONIC + ordinal, ordinal, pid=77))
    # In the history too; and one that never got into it, since its slot was held.
    builder.recent(1, term, 3, event(term, MONOTONIC + 95, 3, pid=77))
    builder.recent(1, term, 4, event(term, MONOTONIC + 97, 4, pid=77))
    for ticket in range(80, 100):
        builder.slot(ticket, event(USR1, MONOTONIC + ticket, ticket))
    builder.slot(95, event(term, MONOTONIC + 95, 3, pid=77))
    builder.recent(0, USR1, 99, event(USR1, MONOTONIC + 99, 99))
    builder.ledger(term, delivered=5, recorded=5, overwritten=3)
    builder.ledger(USR1, delivered=100, recorded=100, overwritten=85)
    recording = built(builder)
    assert [(info.si_signo, info.ordinal) for info in recording.events()] == [
        *((term, n) for n in range(3)), *((USR1, n) for n in range(84, 95)), (term, 3),
        (USR1, 96), (term, 4), (USR1, 97), (USR1, 98), (USR1, 99),
    ]  # fmt: skip
    assert [info.ordinal for info in recording.events(term)] == [0, 1, 2, 3, 4]
    assert recording.signals[term].last.ordinal == 4
    assert recording.signals[USR1].last.ordinal == 99


@pytest.mark.parametrize(
    ("ordinal", "payload", "sequence"),
    [
        (3, event(USR1, ordinal=3), 7),  # being written
        (3, event(USR1, ordinal=67), 8),  # of another lap than it says
        (3, event(USR1, ordinal=4), 10),  # not where it belongs
        (3, event(12, ordinal=3), 8),  # another signal's
    ],
)
def test_a_newest_event_that_is_not_whole_is_left_out(built, ordinal, payload, sequence):
    builder = RecordingBuilder().recent(0, USR1, ordinal, payload, sequence)
    recording = built(builder.ledger(USR1, delivered=9))
    assert list(recording.events()) == [] and recording.signals[USR1].last is None


@pytest.mark.parametrize("signum", [65, 1 << 31])
def test_a_block_of_no_signal_is_left_out(built, signum):
    builder = RecordingBuilder().recent(0, signum, 0, event(USR1))
    assert list(built(builder).events()) == []


def test_empty(tmp_path):
    path = tmp_path / "bad.sigrec"
    path.touch()
    refused(path, "empty")


@pytest.mark.parametrize("size", [1, 8, 24, PAGE - 1, PAGE, 2 * PAGE, RING_AT, RING_AT + PAGE - 1])
def test_truncated(tmp_path, size):
    path = RecordingBuilder().write(tmp_path / "bad.sigrec")
    os.truncate(path, size)
    refused(path, "cut short", str(size))


def test_truncated_while_open(built):
    """An error, and not a SIGBUS."""
    recording = built(RecordingBuilder())
    os.truncate(recording.path, PAGE)
    for read in (
        lambda: recording.signals,
        lambda: list(recording.events()),
        lambda: recording.argv,
        recording.ring,
    ):
        with pytest.raises(sigrec.RecordingError, match="cut short"):
            read()


@pytest.mark.parametrize(
    "content", [b"x", b"#!/bin/sh\n", b"\0" * 8192, b"\x89PNG\r\n\x1a\n" * 2000]
)
def test_foreign(tmp_path, content):
    path = tmp_path / "other"
    path.write_bytes(content)
    refused(path, "not a recording")


def test_a_fifo_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    refused(tmp_path / "fifo", "not a regular file")


def test_directory_and_device(tmp_path):
    refused(tmp_path, "not a regular file")
    refused("/dev/zero", "not a regular file")


def test_no_such_file(tmp_path):
    with pytest.raises(sigrec.NoRecordingError, match="no such file"):
        sigrec.open_recording(tmp_path / "absent")


def test_nul_in_a_path():
    with pytest.raises(ValueError, match="by a pid or a path"):
        sigrec.open_recording("a\0b")


def test_a_link_that_the_user_names_is_followed(tmp_path):
    RecordingBuilder().write(tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    with sigrec.open_recording(str(tmp_path / "link")) as recording:
        assert recording.pid == 4242


@pytest.mark.parametrize("argument", [True, None, 1.5, b"x", [1], 0, -1])
def test_bad_argument(argument):
    with pytest.raises(ValueError, match=repr(argument).replace("[", r"\[")):
        sigrec.open_recording(argument)


def test_every_byte_of_the_header_flipped(tmp_path):
    """No byte, whatever it holds, is worse than a RecordingError."""
    builder = RecordingBuilder().slot(0, event(USR1)).ledger(USR1, mode=1, delivered=1,
                                                            first=event(USR1))  # fmt: skip
    whole, path = bytes(builder.raw), builder.write(tmp_path / "flipped.sigrec")
    read = refused = 0
    with open(path, "r+b", buffering=0) as file:
        for at in (*range(320 + 16), *range(SECTIONS_AT, SECTIONS_AT + 6 * 32)):
            for value in (0xFF, whole[at] ^ 1):
                os.pwrite(file.fileno(), bytes([value]), at)
                try:
                    with sigrec.open_recording(path) as recording:
                        _ = recording.signals, recording.argv, recording.state, repr(recording)
                        sigrec.Stats([recording]).to_dict()
                    read += 1
                except sigrec.RecordingError:
                    refused += 1
            os.pwrite(file.fileno(), whole[at : at + 1], at)
    assert read > 100 and refused > 100


def test_every_byte_of_a_slot_and_an_entry(tmp_path):
    builder = RecordingBuilder().slot(0, event(USR1)).ledger(USR1, mode=1, delivered=1,
                                                            first=event(USR1))  # fmt: skip
    whole = bytes(builder.raw)
    for start, size in ((RING_AT, SLOT), (LEDGER_AT + USR1 * 256, 256)):
        for at in range(start, start + size):
            builder.raw[:] = whole
            builder.raw[at] = 0xFF
            recording = Recording(Source(builder.read))
            sigrec.Stats([recording]).to_dict()
            for info in recording.events():
                assert repr(info)
                assert str(info.sender)
                assert info.time


# --- finding by pid, and what became of the process -------------------------------------


def test_by_pid(run_directory):
    RecordingBuilder(pid=4242).write(run_directory / "4242.sigrec")
    with sigrec.open_recording(4242) as recording:
        assert recording.path == str(run_directory / "4242.sigrec")


def test_no_such_process():
    with pytest.raises(sigrec.NoRecordingError, match="there is no process 4194305"):
        sigrec.open_recording(4194305)  # above the kernel's limit: proc_sys_kernel(5)


def test_a_process_without_a_recording(run_directory):
    with unrecorded("sleep", "60") as process:
        words = f"no recording of process {process.pid} is"
        with pytest.raises(sigrec.NoRecordingError, match=words) as e:
            sigrec.open_recording(process.pid)
        process.kill()
    assert str(run_directory) in str(e.value)


def test_in_a_namespace_without_a_proc_of_its_own(run_directory, monkeypatch):
    """There /proc has another process under that PID, of which nothing is said."""
    monkeypatch.setattr("sigrec._proc.host.names_ours", lambda: False)
    for pid in (4194305, os.getppid()):
        with pytest.raises(
            sigrec.NoRecordingError, match=f"^no recording of process {pid} is found"
        ):
            sigrec.open_recording(pid)


def test_by_pid_a_link_is_not_followed(run_directory, tmp_path):
    real = RecordingBuilder().write(tmp_path / "real")
    (run_directory / "4242.sigrec").symlink_to(real)
    with pytest.raises(sigrec.RecordingError, match="cannot be opened"):
        sigrec.open_recording(4242)


def test_of_two_recordings_the_newer(run_directory, tmp_path, monkeypatch):
    other = tmp_path / "runtime" / "sigrec"
    other.mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    RecordingBuilder().write(run_directory / "4242.sigrec")
    RecordingBuilder().set(started_ns=REALTIME + 1).write(other / "4242.sigrec")
    with sigrec.open_recording(4242) as recording:
        assert recording.started_ns == REALTIME + 1


def here(builder, pid):
    return builder.set(pid=pid, boot_id=host.boot_id().encode(), pid_namespace=host.pid_namespace())


def test_exited(built):
    assert built(RecordingBuilder().set(state=1)).state == "exited"


def test_another_boot_may_be_another_machines(built):
    """Even while a process with the pid lives."""
    assert (
        built(here(RecordingBuilder(), os.getpid()).set(boot_id=BOOT.encode())).state == "unknown"
    )


def test_another_namespace_is_unknown(built):
    assert built(here(RecordingBuilder(), os.getpid()).set(pid_namespace=1)).state == "unknown"


def test_a_pid_in_use_again_is_ended(built):
    assert built(here(RecordingBuilder(), os.getpid()).set(start_ticks=1)).state == "ended"


def test_a_dead_pid_is_ended(built):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert built(here(RecordingBuilder(), process.pid)).state == "ended"


def test_exec_is_replaced(built):
    ticks = process.start_ticks(os.getpid())
    builder = here(RecordingBuilder(), os.getpid()).set(start_ticks=ticks)
    assert built(builder).state == "replaced"


@pytest.mark.parametrize(
    ("writable", "shared", "state"),
    [(True, True, "alive"), (True, False, "replaced"), (False, True, "replaced")],
)
def test_alive_is_who_maps_the_file_shared_and_writable(built, writable, shared, state):
    """A reader that maps it read-only, or privately, is not its owner."""
    import mmap

    ticks = process.start_ticks(os.getpid())
    recording = built(here(RecordingBuilder(), os.getpid()).set(start_ticks=ticks))
    protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    with (
        open(recording.path, "r+b") as file,
        mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED if shared else mmap.MAP_PRIVATE, protection),
    ):
        assert recording.state == state
    assert recording.state == "replaced"


def test_own_memory_is_alive():
    assert Recording(Source(RecordingBuilder().read)).state == "alive"


# --- senders ---------------------------------------------------------------------------


def test_senders_the_most_frequent_first(built):
    # Pids above the kernel's limit: nobody here has them.
    many, few = (1 << 30) + 1, (1 << 30) + 2
    builder = RecordingBuilder().ledger(USR1, mode=1, delivered=9, unattributed=2)
    builder.sender(0, USR1, few, uid=5).sender(60, USR1, many, 5).sender(9, USR1, 0)
    builder.ledger(14, delivered=3).sender(1, 14, kind="timer", code=-2)
    builder.sender(2, 14, kind="kernel", code=0x80)  # setitimer(2): a timer too
    builder.ledger(17, delivered=7).sender(3, 17, kind="child", code=1, count=7)
    builder.ledger(2, delivered=1).sender(4, 2, kind="kernel", code=0x80)
    builder.ledger(11, delivered=1).sender(5, 11, kind="kernel", code=1)
    signals = built(builder).signals
    assert [(s.kind, s.pid, s.uid, s.comm, n) for s, n in signals[USR1].senders] == [
        ("process", many, 0, None, 5),
        ("process", few, 5, None, 1),
        ("unknown", None, None, None, 1),
        ("others", None, None, None, 2),
    ]
    assert [(s.kind, n) for s, n in signals[14].senders] == [("timer", 2)]
    assert [(s.kind, s.pid, n) for s, n in signals[17].senders] == [("child", None, 7)]
    assert [(str(s), n) for s, n in signals[2].senders] == [("the terminal", 1)]
    assert [(str(s), n) for s, n in signals[11].senders] == [("the kernel", 1)]


def test_the_name_that_the_handler_read(built):
    """Also of another boot, and not for an event that is older: a pid is used again."""
    second = 10**9
    builder = RecordingBuilder().ledger(USR1, delivered=3)
    for ticket, at in enumerate((5 * second, 20 * second, 31 * second)):
        builder.slot(ticket, event(USR1, at, ordinal=ticket, pid=77, uid=3))
    builder.sender(9, USR1, 77, 3, uid=3, named_ns=40 * second, since_ns=30 * second,
                   name=b"sixteen-bytes-ab")  # fmt: skip
    recording = built(builder)
    assert [info.sender.comm for info in recording.events()] == [
        None, "sixteen-bytes-ab", "sixteen-bytes-ab"
    ]  # fmt: skip
    ((sender, count),) = recording.signals[USR1].senders
    assert (str(sender), count) == ("PID 77 (sixteen-bytes-ab, uid 3)", 3)


@pytest.mark.parametrize("field, value", [
    ("senders_entry", 63), ("senders_count", (1 << 16) + 1), ("senders_offset", 1 << 40),
    ("senders_offset", 4097), ("senders_offset", 0),
])  # fmt: skip
def test_a_table_of_senders_that_cannot_be(built, field, value):
    with pytest.raises(sigrec.RecordingError, match="is corrupt: .*senders"):
        built(RecordingBuilder().set(**{field: value}))


def test_how_it_left(built):
    recording = built(RecordingBuilder())
    assert (recording.fatal_signal, recording.exit_kind, recording.exit_status) == (
        None,
        None,
        None,
    )
    assert recording.fatal_ordinal is None
    assert (recording.exit_reason, recording.handling, recording.exit_time_ns) == (None, None, None)
    builder = RecordingBuilder().set(
        fatal_signal=15, fatal_ordinal=3, exit_kind=1, exit_status=7, handling=2,
        exit_ns=MONOTONIC + 5, exit_reason=b"KeyError",
    )  # fmt: skip
    recording = built(builder)
    assert (recording.fatal_signal, recording.fatal_ordinal) == (15, 3)
    assert (recording.exit_kind, recording.exit_status) == ("exit", 7)
    assert (recording.exit_reason, recording.handling) == ("KeyError", 2)
    assert recording.handling_time_ns is None  # an older sigrec wrote no time
    builder.raw[576:584] = struct.pack("=Q", MONOTONIC + 7)
    recording = built(builder)
    assert recording.handling_monotonic_ns == MONOTONIC + 7
    assert recording.handling_time_ns == REALTIME + 7
    assert built(builder.set(handling=0)).handling_monotonic_ns is None
    assert recording.exit_time_ns == REALTIME + 5
    hostile = built(RecordingBuilder().set(
        fatal_signal=99, exit_kind=99, exit_status=-7, handling=99, exit_reason=b"\x1b[31m" + 123 * b"x"
    ))  # fmt: skip
    assert (hostile.fatal_signal, hostile.fatal_ordinal, hostile.handling) == (None,) * 3
    assert (hostile.exit_kind, hostile.exit_status) == (None, None)


# --- light enough for every program ------------------------------------------------------


def test_the_reader_needs_no_core(tmp_path):
    """It works in any interpreter, on any recording."""
    path = RecordingBuilder().slot(0, event(USR1)).write(tmp_path / "a.sigrec")
    program = """
import sys
sys.modules["sigrec._core"] = None
import sigrec
with sigrec.open_recording(sys.argv[1]) as recording:
    print(recording.pid, len(list(recording.events())), len(recording.signals))
"""
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True)
    assert done.stdout == "4242 1 0\n", done.stderr


def test_import_brings_nothing_heavy():
    program = """
import sys
before = set(sys.modules)
import sigrec
heavy = {"dataclasses", "typing", "inspect", "datetime", "struct", "mmap", "enum", "signal"}
print(sorted((set(sys.modules) - before) & heavy))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
