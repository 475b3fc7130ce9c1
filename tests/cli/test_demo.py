"""``sigrec demo``: where its two processes run, and what they count."""

import os
import subprocess
import sys

import pytest

from sigrec.cli import demo, main


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
