"""``sigrec tail``: what it shows of real signals, how it follows, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

import sigrec
from sigrec._reader import places
from sigrec._reader.follow import Position, new_events
from sigrec._reader.history import History
from sigrec.cli import main
from tests.conftest import PRELUDE, RT, sigqueue, wait_until
from tests.reader.builder import MONOTONIC, RecordingBuilder, event

USR1, TERM = int(signal.SIGUSR1), int(signal.SIGTERM)
TARGET = """
for signum in (RT, signal.SIGUSR1, signal.SIGTERM, signal.SIGCHLD):
    sigrec.register(signum, lambda s, f: None)
say("ready")
while (line := hear()):
    exec(line)
    say("done")
"""


def send(pid, signum, *values):
    for value in values:
        sigqueue(pid, signum, value)


def taken(pid, signum, count):
    with sigrec.open_recording(pid) as recording:
        wait_until(lambda: recording.signals[signum].recorded >= count)


def run(command, *args, status=0):
    return command("tail", *args).end(status)


# --- what it shows ---------------------------------------------------------------------------


def test_the_newest_in_words(child, command):
    p = child(TARGET)
    p.line()
    for code in (
        "subprocess = __import__('subprocess')",
        "subprocess.run(['sh', '-c', 'exit 3'])",
        "s = subprocess.Popen(['sleep', '600']); s.kill(); s.wait()",
        "t = threading.Thread(target=lambda: (say(threading.get_native_id()),"
        " signal.pthread_kill(threading.get_ident(), signal.SIGUSR1))); t.start(); t.join()",
    ):
        p.tell(code)
        line = p.line()
        if line != "done":
            tid = line
            assert p.line() == "done"
    send(p.pid, RT, -7)
    taken(p.pid, RT, 1)
    out, err = run(command, p.pid)
    assert err == ""
    exited, killed, thread, queued = out.splitlines()
    me = re.escape(
        f"PID {os.getpid()} ({open('/proc/self/comm').read().strip()}, uid {os.getuid()})"
    )
    time = r"\d\d:\d\d:\d\d\.\d{6}  "
    assert re.fullmatch(rf"{time}SIGCHLD +#0 +child PID \d+ .*  exit status 3", exited)
    assert re.fullmatch(rf"{time}SIGCHLD +#1 +child PID \d+ .*  killed by SIGKILL", killed)
    # A standard signal that finds this user's queue full is not refused: it loses its sender.
    sender = rf"(PID {p.pid} .*|an unknown sender)"
    assert re.fullmatch(rf"{time}SIGUSR1 +#0 +{sender}  thread {tid}", thread)
    assert re.fullmatch(rf"{time}SIGRTMIN\+2 +#0 +claimed {me}  value -7", queued)
    assert max(map(len, out.replace("claimed ", "").splitlines())) <= 80


def test_how_many(child, command):
    p = child(TARGET)
    p.line()
    send(p.pid, RT, *range(25))
    send(p.pid, USR1, 0)
    taken(p.pid, RT, 25)
    taken(p.pid, USR1, 1)

    def values(*args):
        return [int(value) for value in re.findall(r"value (\d+)", run(command, p.pid, *args)[0])]

    rt = ["--signal", "RTMIN+2"]
    assert values(*rt) == list(range(15, 25))  # as tail(1)
    assert values(*rt, "-n", 3) == [22, 23, 24]
    assert values(*rt, "-n", 0) == []
    assert values(*rt, "-n", "all") == list(range(25))
    assert values(*rt, "--since", "1h") == list(range(25))
    assert values(*rt, "--since", "1h", "-n", 2) == [23, 24]
    assert values(*rt, "--since", "2099-01-01T00:00:00Z") == []
    assert len(run(command, p.pid, "-n", "all")[0].splitlines()) == 26


def test_all_says_what_is_not_kept_any_more(tmp_path, capsys):
    builder = RecordingBuilder(capacity=16)
    for n in range(20):
        builder.slot(n, event(10, MONOTONIC + n, ordinal=n))
    builder.ledger(10, 3, delivered=23, recorded=20, overwritten=4, dropped=3)
    path = str(builder.write(tmp_path / "a.sigrec"))
    assert main(["tail", "-n", "all", path]) == 0
    first, second, *rest = capsys.readouterr().out.splitlines()
    assert first == "… 4 events were overwritten before they could be read: SIGUSR1 × 4"
    assert second == "… 3 events were dropped (counted, but not recorded): SIGUSR1 × 3"
    assert len(rest) == 16
    assert main(["tail", "-n", "16", path]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 16
    assert main(["tail", "-n", "all", "--json", path]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["missed"] == {
        "SIGUSR1": {"overwritten": 4, "dropped": 3}
    }


def test_what_no_recording_can_have(child, capsys):
    for name in ("KILL", "stop"):
        with pytest.raises(SystemExit) as ended:
            main(["tail", "--signal", name, "1"])
        assert ended.value.code == 2
        assert "is not delivered to any process" in capsys.readouterr().err
    p = child("sigrec.register(signal.SIGUSR1, print); say('ready'); hear()")
    p.line()
    assert main(["tail", "--signal", "USR1", "--signal", "CHLD", str(p.pid)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"SIGCHLD is not recorded in PID {p.pid}" in captured.err


def test_json(child, command):
    p = child(TARGET)
    p.line()
    send(p.pid, RT, 1, 2)
    taken(p.pid, RT, 2)
    out, _ = run(command, p.pid, "--json")
    first, second = map(json.loads, out.splitlines())
    assert (first["version"], first["signal"], first["ordinal"]) == (1, "SIGRTMIN+2", 0)
    assert (second["si_value"], second["si_pid"], second["si_addr"]) == (2, os.getpid(), None)
    assert (second["sender"]["kind"], second["sender"]["pid"]) == ("process", os.getpid())
    assert first["time"].endswith("Z") and first["time_ns"] <= second["time_ns"]
    assert first["tid"] == p.pid


def test_another_day_has_its_date(tmp_path, command):
    path = RecordingBuilder().slot(0, event(USR1, MONOTONIC, 0, pid=1 << 30)).write(tmp_path / "a")
    out, _ = run(command, path)
    assert out.startswith("2026-01-02 03:04:05.000006  SIGUSR1 ")


def test_a_hostile_name(child, command):
    p = child(TARGET)
    p.line()
    name = "a\x1b]0;x\x07\n"
    sender = child(
        """
        open("/proc/self/comm", "w").write(sys.argv[2])
        sigqueue(int(sys.argv[1]), RT, 0)
        hear()
        """,
        p.pid,
        name,
    )
    taken(p.pid, RT, 1)
    (line,) = run(command, p.pid)[0].splitlines()
    assert r"\x1b]0;x\x07" in line
    assert line.isprintable()
    sender.tell()
    sender.end()


# --- following -------------------------------------------------------------------------------


def test_follow_until_a_clean_exit(child, command):
    p = child(TARGET)
    p.line()
    send(p.pid, RT, 0)
    taken(p.pid, RT, 1)
    tail = command("tail", "-f", p.pid)
    assert "value 0" in tail.line()
    for n in range(1, 4):
        send(p.pid, RT, n)
        assert f"value {n}" in tail.line()  # at once, also to a pipe
    p.tell("")
    p.end()
    assert tail.line() == f"PID {p.pid} exited cleanly"
    assert tail.end() == ("", "")


def test_follow_until_it_is_killed(child, command):
    p = child(TARGET)
    p.line()
    tail = command("tail", "-f", "--json", p.pid)
    send(p.pid, RT, 5)
    assert json.loads(tail.line())["si_value"] == 5
    p.process.kill()
    p.process.wait()
    end = {"pid": p.pid, "state": "ended", "signal": "SIGKILL", "status": None}
    last = json.loads(tail.line())
    assert "was killed by SIGKILL" in last["end"].pop("sentence")
    assert last == {"version": 1, "end": end}
    assert tail.end() == ("", "")


def test_follow_until_exec(child, command):
    p = child(TARGET)
    p.line()
    tail = command("tail", "-f", p.pid)
    p.tell("os.execvp('sleep', ['sleep', '600'])")
    assert tail.line().startswith(f"PID {p.pid} replaced by another program (exec)")
    tail.end()


def test_follow_one_that_is_dead(child, command):
    p = child(TARGET)
    p.line()
    send(p.pid, RT, 9)
    taken(p.pid, RT, 1)
    p.process.kill()
    p.process.wait()
    out, _ = run(command, "-f", p.pid)
    event_line, end = out.splitlines()
    assert event_line.endswith("value 9")
    assert end.startswith(f"PID {p.pid} ended")


def test_from_now_on(child, command):
    p = child(TARGET)
    p.line()
    send(p.pid, RT, *range(5))
    taken(p.pid, RT, 5)
    tail = command("tail", "-f", "-n0", "--signal", "SIGUSR1", p.pid)
    # From outside only its output shows whether it has begun.
    count = 0

    def shows():
        nonlocal count
        send(p.pid, RT, 100)
        send(p.pid, USR1, count)
        count += 1
        return tail_shows(tail)

    wait_until(shows)
    line = tail.line()
    assert "SIGUSR1" in line
    p.process.kill()
    rest, _ = tail.end()
    assert "SIGRTMIN+2" not in rest


def tail_shows(tail):
    import select

    return select.select([tail.process.stdout], [], [], 0)[0]


def test_every_event_is_shown_or_counted(child, command):
    """The history is small, and four threads and a flood write to it."""
    p = child(
        """
        sigrec.configure(history=64)
        sigrec.register(RT, lambda s, f: None)
        sigrec.register(RT + 1, lambda s, f: None)
        for _ in range(3):
            threading.Thread(target=hear_nothing, daemon=True).start()
        say("ready")
        hear()
        """,
        prelude=PRELUDE_THREADS,
    )
    p.line()
    send(p.pid, RT, *range(7))
    taken(p.pid, RT, 7)
    tail = command("tail", "-f", "--json", "-n", "all", p.pid)
    # Each thread writes what it takes, so that they may stand in another order.
    assert {json.loads(tail.line())["si_value"] for _ in range(7)} == set(range(7))
    p.flood(RT, 20_000)
    taken(p.pid, RT, 20_007)  # or the rest of the flood overwrites the next one
    send(p.pid, RT + 1, 1)
    taken(p.pid, RT + 1, 1)
    p.tell()
    p.end()
    out, _ = tail.end()
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines.pop()["end"]["state"] == "exited"
    shown = [line["ordinal"] for line in lines if line.get("si_signo") == RT]
    missed = [line["missed"] for line in lines if "missed" in line]
    assert len(set(shown)) == len(shown)
    lost = sum(n for one in missed for n in one.get("SIGRTMIN+2", {}).values())
    assert lost > 0
    assert len(shown) + lost == 20_000
    assert [line["si_value"] for line in lines if line.get("si_signo") == RT + 1] == [1]


PRELUDE_THREADS = PRELUDE + "def hear_nothing(): threading.Event().wait()\n"


def test_what_was_missed_is_said_before_what_came_after(child, command):
    p = child(
        """
        sigrec.configure(history=64)
        sigrec.register(RT, lambda s, f: None)
        say("ready")
        hear()
        """
    )
    p.line()
    send(p.pid, RT, 0)
    taken(p.pid, RT, 1)
    tail = command("tail", "-f", p.pid)
    assert "#0 " in tail.line()
    os.kill(tail.pid, signal.SIGSTOP)
    wait_until(lambda: open(f"/proc/{tail.pid}/stat").read().rsplit(")", 1)[1].split()[0] == "T")
    p.flood(RT, 2000)
    taken(p.pid, RT, 2001)
    os.kill(tail.pid, signal.SIGCONT)
    assert tail.line() == (
        "… 1,936 events were overwritten before they could be read: SIGRTMIN+2 × 1,936"
    )
    for n in range(1937, 2001):
        assert f"#{n} " in tail.line()
    tail.process.send_signal(signal.SIGINT)
    assert tail.end(130) == ("", "")


def test_it_sleeps_while_nothing_comes(child, command):
    p = child(TARGET)
    p.line()
    send(p.pid, RT, 0)
    taken(p.pid, RT, 1)
    tail = command("tail", "-f", p.pid)
    tail.line()

    def switches():
        status = open(f"/proc/{tail.pid}/status").read()
        return int(re.search(r"^voluntary_ctxt_switches:\t(\d+)", status, re.M)[1])

    def ticks():
        fields = open(f"/proc/{tail.pid}/stat").read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    before, slept = ticks(), switches()
    wait_until(lambda: switches() >= slept + 8)  # each of them a sleep
    assert ticks() - before < 8 * 5 / 2  # of 50 ms, in hundredths: less than half of the time


# --- how it ends ---------------------------------------------------------------------------------


def test_ctrl_c_is_quiet(child, command):
    p = child(TARGET)
    p.line()
    send(p.pid, RT, 0)
    taken(p.pid, RT, 1)
    tail = command("tail", "-f", p.pid)
    tail.line()
    tail.process.send_signal(signal.SIGINT)
    assert tail.end(130) == ("", "")  # as journalctl -f


def test_a_reader_that_leaves(child):
    """It is noticed at once, and not when the next event comes."""
    p = child(TARGET)
    p.line()
    send(p.pid, RT, 0)
    taken(p.pid, RT, 1)
    tail = subprocess.Popen(
        [sys.executable, "-m", "sigrec", "tail", "-f", str(p.pid)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        tail.stdout.readline()
        tail.stdout.close()
        assert tail.wait(timeout=60) == 1
        assert tail.stderr.read() == b""
    finally:
        tail.kill()
        tail.wait()
        tail.stderr.close()


def test_without_a_pid(child, run_directory, monkeypatch, capsys):
    # Only this process is looked at: others of this user may publish elsewhere meanwhile.
    monkeypatch.setattr(places, "directories", lambda: [str(run_directory)])
    assert main(["tail"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert f"no processes of this user record now in {run_directory} (SIGREC_DIR);" in err
    p = child(TARGET)
    p.line()
    send(p.pid, RT, 3)
    taken(p.pid, RT, 1)
    assert main(["tail"]) == 0
    assert "value 3" in capsys.readouterr().out
    second = child(TARGET, "\x1b[2J")
    second.line()
    assert main(["tail", "-f"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "2 processes" in err
    assert re.search(rf"^ +{p.pid}  ", err, re.M) and re.search(rf"^ +{second.pid}  ", err, re.M)
    assert all(c == "\n" or c.isprintable() for c in err)


@pytest.mark.parametrize("n", ["-1", "x", "1.5", "²"])
def test_bad_numbers(command, n):
    out, err = run(command, f"-n={n}", status=2)
    assert n in err


@pytest.mark.parametrize("span", ["9" * 300 + "d", "9" * 400 + "ms"])
def test_a_span_that_no_number_holds(span, capsys):
    with pytest.raises(SystemExit) as raised:
        main(["tail", "--since", span, "1"])
    assert raised.value.code == 2 and "not a time: '999" in capsys.readouterr().err


def test_failures(command, tmp_path):
    for what in (tmp_path / "none", 4194305):
        out, err = run(command, what, status=1)
        assert err.startswith("sigrec: ") and err.count("\n") == 1


# --- what came since, by ordinals ----------------------------------------------------------


def test_an_event_of_a_slower_thread_is_shown_later(tmp_path):
    path = tmp_path / "a.sigrec"
    builder = RecordingBuilder(pid=1 << 30)

    def state(*ordinals, delivered, dropped=0):
        """The file as it stands when these are written."""
        for ordinal in ordinals:
            builder.slot(ordinal, event(USR1, MONOTONIC + ordinal, ordinal))
        builder.set(head=delivered)
        builder.ledger(USR1, delivered=delivered, recorded=delivered - dropped, dropped=dropped)
        builder.write(path)

    def new(**options):
        missed, events = new_events(recording, position, **options)
        return missed, [info.ordinal for info in events]

    state(0, delivered=1)
    with sigrec.open_recording(path) as recording:
        position = Position(None)
        position.begin(recording)
        assert new() == ({}, [0])
        state(1, 3, 5, delivered=6)
        assert new() == ({}, [1, 3, 5])  # 2 and 4 may be on their way
        state(2, delivered=6, dropped=1)
        assert new() == ({USR1: (0, 1)}, [2])  # so one was; and the other never came
        assert new() == ({}, [])
        state(delivered=7, dropped=1)
        assert new(last=True) == ({USR1: (1, 0)}, [])


# --- from the end ---------------------------------------------------------------------------


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A long history, and how many slots of it were read."""
    builder = RecordingBuilder(capacity=1 << 16, pid=1 << 30)
    for ordinal in range(1 << 16):
        signum = TERM if ordinal == 5 else USR1
        builder.slot(ordinal, event(signum, MONOTONIC + ordinal, ordinal))
    builder.set(head=1 << 16).ledger(USR1, delivered=1 << 16, recorded=1 << 16)
    builder.ledger(TERM, delivered=6, recorded=1)
    read = []
    piece = History._piece

    def counted(self, ticket, count):
        read.append(count)
        return piece(self, ticket, count)

    monkeypatch.setattr(History, "_piece", counted)
    return builder.write(tmp_path / "large.sigrec"), read


def test_the_newest_are_read_from_the_end(large, capsys):
    path, read = large
    assert main(["tail", "-n", "10", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("#")[1].split()[0] for line in lines] == [
        str((1 << 16) - n) for n in range(10, 0, -1)
    ]
    assert sum(read) <= 2048


def test_a_rare_one_is_found_all_the_same(large, capsys):
    path, read = large
    assert main(["tail", "-n", "1", "--signal", "TERM", str(path)]) == 0
    assert "SIGTERM" in capsys.readouterr().out
    assert sum(read) < 3 << 16


def test_the_newest_are_the_last_of_all(large):
    path, _ = large
    with sigrec.open_recording(path) as recording:
        every = list(recording.events())
        for count in (0, 1, 1000, 5000, sys.maxsize):
            assert recording._newest_events(count) == every[max(0, len(every) - count) :]


def test_following_begins_at_the_end(large):
    path, read = large
    with sigrec.open_recording(path) as recording:
        position = Position(None)
        position.begin(recording)
        for _ in range(3):
            new_events(recording, position, newest=10)
    assert sum(read) <= 4096
