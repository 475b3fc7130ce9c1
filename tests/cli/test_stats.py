"""``sigrec stats``: what it prints, what it refuses, and how it exits."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading

import pytest

from sigrec._proc.process import stat_fields
from sigrec._reader import places
from sigrec.cli import main
from tests.conftest import RT, file_name, sigqueue, unrecorded, wait_until
from tests.reader.builder import MONOTONIC, REALTIME, RecordingBuilder, event

USR1 = int(signal.SIGUSR1)
HOSTILE = b"\x1b]0;owned\x07\x1b[2J\r\n\xc2\x9b31m\xe2\x80\xae\xff"
SENDER = (1 << 30) + 5


def cli(*args, **env):
    return subprocess.run(
        [sys.executable, "-m", "sigrec", *map(str, args)],
        capture_output=True,
        env={**os.environ, "TZ": "UTC", **env},
        timeout=60,
    )


def example():
    first = event(USR1, MONOTONIC, 0, pid=SENDER, uid=1)
    last = event(USR1, MONOTONIC + 10**9, 4, pid=SENDER, uid=1)
    builder = RecordingBuilder()
    for ticket in range(5):
        builder.slot(ticket, event(USR1, MONOTONIC + ticket, ticket, pid=SENDER, uid=1))
    builder.sender(3, USR1, SENDER, 5, uid=1)
    return builder.ledger(USR1, mode=1, delivered=5, recorded=5, queued=5, handled=4,
                          first=first, last=last)  # fmt: skip


@pytest.fixture
def only_here(run_directory, monkeypatch, tmp_path):
    """No recordings but this test's: the other places are left out of sight."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    return run_directory


def test_where_the_handlers_are_from(tmp_path):
    builder = example().site(1, b"/srv/app.py", 12).site(2, b"/srv/\x1b[31m.so")
    builder.disposition(1, 0, 1, 1).disposition(USR1, 0, 2, 3, 1)
    builder.disposition(USR1, 1, 2, 3, 2, MONOTONIC + 10**8)
    path = builder.write(tmp_path / "a.sigrec")
    shown = cli("stats", path).stdout.decode().splitlines()
    assert shown[-2:] == [
        "  SIGHUP: ignored since the start: nohup, or another that started it",
        "  SIGUSR1: handler set by app.py:12, replaced 0.1 s later by \\x1b[31m.so",
    ]
    (process,) = json.loads(cli("stats", path, "--json").stdout)["processes"]
    assert process["dispositions"][1:] == [
        {"signal": "SIGUSR1", "number": USR1, "ordinal": 0, "action": "handler", "how": "sigaction",
         "file": "/srv/app.py", "line": 12, "library": None, "flags": 0,
         "time": "2026-01-02T03:04:05.000006Z", "time_ns": REALTIME, "monotonic_ns": MONOTONIC},
        {"signal": "SIGUSR1", "number": USR1, "ordinal": 1, "action": "handler", "how": "sigaction",
         "file": None, "line": None, "library": "/srv/\x1b[31m.so", "flags": 0,
         "time": "2026-01-02T03:04:05.100006Z", "time_ns": REALTIME + 10**8,
         "monotonic_ns": MONOTONIC + 10**8},
    ]  # fmt: skip


def test_who_blocked_what(tmp_path):
    builder = example().site(1, b"/srv/app.py", 12)
    path = builder.mask(15, 0, site=1, mask=1 << 14).write(tmp_path / "a.sigrec")
    assert "  SIGTERM: blocked by app.py:12 since 2026-01-02 " in cli("stats", path).stdout.decode()
    (process,) = json.loads(cli("stats", path, "--json").stdout)["processes"]
    assert process["masks"] == [
        {"signal": "SIGTERM", "number": 15, "ordinal": 0, "how": "pthread_sigmask", "file": "/srv/app.py",
         "line": 12, "library": None, "time": "2026-01-02T03:04:05.000006Z", "time_ns": REALTIME,
         "monotonic_ns": MONOTONIC, "blocked": True, "main_thread": True, "tid": 4242, "mask": [15]},
    ]  # fmt: skip


# --- the JSON, pinned ----------------------------------------------------------------------


def test_json(tmp_path):
    path = example().write(tmp_path / "a.sigrec")
    done = cli("stats", path, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    found = json.loads(done.stdout)
    assert found["version"] == 1
    (process,) = found["processes"]
    (stats,) = process.pop("signals")
    assert process.pop("sentence") == cli("why", path).stdout.decode().rstrip("\n")
    assert process == {
        "pid": 4242,
        "state": "unknown",  # on another machine, perhaps
        "ended_by": None,
        "argv": ["python3", "worker.py"],
        "started": "2026-01-02T03:04:05.000006Z",
        "recording": str(path),
        "dispositions": [],
        "masks": [],
    }
    (sender,) = stats.pop("senders")
    assert {"pid": SENDER, "uid": 1, "comm": None, "count": 5}.items() <= sender.items()
    assert {
        "signal": "SIGUSR1", "number": USR1, "mode": "registered", "replaced": False,
        "delivered": 5, "recorded": 5, "dropped": 0, "overwritten": 0, "handled": 4,
        "pending": 1, "undetailed": 0, "overruns": 0,
        "first": "2026-01-02T03:04:05.000006Z", "last": "2026-01-02T03:04:06.000006Z",
    }.items() <= stats.items()  # fmt: skip


def test_what_ended_it(tmp_path):
    path = example().set(fatal_signal=36).write(tmp_path / "a.sigrec")
    assert (
        json.loads(cli("stats", path, "--json").stdout)["processes"][0]["ended_by"] == "SIGRTMIN+2"
    )
    assert "PID 4242  ended by SIGRTMIN+2\n" in cli("stats", path).stdout.decode()
    path = example().set(exit_kind=2, exit_status=3).write(tmp_path / "a.sigrec")
    assert "PID 4242  ended by _exit(2) with status 3\n" in cli("stats", path).stdout.decode()


def test_json_of_what_is_not_known_is_null(tmp_path):
    path = RecordingBuilder().ledger(USR1, mode=1).write(tmp_path / "a.sigrec")
    (stats,) = json.loads(cli("stats", path, "--json").stdout)["processes"][0]["signals"]
    assert stats["first"] is stats["last"] is None
    assert stats["senders"] == []


def test_json_of_a_hostile_name_is_valid(tmp_path):
    path = RecordingBuilder(argv=[HOSTILE]).write(tmp_path / "a.sigrec")
    done = cli("stats", path, "--json")
    assert done.returncode == 0
    done.stdout.decode("ascii")
    assert b"\x1b" not in done.stdout
    (text,) = json.loads(done.stdout)["processes"][0]["argv"]
    text.encode()  # no lone surrogate, which other JSON readers refuse
    assert text.startswith("\x1b]0;owned")


def test_json_of_a_live_process(child, only_here):
    p = child(
        """
        sigrec.register(RT, lambda s, f: None)
        for n in range(3):
            sigqueue(os.getpid(), RT, n)
        settle(RT)
        say("ready")
        hear()
        """
    )
    p.line()
    (process,) = json.loads(cli("stats", p.pid, "--json").stdout)["processes"]
    assert (process["pid"], process["state"]) == (p.pid, "alive")
    (stats,) = process["signals"]
    assert stats["number"] == RT
    assert (stats["delivered"], stats["handled"], stats["pending"]) == (3, 3, 0)
    (sender,) = stats["senders"]
    assert (sender["pid"], sender["count"]) == (p.pid, 3)
    assert sender["comm"] == open(f"/proc/{p.pid}/comm").read().strip()
    p.tell()
    p.end()


# --- for people --------------------------------------------------------------------------------


def test_text(tmp_path):
    done = cli("stats", example().write(tmp_path / "a.sigrec"))
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    for word in ("PID 4242", "python3 worker.py", "SIGUSR1", "2026-01-02 03:04:05", "03:04:06",
                 f"PID {SENDER}"):  # fmt: skip
        assert word in text
    assert re.search(r"SIGUSR1 +5 +4 +1 ", text)
    assert "\x1b" not in text  # not a terminal: no colour


def test_text_fits_80_columns(tmp_path):
    builder = RecordingBuilder(argv=[b"python3", b"x" * 4000])
    for n, signum in enumerate((USR1, int(signal.SIGCHLD), 36, 64)):
        payload = event(signum, pid=SENDER, uid=100000)
        builder.slot(n, payload).ledger(signum, mode=1, delivered=1_234_567, recorded=1_234_567,
                                        queued=1_234_567, handled=1_234_567, first=payload,
                                        last=payload)  # fmt: skip
    text = cli("stats", builder.write(tmp_path / "a.sigrec")).stdout.decode()
    assert max(map(len, text.splitlines())) <= 80
    assert "SIGRTMIN+30" in text


def test_replaced_is_said(tmp_path):
    builder = RecordingBuilder().ledger(USR1, mode=1, replaced=1, delivered=1)
    assert b"replaced" in cli("stats", builder.write(tmp_path / "a.sigrec")).stdout


def test_no_signals_yet(tmp_path):
    done = cli("stats", RecordingBuilder().write(tmp_path / "a.sigrec"))
    assert done.returncode == 0
    assert done.stdout.endswith(b"\n  no signals\n")  # it has ended


def harmless(raw):
    """Nothing that a terminal acts on, but the ends of lines."""
    text = raw.decode()
    return all(c == "\n" or c.isprintable() for c in text)


def test_hostile_name(tmp_path):
    path = RecordingBuilder(argv=[HOSTILE]).write(tmp_path / "a.sigrec")
    done = cli("stats", path)
    assert done.returncode == 0
    assert harmless(done.stdout)
    assert rb"\x1b]0;owned" in done.stdout


def test_hostile_file_name(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"\x1b[2J\xff.sigrec")
    done = cli("stats", os.fsdecode(path))
    assert done.returncode == 1
    assert harmless(done.stderr)


def on_a_terminal(*args, **env):
    """What the command writes to a terminal of 80 columns."""
    leader, follower = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TZ": "UTC", "TERM": "xterm-256color", "COLUMNS": "80"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "sigrec", *map(str, args)],
        stdout=follower,
        stderr=follower,
        env={**environment, **env},
    )
    os.close(follower)
    written = b""
    while True:
        try:
            some = os.read(leader, 65536)
        except OSError:  # EIO: the other side is closed
            break
        if not some:
            break
        written += some
    os.close(leader)
    assert process.wait() == 0, written
    return written.replace(b"\r\n", b"\n")


def test_terminal_without_colour(tmp_path):
    written = on_a_terminal("stats", example().write(tmp_path / "a.sigrec"), NO_COLOR="1")
    # NO_COLOR is about colour: bold may stay.
    assert not re.search(rb"\x1b\[[0-9;]*(3[0-7]|38|9[0-7]|4[0-7]|48)[0-9;]*m", written)
    assert b"SIGUSR1" in written


def test_terminal_and_a_hostile_name(tmp_path):
    path = RecordingBuilder(argv=[HOSTILE]).ledger(USR1, delivered=1).write(tmp_path / "a.sigrec")
    written = re.sub(rb"\x1b\[[0-9;]*m", b"", on_a_terminal("stats", path))
    assert harmless(written)


# --- all of a user's processes ---------------------------------------------------------------


def test_all(only_here):
    for pid in (1 << 30, (1 << 30) + 1):
        RecordingBuilder(pid=pid).write(only_here / file_name(pid))
    found = json.loads(cli("stats", "--json").stdout)
    assert {1 << 30, (1 << 30) + 1} <= {process["pid"] for process in found["processes"]}
    text = cli("stats").stdout.decode()
    assert f"PID {1 << 30}" in text and f"PID {(1 << 30) + 1}" in text


def test_all_that_live(child, only_here):
    children = []
    for _ in range(2):
        p = child("sigrec.register(RT, lambda s, f: None); say('ready'); hear()")
        assert p.line() == "ready"
        sigqueue(p.pid, RT)
        children.append(p)
    found = json.loads(cli("stats", "--json").stdout)
    assert {process["pid"] for process in found["processes"]} >= {p.pid for p in children}
    paragraphs = cli("stats").stdout.decode().split("\n\n")  # of others too: it looks everywhere
    for p in children:
        (text,) = [text for text in paragraphs if f"PID {p.pid}  alive" in text]
        assert "SIGRTMIN+2" in text
        assert all(len(line) <= 80 for line in text.splitlines()), text


def test_nothing_to_show(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(places, "directories", lambda: [str(tmp_path)])
    assert main(["stats"]) == 0
    assert capsys.readouterr().out == "No process of this user publishes a recording.\n"
    assert main(["stats", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"version": 1, "processes": []}


def test_one_bad_file_does_not_hide_the_others(only_here):
    RecordingBuilder(pid=1 << 30).write(only_here / f"{1 << 30}.sigrec")
    (only_here / "666.sigrec").write_bytes(b"\x1b[2Jjunk")
    done = cli("stats", "--json")
    assert any(p["pid"] == 1 << 30 for p in json.loads(done.stdout)["processes"])
    assert b"666.sigrec" in done.stderr
    assert harmless(done.stderr)


def test_an_empty_file_of_a_process_that_is_gone_is_no_failure(only_here, child):
    """Nobody could do anything about it, and each `stats` would say so for ever."""
    (only_here / f"{(1 << 30) + 7}.sigrec").touch()
    done = cli("stats")
    assert str((1 << 30) + 7).encode() not in done.stdout + done.stderr
    p = child("hear()")
    (only_here / file_name(p.pid)).touch()  # truncated, of one that lives: worth a word
    assert f"{p.pid}.sigrec: is empty" in cli("stats").stderr.decode()


# --- what cannot be done: one line, exit 1 -----------------------------------------------------


def fails(*args):
    done = cli("stats", *args)
    assert done.returncode == 1
    assert done.stdout == b""
    text = done.stderr.decode()
    assert text.startswith("sigrec: ")
    assert text.count("\n") == 1
    assert "Traceback" not in text
    return text


def broken(path, **fields):
    return RecordingBuilder().set(**fields).write(path)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_failures(tmp_path, flags):
    path = tmp_path / "x.sigrec"
    assert "no such file" in fails(path, *flags)
    path.touch()
    assert "empty" in fails(path, *flags)
    path.write_bytes(b"#!/bin/sh\n")
    assert "not a recording" in fails(path, *flags)
    assert "version 9" in fails(broken(path, version=9), *flags)
    assert "capacity 3" in fails(broken(path, ring_capacity=3), *flags)
    RecordingBuilder().write(path)
    os.truncate(path, 5000)
    assert "cut short" in fails(path, *flags)
    assert "no process 4194305" in fails("4194305", *flags)
    # (This process may have one by now.)
    with unrecorded("sleep", "60") as other:
        try:
            assert "no recording of process" in fails(other.pid, *flags)
        finally:
            other.kill()
        wait_until(lambda: stat_fields(other.pid)[0] == b"Z")
        assert (
            f"has ended, and no recording of it is found: `sigrec why --wait {other.pid}`"
            in fails(other.pid, *flags)
        )
    assert "not a regular file" in fails(tmp_path, *flags)
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    assert f"is a thread of process {os.getpid()}, and" in fails(thread.native_id, *flags)
    over.set()
    thread.join()
    os.mkfifo(tmp_path / "fifo")
    assert "not a regular file" in fails(tmp_path / "fifo", *flags)
    for number in ("0", str(1 << 31), "9" * 19):
        assert fails(number, *flags) == f"sigrec: not a PID: '{number}'\n"
    for number in ("-1", "9" * 20):
        assert fails(number, *flags) == f"sigrec: {number}: no such file, and not a PID\n"
    fails("9" * 5000, *flags)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_not_permitted(tmp_path):
    path = RecordingBuilder().write(tmp_path / "x.sigrec")
    path.chmod(0)
    assert "Permission denied" in fails(path)


@pytest.mark.parametrize("args", [[], ["nonsense"], ["stats", "--nonsense"], ["stats", "1", "2"]])
def test_usage_is_2(args):
    done = cli(*args)
    assert done.returncode == 2
    assert b"usage" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("args", [
    ["why", "a", "\x1b[31m"], ["why", "--j\nx"], ["run", "--x\x1b[31m", "true"], ["stats", "--\x9b"],
])  # fmt: skip
def test_what_is_repeated_of_a_wrong_argument_is_printable(args, capsys):
    with pytest.raises(SystemExit) as raised:
        main(args)
    *_, last = capsys.readouterr().err.splitlines()
    assert raised.value.code == 2 and last.startswith("sigrec") and "error: " in last
    assert last.isprintable()


@pytest.mark.parametrize("args", [["--help"], ["stats", "--help"], ["--version"]])
def test_help_and_version_are_0(args):
    done = cli(*args)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"sigrec" in done.stdout


def test_a_reader_of_the_output_that_leaves(tmp_path):
    path = example().write(tmp_path / "a.sigrec")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "sigrec", "stats", path, "--json"],
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    assert done.stderr == b""
    assert done.returncode == 1


def test_times_are_those_of_the_events(tmp_path):
    done = cli("stats", example().write(tmp_path / "a.sigrec"), TZ="Asia/Tokyo")
    assert b"12:04:06" in done.stdout
    assert REALTIME % 10**9 == 6000


def test_a_pid_that_is_the_senders_word_is_not_told_as_known(child, only_here):
    """Of raise() the kernel says who sent it; of sigqueue() the sender itself does, and may lie."""
    p = child(
        """
        import ctypes, struct
        sigrec.register(RT, lambda s, f: None)
        if not os.fork():
            siginfo = struct.pack("=iiiiiiQ", RT, 0, -1, 0, os.getppid(), 0, 0).ljust(128, b"\\0")
            while ctypes.CDLL(None).syscall(SYS_rt_sigqueueinfo, os.getppid(), RT, siginfo):  # in its parent's name
                pass  # no room
            os._exit(0)
        os.wait()
        with_room(signal.raise_signal, RT)
        settle(RT)
        say("ready")
        hear()
        """.replace("SYS_rt_sigqueueinfo", {"x86_64": "129"}.get(os.uname().machine, "138"))
    )
    p.line()
    name = open(f"/proc/{p.pid}/comm").read().strip()
    (process,) = json.loads(cli("stats", p.pid, "--json").stdout)["processes"]
    (stats,) = process["signals"]
    told = sorted((s["vouched"], s["pid"], s["count"]) for s in stats["senders"])
    assert told == [(False, p.pid, 1), (True, p.pid, 1)]
    known = f"PID {p.pid} ({name}, uid {os.getuid()})"
    told = cli("stats", p.pid).stdout.decode()
    assert f"claimed PID {p.pid} ({name}, uid 0) × 1" in told and f" {known} × 1" in told
    forged, real = cli("tail", "-n", "all", p.pid).stdout.decode().splitlines()[-2:]
    assert f"  claimed PID {p.pid} (" in forged and f"  {known}" in real, (forged, real)
    p.tell()
    p.end()
