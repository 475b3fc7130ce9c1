"""Reading recordings: whole, torn, foreign, corrupt, hostile; and what the command line makes of them."""

import json
import os
import random
import signal
import subprocess
import sys

import pytest

import sigrec
from tests.recording_builder import build, slot

COUNTERS = (5, 4, 1, 0, 3, 2, 4, 0, 7, 1, 0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.sigrec"


def test_what_it_says(path):
    events = [slot(2, 2000, 0, 10, 0, 77, 5), slot(4, 3000, 1, 36, -1, 78, 6, -9, tid=3)]
    build(path, slots=events, head=2, counters={10: COUNTERS}, first=events[0], last=slot(9, 1))
    with sigrec.open_recording(path) as recording:
        assert recording.argv == ["prog", "arg"]
        assert recording.state == "ended"  # another boot
        first, second = recording
        assert (first.si_signo, first.si_pid, first.si_uid, first.si_value) == (10, 77, 5, None)
        assert (second.si_value, second.si_int, second.tid) == (-9, -9, 3)
        assert second.signal_name == "SIGRTMIN+2"
        assert first.time_ns == 10**18 + 1000
        stats = recording.signals[10]
        assert (stats.delivered, stats.recorded, stats.dropped, stats.pending) == (5, 4, 1, 1)
        assert (stats.undetailed, stats.overruns, stats.mode) == (2, 7, "registered")
        assert stats.first == first
        assert stats.last is None  # being written
        assert sorted(recording.signals) == [10]


def test_only_whole_events_are_shown(path):
    slots = [
        slot(2 * 16 + 2, ordinal=16, signo=10),  # ticket 16, second lap
        slot(2 * 17 + 1, ordinal=17, signo=10),  # being written
        slot(6, ordinal=2, signo=10),  # ticket 2, first lap: ticket 18 never came
        slot(2 * 4 + 2, ordinal=4, signo=10),  # not its slot
        slot(2 * 4 + 2, ordinal=4, signo=0),  # no such signal
        slot(2 * 5 + 2, ordinal=5, signo=65),
        slot(2**63 + 5, ordinal=6, signo=10),
        slot(2 * 23 + 2, ordinal=23, signo=10),  # beyond head
    ]
    build(path, slots=slots, head=18)
    assert [event.ordinal for event in sigrec.open_recording(path)] == [2, 16]


def test_a_slot_that_changes_while_it_is_read_is_left_out(path):
    build(path, slots=[slot(2, ordinal=0, signo=10), slot(4, ordinal=1, signo=10)], head=2)
    recording = sigrec.open_recording(path)
    read, copies = recording._read, []

    def racing(offset, size):
        raw = read(offset, size)
        if size == 2 * 64:
            copies.append(1)
            if len(copies) == 2:  # a writer laps slot 0 after the payload was copied
                with open(path, "r+b") as file:
                    file.seek(offset)
                    file.write(slot(2 * 16 + 1, ordinal=16, signo=10)[:8])
        return raw

    recording._read = racing
    assert [event.ordinal for event in recording.events()] == [1]


def test_wall_clock_follows_the_anchors(path):
    slots = [slot(2 * n + 2, at, n, 10) for n, at in enumerate([500, 1500, 2500])]
    build(path, slots=slots, head=3, anchors=[(1000, 10**18), (2000, 10**18 + 10**9)])
    times = [event.time_ns for event in sigrec.open_recording(path)]
    assert times == [10**18 - 500, 10**18 + 500, 10**18 + 10**9 + 500]


BAD = {
    "magic": dict(magic=b"\x7fELF\2\1\1\0"),
    "byte order": dict(endian=0x04030201),
    "version": dict(version=9),
    "event size": dict(event_size=32),
    "header size": dict(header_size=0),
    "ledger count": dict(ledger_count=1 << 31),
    "ledger entry": dict(ledger_entry=1),
    "capacity zero": dict(capacity=0x10, ring_at=1 << 62),
    "ring not a power of two": dict(ring_at=8192, raw_capacity=1),
    "argv beyond": dict(argv_size=2**32 - 1),
    "argv inside header": dict(argv_at=0),
    "ledger beyond": dict(ledger_at=1 << 40),
    "ledger unaligned": dict(ledger_at=8193),
    "file size": dict(file_size=1 << 50),
    "longer than it is": dict(file_size=1 << 20),
    "pid": dict(pid=-5),
}


@pytest.mark.parametrize("what", BAD)
def test_corrupt_headers_are_clear_errors(path, what):
    options = dict(BAD[what])
    raw_capacity = options.pop("raw_capacity", None)
    build(path, **options)
    if raw_capacity:
        with open(path, "r+b") as file:
            file.seek(72)
            file.write((17).to_bytes(8, sys.byteorder))
    with pytest.raises(sigrec.RecordingError) as caught:
        sigrec.open_recording(path)
    assert str(path) in str(caught.value)


def test_truncated_at_every_kind_of_place(path, tmp_path):
    whole = build(path).read_bytes()
    for size in (0, 1, 7, 8, 100, 4095, 4096, 5000, len(whole) - 1):
        cut = tmp_path / "cut"
        cut.write_bytes(whole[:size])
        with pytest.raises(sigrec.RecordingError):
            sigrec.open_recording(cut)


def test_truncated_while_open(path):
    recording = sigrec.open_recording(build(path))
    os.truncate(path, 4096)
    for look in (lambda: recording.signals, lambda: list(recording.events()), lambda: recording.argv):
        with pytest.raises(sigrec.RecordingError, match="cut short"):
            look()


@pytest.mark.parametrize("seed", range(10))
def test_random_damage_never_escapes_as_anything_else(path, seed):
    """A hundred files a seed: a damaged recording is read, or refused with a RecordingError."""
    rng = random.Random(seed)
    events = [slot(2 * n + 2, 1000 + n, n, rng.randrange(70), rng.randrange(-9, 130)) for n in range(16)]
    whole = build(path, slots=events, head=16, counters={10: COUNTERS}, last=events[3]).read_bytes()
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(rng.randrange(1, 30)):
            damaged[rng.choice([rng.randrange(600), rng.randrange(len(whole))])] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            with sigrec.open_recording(path) as recording:
                for event in recording:
                    repr(event)
                    event.time
                json.dumps(sigrec.Stats([recording]).to_dict())
        except sigrec.RecordingError:
            pass


def test_things_that_are_not_files(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for thing in (fifo, tmp_path, "/dev/zero"):
        with pytest.raises(sigrec.RecordingError, match="not a regular file"):
            sigrec.open_recording(thing)
    with pytest.raises(sigrec.NoRecordingError, match="no such file"):
        sigrec.open_recording(tmp_path / "nothing")
    for bad in (None, True, 2.5, 0, -4):
        with pytest.raises(ValueError):
            sigrec.open_recording(bad)


def test_no_such_process():
    gone = subprocess.Popen([sys.executable, "-S", "-c", ""])
    gone.wait()
    with pytest.raises(sigrec.NoRecordingError, match=f"no process {gone.pid}"):
        sigrec.open_recording(gone.pid)
    with pytest.raises(sigrec.NoRecordingError, match="publishes no recording"):
        sigrec.open_recording(os.getppid())


# --- the command line ------------------------------------------------------------------


def run(*arguments, status=0, env=None):
    done = subprocess.run(
        [sys.executable, "-m", "sigrec", *map(str, arguments)],
        capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})},
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_cli_errors_are_one_line(tmp_path, path):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "foreign").write_bytes(b"#!/bin/sh\necho hello\n")
    build(tmp_path / "version", version=99)
    whole = build(path).read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-1])
    (tmp_path / "garbage").write_bytes(whole[:100] + os.urandom(len(whole) - 100))
    for name, words in {
        "missing": "no such file", "empty": "is empty", "foreign": "not a recording",
        "version": "format version 99", "cut": "cut short", "garbage": "",
    }.items():  # fmt: skip
        done = run("stats", tmp_path / name, status=1 if name != "garbage" else done_status(tmp_path / name))
        if done.returncode:
            assert done.stdout == ""
            (line,) = done.stderr.splitlines()
            assert line.startswith("sigrec: ") and words in line and name in line
    assert "no process" in run("stats", 4194303, status=1).stderr
    assert "publishes no recording" in run("stats", os.getppid(), status=1).stderr
    assert run(status=2).stderr.startswith("usage:")
    run("stats", "a", "b", status=2)
    run("fly", status=2)
    assert run("--version").stdout == f"sigrec {sigrec.__version__}\n"


def done_status(path):
    try:
        sigrec.open_recording(path).signals
        return 0
    except sigrec.RecordingError:
        return 1


def test_cli_never_prints_escapes(path):
    evil = [b"\x1b]0;owned\x07", b"\x9b31m", b"line\nbreak", b"\xff\xfe", "\u202eevil".encode()]
    build(path, argv=evil, counters={10: COUNTERS})
    for done in (run("stats", path), run("stats", path, "--json")):
        assert not any(c in done.stdout for c in "\x1b\x07\x9b\u202e") or "--json" in done.args
    text = run("stats", path).stdout
    assert "owned" in text and "\x1b" not in text and "\u202e" not in text
    document = json.loads(run("stats", path, "--json").stdout)
    assert document["processes"][0]["argv"][0] == "\x1b]0;owned\x07"


def test_cli_shows_all_of_this_user(child):
    children = []
    for _ in range(2):
        p = child("sigrec.register(RT, lambda s, f: None); say('ready'); hear()")
        assert p.line() == "ready"
        sigrec.sigqueue(p.pid, signal.SIGRTMIN + 2)
        children.append(p)
    document = json.loads(run("stats", "--json").stdout)
    # Other programs of this user may publish elsewhere; a reader looks everywhere.
    assert {process["pid"] for process in document["processes"]} >= {p.pid for p in children}
    text = run("stats").stdout
    for p in children:
        assert f"PID {p.pid}  alive" in text
    assert "SIGRTMIN+2" in text
    assert all(len(line) <= 80 for line in text.splitlines()), text


def test_cli_with_nothing_to_show(monkeypatch, capsys, tmp_path):
    from sigrec import _rundir
    from sigrec.cli import main

    monkeypatch.setattr(_rundir, "directories", lambda: [str(tmp_path)])
    assert main(["stats"]) == 0
    assert capsys.readouterr().out == "No process of this user publishes a recording.\n"
    assert main(["stats", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"version": 1, "processes": []}


def test_cli_when_the_reader_goes(child):
    p = child("sigrec.register(RT, lambda s, f: None); say('ready'); hear()")
    p.line()
    done = subprocess.run(
        f"{sys.executable} -m sigrec stats --json | true", shell=True, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr


def test_demo_counts_exactly():
    done = run("demo")
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(("SIGUSR1 ", "SIGRTMIN+2 "))]
    table = {(row[0], row[1]): row[2:5] for row in rows[:4]}
    sent, delivered, handled = table["SIGRTMIN+2", "sigrec"]
    assert sent == delivered == handled
    sent, delivered, handled = table["SIGUSR1", "sigrec"]
    assert delivered == handled
    assert table["SIGUSR1", "signal"][1] == "unknown"
    assert "merged into it by the kernel" in done.stdout
    assert "once for every signal that was delivered" in done.stdout
    assert done.stderr == ""  # the progress bar is for terminals
