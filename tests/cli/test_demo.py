"""``sigrec demo``: where its two processes run."""

import os

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
