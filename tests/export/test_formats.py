"""``sigrec export``: the text formats, of real signals in a real process."""

import csv
import io
import json
import os
import signal
import subprocess
import sys

import pytest

import sigrec
from sigrec._signals.siginfo import SIGINFO_FIELDS
from sigrec.cli import export, main
from tests.export.conftest import ARGV, COUNTS
from tests.reader.builder import MONOTONIC, REALTIME, RecordingBuilder, event

USR1 = int(signal.SIGUSR1)


def run(*args, status=0, **options):
    """What it writes on stdout, as bytes."""
    done = subprocess.run(
        [sys.executable, "-m", "sigrec", "export", *map(str, args)], capture_output=True, **options
    )
    assert done.returncode == status, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stderr.decode()


def events(pid):
    with sigrec.open_recording(pid) as recording:
        return list(recording)


# --- JSON Lines and CSV ----------------------------------------------------------------------


def test_jsonl_has_each_event_with_the_fields_of_signal_info(target):
    text = run(target.pid, "--format", "jsonl")
    assert text.isascii() and b"\x1b" not in text
    lines = [json.loads(line) for line in text.splitlines()]
    wanted = events(target.pid)
    assert len(lines) == len(wanted) == sum(COUNTS.values())
    for line, info in zip(lines, wanted, strict=True):
        assert line["signal"] == info.signal_name
        for field in (*SIGINFO_FIELDS, "ordinal", "tid", "time_ns", "monotonic_ns"):
            assert line[field] == getattr(info, field), field
        assert line["time"] == info.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        sender = {
            key: getattr(info.sender, key)
            for key in ("kind", "pid", "uid", "user", "vouched", "comm")
        }
        sender["argv"] = [  # no lone surrogates, which JSON readers refuse
            part.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            for part in info.sender.argv
        ]
        assert line["sender"] == sender
    assert len({line["tid"] for line in lines}) == 3
    assert lines[0]["sender"]["comm"].startswith("=1+1,<b>")


def test_jsonl_is_what_tail_prints(target):
    tail = subprocess.run(
        [sys.executable, "-m", "sigrec", "tail", "-n", "all", "--json", str(target.pid)],
        capture_output=True,
        check=True,
    )
    assert run(target.pid, "--format", "jsonl") == tail.stdout != b""


def test_csv_has_the_same_fields_flat_and_nothing_that_is_run(target):
    text = run(target.pid, "--format", "csv").decode()
    assert "\x1b" not in text
    rows = list(csv.DictReader(io.StringIO(text)))
    wanted = events(target.pid)
    assert len(rows) == len(wanted) == sum(COUNTS.values())
    for row, info in zip(rows, wanted, strict=True):
        assert None not in row  # no cell too many
        assert row["signal"] == info.signal_name
        for field in (*SIGINFO_FIELDS, "ordinal", "tid", "time_ns", "monotonic_ns"):
            value = getattr(info, field)
            assert row[field] == ("" if value is None else str(value)), field
        assert row["sender_pid"] == str(target.pid)
        # A spreadsheet takes a leading = for a formula, a terminal ESC for a command.
        assert row["sender_comm"].startswith("'=1+1,<b>\"\\x1b[1m")


# --- Trace Event Format ----------------------------------------------------------------------

# https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
REQUIRED = {
    "i": {"name": str, "cat": str, "ts": (int, float), "pid": int, "tid": int, "s": str},
    "C": {"name": str, "ts": (int, float), "pid": int, "args": dict},
    "M": {"name": str, "pid": int, "tid": int, "args": dict},
}
METADATA = {"process_name", "thread_name"}


def validate(trace):
    """Strict: only what we mean to write."""
    assert set(trace) == {"displayTimeUnit", "otherData", "traceEvents"}
    assert trace["displayTimeUnit"] in ("ms", "ns")
    for one in trace["traceEvents"]:
        required = REQUIRED[one["ph"]]
        assert set(required) | {"ph"} <= set(one) <= set(required) | {"ph", "args"}
        for key, kind in required.items():
            assert isinstance(one[key], kind) and not isinstance(one[key], bool), (key, one)
        assert one.get("ts", 0) >= 0
        if one["ph"] == "i":
            assert one["s"] in "gpt" and one["cat"]
        if one["ph"] == "C":
            assert one["args"] and all(type(value) is int for value in one["args"].values())
        if one["ph"] == "M":
            assert one["name"] in METADATA and list(one["args"]) == ["name"]
            assert one["args"]["name"].encode()  # no lone surrogates


def no_constants(text):
    raise AssertionError(f"not JSON: {text}")


def load(text):
    trace = json.loads(text, parse_constant=no_constants)
    validate(trace)
    return trace["traceEvents"]


def test_chrome_has_an_instant_for_each_event_and_a_track_for_each_signal(target):
    text = run(target.pid, "--format", "chrome")
    assert text.isascii() and b"\x1b" not in text
    trace = load(text)
    instants = [one for one in trace if one["ph"] == "i"]
    wanted = events(target.pid)
    assert len(instants) == len(wanted) == sum(COUNTS.values())
    for one, info in zip(instants, wanted, strict=True):
        assert (one["name"], one["pid"], one["tid"]) == (info.signal_name, target.pid, info.tid)
        assert abs(one["ts"] * 1000 - info.monotonic_ns) < 2  # it is a float
        assert one["args"]["ordinal"] == info.ordinal and one["args"]["si_pid"] == target.pid
    tracks = {}
    for one in trace:
        if one["ph"] == "C":
            tracks.setdefault(one["name"], []).append(one["args"]["delivered"])
    assert tracks == {f"{name} delivered": [*range(1, n + 1)] for name, n in COUNTS.items()}
    names = {one["tid"]: one["args"]["name"] for one in trace if one["name"] == "thread_name"}
    assert names.keys() == {info.tid for info in wanted} and names[target.pid] == "main thread"
    [process] = [one["args"]["name"] for one in trace if one["name"] == "process_name"]
    assert process.startswith(f"{sys.executable} -c ") and process.endswith(" (alive)")
    argv = json.loads(text)["otherData"]["argv"]
    assert argv[-len(ARGV) :] == [part.encode(errors="surrogateescape").decode(errors="replace")
                                  for part in ARGV]  # fmt: skip


def test_chrome_of_no_events(tmp_path):
    path = RecordingBuilder().write(tmp_path / "empty.sigrec")
    assert [one["ph"] for one in load(run(path, "--format", "chrome"))] == ["M"]


def test_a_counter_track_never_falls(tmp_path):
    builder = RecordingBuilder()
    for ticket, ordinal in enumerate((0, 2, 1, 3)):  # two threads, out of order
        builder.slot(ticket, event(USR1, MONOTONIC + 1000 * ticket, ordinal))
    path = builder.ledger(USR1, delivered=4, recorded=4).write(tmp_path / "a.sigrec")
    trace = load(run(path, "--format", "chrome"))
    assert [one["args"]["delivered"] for one in trace if one["ph"] == "C"] == [1, 3, 4]


# --- which events ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["jsonl", "csv", "chrome", "html"])
def test_filters(form, tmp_path):
    builder = RecordingBuilder()
    for ticket in range(10):
        signum = (USR1, int(signal.SIGTERM))[ticket % 2]
        builder.slot(
            ticket, event(signum, MONOTONIC + ticket * 10**9, ticket // 2, tid=70000 + ticket)
        )
    path = builder.write(tmp_path / "a.sigrec")
    since = "2026-01-02T03:04:09Z"  # the first is of 03:04:05.000006
    text = run(path, "--format", form, "--signal", "usr1", "--since", since).decode()
    shown = [tid for tid in range(70000, 70010) if str(tid) in text]
    assert shown == [70004, 70006, 70008]
    assert REALTIME + 4 * 10**9 >= 1767323049 * 10**9


# --- where it goes ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["jsonl", "csv", "chrome"])
def test_a_file_is_what_stdout_would_be(target, form, tmp_path):
    path = tmp_path / "out"
    assert run(target.pid, "--format", form, "-o", path) == b""
    assert path.read_bytes() == run(target.pid, "--format", form) != b""
    assert os.listdir(tmp_path) == ["out"]


def test_dash_is_stdout(target, tmp_path):
    text = run(target.pid, "--format", "csv", "-o", "-", cwd=tmp_path)
    assert text.startswith(b"signal,") and os.listdir(tmp_path) == []


def test_what_fails_leaves_the_old_file(target, tmp_path, monkeypatch, capsys):
    path = tmp_path / "out"
    path.write_text("old")

    def fails(source, out):
        out.write("half")
        assert len(os.listdir(tmp_path)) == 2  # the other one
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "writer", lambda form: fails)
    assert main(["export", str(target.pid), "--format", "csv", "-o", str(path)]) == 1
    assert (
        capsys.readouterr().err == f"sigrec: {path}: cannot be written: No space left on device\n"
    )
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["out"]


def test_a_link_stays_and_a_mode_stays(target, tmp_path):
    path = tmp_path / "out"
    path.write_text("old")
    path.chmod(0o640)
    (tmp_path / "link").symlink_to(path)
    run(target.pid, "--format", "csv", "-o", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert path.read_text().startswith("signal,") and path.stat().st_mode & 0o777 == 0o640


def test_a_device_is_written_to_and_not_replaced(target):
    assert run(target.pid, "--format", "csv", "-o", "/dev/stdout").startswith(b"signal,")


def test_a_recording_is_not_overwritten_by_its_export(tmp_path):
    path = RecordingBuilder().write(tmp_path / "a.sigrec")
    before = path.read_bytes()
    message = run(path, "--format", "csv", "-o", path, status=1)
    assert f"{path} is the recording itself" in message and path.read_bytes() == before


def test_errors_are_clear(tmp_path):
    assert "no such file" in run(tmp_path / "no.sigrec", "--format", "csv", status=1)
    path = RecordingBuilder().write(tmp_path / "a.sigrec")
    out = tmp_path / "no" / "out"
    message = run(path, "--format", "csv", "-o", out, status=1)
    assert message == f"sigrec: {out}: cannot be written: No such file or directory\n"
    assert "xml" in run(path, "--format", "xml", status=2)
    assert "--format" in run(path, status=2)
    assert "not a path: ''" in run(path, "--format", "csv", "-o", "", status=2)


def test_a_reader_that_leaves(target):
    pipe = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    pipe.wait()
    done = subprocess.run(
        [sys.executable, "-m", "sigrec", "export", str(target.pid), "--format", "jsonl"],
        stdout=pipe.stdin,
        stderr=subprocess.PIPE,
    )
    pipe.stdin.close()
    assert done.returncode == 1 and done.stderr == b""
