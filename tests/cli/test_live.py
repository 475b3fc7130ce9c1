"""``sigrec stats --live`` on real terminals, and the table of plain ``sigrec stats``."""

import os
import re
import shlex
import signal
import subprocess
import sys
import termios

import pytest

import sigrec
from tests.cli.terminal import Terminal
from tests.conftest import RT, sigqueue, wait_until
from tests.reader.builder import MONOTONIC, REALTIME, RecordingBuilder, event

USR1 = int(signal.SIGUSR1)
ENTER, LEAVE = b"\x1b[?1049h\x1b[?25l\x1b[?7l", b"\x1b[?7h\x1b[?25h\x1b[?1049l"
FAST = ("-n", "0.1")
TARGET = """
sigrec.register(RT, lambda s, f: None)
sigrec.register(signal.SIGUSR1, lambda s, f: None)
say("ready")
hear()
"""


@pytest.fixture
def terminal():
    opened = []

    def start(*args, **options):
        opened.append(Terminal(*args, **options))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def target(child, *args):
    p = child(TARGET, *args)
    p.line()
    return p


def row(text, signal_name):
    """The numbers of a signal's row: delivered, a second, handled, pending."""
    found = re.search(rf"^  {re.escape(signal_name)} +(.*)$", text, re.M)
    return [word for word in found[1].split() if not re.search("[█▏▎▍▌▋▊▉]", word)] if found else []


# --- what it shows ---------------------------------------------------------------------------


def test_counts_and_rates(child, terminal):
    p = target(child)
    t = terminal("stats", "--live", *FAST, p.pid)
    t.until(lambda text: row(text, "SIGRTMIN+2")[:1] == ["0"])
    for n in range(1234):
        sigqueue(p.pid, RT, n)
    t.until(lambda text: row(text, "SIGRTMIN+2")[::2] == ["1,234", "1,234"])

    def flowing(text):
        sigqueue(p.pid, RT, 0)
        rates = row(text, "SIGRTMIN+2")
        return rates[1] not in ("0", "-") and "█" * 20 in text

    t.until(flowing)
    t.until(lambda text: row(text, "SIGRTMIN+2")[1] == "0")  # and it ebbs away
    assert "█" not in t.text()
    assert f"PID {p.pid}" in t.text()


def test_a_rate_is_of_a_second(child, terminal):
    p = target(child)
    t = terminal("stats", "--live", "-n", "0.25", p.pid)
    t.until(lambda text: row(text, "SIGRTMIN+2")[1:2] == ["0"])  # a second look: there is a rate
    p.flood(RT, 1000)
    t.until(lambda text: row(text, "SIGRTMIN+2")[0] == "1,000")
    rates = set()

    def ebbed(text):
        rates.add(float(row(text, "SIGRTMIN+2")[1].replace(",", "")))
        return 0.0 in rates and len(rates) > 1

    t.until(ebbed)
    # In one look or in two, each of a quarter of a second at least.
    assert 0 < sum(rates) <= 4000


def test_processes_come_and_go(child, terminal):
    t = terminal("stats", "--live", *FAST, lines=200)
    t.until(lambda text: "every 0.1 s" in text)
    stays = target(child)
    ends = target(child)
    killed = target(child)
    pids = [p.pid for p in (stays, ends, killed)]
    t.until(lambda text: all(f"PID {pid}" in text for pid in pids))
    ends.tell()
    ends.end()
    killed.process.kill()
    killed.process.wait()
    t.until(lambda text: f"PID {ends.pid}" not in text)  # a clean exit removes its recording
    t.until(
        lambda text: re.search(rf"PID {killed.pid}  .*\n  killed by SIGKILL, as was seen", text)
    )
    assert f"PID {stays.pid}" in t.text()


def test_one_process_that_ends(child, terminal):
    p = target(child)
    t = terminal("stats", "--live", *FAST, p.pid)
    t.until(lambda text: f"PID {p.pid}" in text)
    sigqueue(p.pid, RT, 0)
    p.tell()
    p.end()
    t.until(lambda text: "exited cleanly" in text and row(text, "SIGRTMIN+2")[0] == "1")
    t.type(b"q")
    t.end()


def test_sizes(child, terminal):
    p = target(child, "x" * 300)
    t = terminal("stats", "--live", "-n", "3600", p.pid)
    t.until(lambda text: row(text, "SIGRTMIN+2"))
    assert len(row(t.text(), "SIGRTMIN+2")) == 4  # all of it fits into 80 columns
    title, empty, names, argv, usr1, rt, *rest = t.rows()
    assert names.endswith("pending") and len(names) <= 80
    assert usr1.startswith("  SIGUSR1") and rt.startswith("  SIGRTMIN+2")
    assert not any(rest)  # no line was too long
    t.resize(132, 40)  # drawn anew at once, and not in a minute
    t.until(lambda text: "mostly from" in text)
    t.resize(40, 5)
    t.until(lambda text: "… 2 more lines" in text)
    assert t.rows()[0].startswith("sigrec stats")
    t.resize(7, 2)
    t.until(lambda text: "… 5 mo" in text and "sigrec" in text)
    t.type(b"q")
    t.end()


def test_a_hostile_name(tmp_path, terminal):
    """Stays text, and one line: of wide characters fewer fit than there are columns."""
    builder = RecordingBuilder(argv=[b"\x1b[2J\r\n", ("\u4e2d\u6587" * 60).encode()])
    t = terminal("stats", "--live", builder.ledger(USR1, mode=1).write(tmp_path / "a.sigrec"))
    t.until(lambda text: row(text, "SIGUSR1"))
    title, empty, names, argv, ended, usr1, *rest = t.rows()
    assert rb"\x1b[2J\r\n" in t.raw and b"\x1b[2J" not in t.raw
    assert "\u4e2d" in argv and "cannot be told" in ended and usr1.startswith("  SIGUSR1")
    assert not any(rest)


def test_without_colour(child, terminal):
    p = target(child)
    coloured = terminal("stats", "--live", p.pid)
    plain = terminal("stats", "--live", p.pid, env={"NO_COLOR": "1"})
    for t in (coloured, plain):
        t.until(lambda text: row(text, "SIGUSR1"))
    assert re.search(rb"\x1b\[[\d;]*m", coloured.raw)
    assert not re.search(rb"\x1b\[[\d;]*m", plain.raw)


def test_without_utf_8(child, terminal):
    p = target(child, "é")
    t = terminal(
        "stats", "--live", *FAST, p.pid, env={"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    )

    def flowing(text):
        sigqueue(p.pid, RT, 0)
        return "#" * 20 in text

    t.until(flowing)
    t.raw.decode("ascii")


# --- how it ends: the terminal is left as it was ---------------------------------------------


def left_as_it_was(t):
    assert t.raw.startswith(ENTER)
    assert t.raw.endswith(LEAVE)
    assert t.raw.count(b"\x1b[?25l") == t.raw.count(b"\x1b[?25h") == 1
    assert not t.screen.cursor.hidden
    assert termios.tcgetattr(t.leader) == t.modes


@pytest.mark.parametrize(
    ("keys", "status"), [(b"q", 0), (b"Q", 0), (b"\x03", 0), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_the_end(child, terminal, keys, status):
    p = target(child)
    t = terminal("stats", "--live", "-n", "3600", p.pid)
    t.until(lambda text: row(text, "SIGUSR1"))
    assert termios.tcgetattr(t.leader) != t.modes  # no echo
    assert t.screen.cursor.hidden
    if isinstance(keys, bytes):
        t.type(keys)
    else:
        t.process.send_signal(keys)
    t.end(status)
    left_as_it_was(t)


def test_other_keys_do_nothing(child, terminal):
    p = target(child)
    t = terminal("stats", "--live", *FAST, p.pid)
    t.until(lambda text: row(text, "SIGUSR1"))
    t.type(b"x\x1b[A")
    sigqueue(p.pid, RT, 0)
    t.until(lambda text: row(text, "SIGRTMIN+2")[0] == "1")
    t.type(b"q")
    t.end()


def test_a_recording_that_breaks(tmp_path, terminal):
    path = RecordingBuilder(pid=1 << 30).ledger(USR1, mode=1).write(tmp_path / "a.sigrec")
    t = terminal("stats", "--live", *FAST, path)
    t.until(lambda text: row(text, "SIGUSR1"))
    os.truncate(path, 5000)
    t.end(1)
    after = t.raw[t.raw.rindex(LEAVE) :]
    assert b"cut short" in after and b"Traceback" not in after
    assert termios.tcgetattr(t.leader) == t.modes


def test_ctrl_z_in_a_shell(child, terminal):
    p = target(child)
    t = terminal(command=["bash", "--norc", "--noprofile", "-i"], env={"PS1": "READY$ "})
    t.until(lambda text: text.rstrip().endswith("READY$"))
    line = shlex.join([sys.executable, "-m", "sigrec", "stats", "--live", *FAST, str(p.pid)])
    t.type(line.encode() + b"\r")
    t.until(lambda text: row(text, "SIGUSR1"))
    t.type(b"\x1a")
    t.until(lambda text: "Stopped" in text)
    assert t.raw.rindex(LEAVE) > t.raw.rindex(ENTER)
    t.type(b"echo as $((40 + 2)) before\r")
    t.until(lambda text: "as 42 before" in text)
    sigqueue(p.pid, RT, 0)
    entered = t.raw.count(ENTER)
    t.type(b"fg\r")
    t.until(lambda text: t.raw.count(ENTER) > entered and row(text, "SIGRTMIN+2")[:1] == ["1"])
    assert "Stopped" not in t.text()
    t.type(b"q")
    t.until(lambda text: t.raw.rindex(LEAVE) > t.raw.rindex(ENTER))
    t.type(b"exit\r")
    t.end()


# --- what is refused ---------------------------------------------------------------------------


def cli(*args):
    return subprocess.run(
        [sys.executable, "-m", "sigrec", *map(str, args)],
        capture_output=True,
        text=True,
        env={**os.environ, "TZ": "UTC", "PYTHONUTF8": "1"},
        timeout=60,
    )


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["--live"], "needs a terminal"),
        (["--live", "--json"], "tail -f --json"),
        (["--interval", "1"], "--live"),
        (["--live", "-n", "0"], "'0'"),
        (["--live", "-n", "nan"], "'nan'"),
        (["--live", "-n", "x"], "'x'"),
    ],
)
def test_usage(args, why):
    done = cli("stats", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr and "usage" in done.stderr


def test_no_such_process_never_takes_the_terminal(terminal):
    t = terminal("stats", "--live", 4194305)
    t.end(1)
    assert b"no process 4194305" in t.raw
    assert ENTER not in t.raw


# --- plain stats: columns that say something ------------------------------------------------------


def titles(text):
    return next(line for line in text.splitlines() if line.startswith("signal ")).split("  ")


def columns(path):
    done = cli("stats", path)
    assert done.returncode == 0
    return [title.strip() for title in titles(done.stdout) if title.strip()]


def test_columns(tmp_path):
    def of(**fields):
        builder = RecordingBuilder()
        builder.ledger(USR1, **{"mode": 1, "delivered": 7, "recorded": 7, **fields})
        return columns(builder.write(tmp_path / "a.sigrec"))

    plain = ["signal", "delivered", "handled", "pending", "last"]
    assert of() == plain
    assert of(mode=2) == ["signal", "mode", *plain[1:]]
    assert of(overwritten=3) == [*plain[:2], "overwritten", *plain[2:]]
    assert of(recorded=5, dropped=2) == [*plain[:2], "recorded", *plain[2:4], "dropped", "last"]
    assert of(undetailed=1) == [*plain[:4], "no detail", "last"]


def test_overwritten_is_shown(child):
    p = child(
        """
        sigrec.configure(history=64)
        sigrec.register(RT, lambda s, f: None)
        for n in range(100):
            sigqueue(os.getpid(), RT, n)
        settle(RT)
        say("ready")
        hear()
        """
    )
    p.line()
    text = cli("stats", p.pid).stdout
    assert "overwritten" in titles(text)
    assert re.search(r"^SIGRTMIN\+2 +100 +36 +100 +0 ", text, re.M)


def test_what_does_not_fit_the_terminal_is_said_below(tmp_path, terminal):
    builder = RecordingBuilder()
    builder.ledger(USR1, mode=1, delivered=7, recorded=5, dropped=2, handled=7, undetailed=1)
    builder.ledger(36, mode=2, delivered=7000, recorded=7000, overwritten=6984, handled=7000)
    path = builder.write(tmp_path / "a.sigrec")
    for columns in (60, 80, 200):
        t = terminal("stats", path, columns=columns)
        t.end()
        text = t.text()
        for one in ("SIGUSR1", "SIGRTMIN+2", "unregistered", "6,984"):
            assert re.search(rf"(?<!\S){re.escape(one)}(?![^\s:,])", text), text  # never folded
        below = "SIGUSR1: 5 recorded, 1 no detail, 2 dropped" in text
        assert (
            below == ("SIGRTMIN+2: mode unregistered, 6,984 overwritten" in text) == (columns < 200)
        )


def test_last_has_its_date_unless_it_was_today(tmp_path, child):
    last = event(USR1, MONOTONIC, 0, pid=1 << 30)
    builder = RecordingBuilder().ledger(USR1, mode=1, delivered=1, recorded=1, last=last)
    assert REALTIME % 10**9 == 6000
    old = cli("stats", builder.write(tmp_path / "a.sigrec")).stdout
    assert re.search(r"SIGUSR1 .* 2026-01-02 03:04:05$", old, re.M)
    p = target(child)
    sigqueue(p.pid, RT, 0)
    with sigrec.open_recording(p.pid) as recording:
        wait_until(lambda: recording.signals[RT].recorded == 1)
    new = cli("stats", p.pid).stdout
    assert re.search(r"SIGRTMIN\+2 .*  \d\d:\d\d:\d\d\.\d{6}$", new, re.M)
