"""``sigrec demo``: where its two processes run, and what they count."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from sigrec._proc.status import status
from sigrec.cli import demo, main
from tests.conftest import wait_until


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(demo, "ROUND_NS", 1_000_000)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU")
def test_sender_and_receiver_have_a_cpu_each(short, monkeypatch, capsys):
    pinned, real = [], os.sched_setaffinity

    def pin(pid, cpus):
        pinned.append((pid, set(cpus)))
        real(pid, cpus)
        assert os.sched_getaffinity(pid) == set(cpus)

    monkeypatch.setattr(os, "sched_setaffinity", pin)
    before = os.sched_getaffinity(0)
    assert main(["demo"]) == 0
    assert os.sched_getaffinity(0) == before
    (me, sender), *receivers, last = pinned
    assert (me, len(sender)) == (0, 1) and last == (0, before)
    assert len(receivers) == 4
    for pid, cpus in receivers:
        assert pid > 0 and len(cpus) == 1 and cpus.isdisjoint(sender)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_ctrl_c_ends_both_without_a_traceback():
    command = [sys.executable, "-m", "sigrec", "demo"]
    demo = subprocess.Popen(command, stdout=-1, stderr=subprocess.PIPE, process_group=0)
    below = pathlib.Path(f"/proc/{demo.pid}/task/{demo.pid}/children")
    wait_until(below.read_text)
    receiver = int(below.read_text().split()[0])
    command_line = pathlib.Path(f"/proc/{receiver}/cmdline")
    wait_until(lambda: b"_demo_receiver" in command_line.read_bytes())  # it is past its exec
    wait_until(lambda: signal.SIGINT in status(receiver).caught)
    os.killpg(demo.pid, signal.SIGINT)
    assert demo.communicate(timeout=60)[1] == b"" and demo.returncode == 130


@pytest.mark.parametrize("error", [PermissionError, AttributeError])
def test_where_that_is_not_possible_nothing_is_said(short, monkeypatch, capsys, error):
    def refused(*args):
        raise error

    monkeypatch.setattr(os, "sched_setaffinity", refused)
    assert main(["demo"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "sigrec called the handler once for every signal" in out


@pytest.mark.long
def test_it_counts_exactly():
    done = subprocess.run([sys.executable, "-m", "sigrec", "demo"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check(done.stdout, done.stderr)


def test_it_counts_exactly_in_short_rounds(short, capsys):
    assert main(["demo"]) == 0
    check(*capsys.readouterr())


def check(out, err):
    lines = [line.split() for line in out.splitlines()]
    rows = [line for line in lines if line and line[0] in ("SIGUSR1", "SIGRTMIN+2")]
    table = {(row[0], row[1]): row[2:5] for row in rows[:4]}
    sent, delivered, handled = table["SIGRTMIN+2", "sigrec"]
    assert sent == delivered == handled
    sent, delivered, handled = table["SIGUSR1", "sigrec"]
    assert delivered == handled
    assert table["SIGUSR1", "signal"][1] == "unknown"
    assert "merged into it by the kernel" in out
    assert "once for every signal that was delivered" in out
    assert err == ""  # the progress bar is for terminals
