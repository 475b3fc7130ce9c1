"""SignalInfo: which fields a signal has, from real signals of every common kind."""

import os
import signal
from pathlib import Path

import pytest

import sigrec
from sigrec import SignalInfo
from sigrec._signals.siginfo import SIGINFO_FIELDS

HERE = Path(__file__).resolve().parent

DEFINED = {"si_signo", "si_code", "si_errno"}


def fields(info):
    return {name for name in SIGINFO_FIELDS if getattr(info, name) is not None} - DEFINED


@pytest.fixture
def caught():
    """Catches a signal for a test: caught(signum) is the list of what came."""
    registrations = []

    def catch(signum):
        got = []
        registrations.append(
            sigrec.register(signum, lambda s, info, f: got.append(info), siginfo=True)
        )
        return got

    yield catch
    for registration in registrations:
        registration.cancel()


def test_kill(caught):
    got = caught(signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGUSR1)
    (info,) = got
    assert info.si_code == 0
    assert fields(info) == {"si_pid", "si_uid"}
    assert info.sender.kind == "process"
    assert (info.sender.pid, info.sender.uid) == (os.getpid(), os.getuid())
    assert info.sender.comm == open("/proc/self/comm").read().strip()


def test_raise(caught):
    got = caught(signal.SIGUSR1)
    while not got or got[-1].si_pid == 0:  # the kernel had no room for its siginfo
        signal.raise_signal(signal.SIGUSR1)
    assert got[-1].si_code == -6
    assert fields(got[-1]) == {"si_pid", "si_uid"}


def test_child(child):
    p = child(
        """
        got = []
        sigrec.register(signal.SIGCHLD, lambda s, info, f: got.append(info), siginfo=True)
        pid = os.fork()
        if pid == 0:
            os._exit(3)
        os.waitpid(pid, 0)
        info = got[0]
        say(info.si_code, info.si_pid == pid, info.si_status, info.si_value, info.si_addr, info.sender.kind)
        """
    )
    assert p.line() == "1 True 3 None None child"


def test_an_interval_timer(caught):
    got = caught(signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    while not got:
        pass
    assert got[0].si_code == 0x80
    assert fields(got[0]) == set()
    assert got[0].sender.kind == "timer"
    assert str(got[0].sender) == "a timer"


def test_posix_timer_and_its_overruns(child):
    p = child(HERE / "has_a_posix_timer.py")
    assert p.line() == "-2 77 True None timer True"


def test_unknown_sender():
    info = SignalInfo._make(0, 1, 0, 15, 0, 0, 0, 0, 0, 0, 0, 0)
    assert (info.si_pid, info.si_uid) == (0, 0)
    assert info.sender.kind == "unknown"
    assert "root" not in str(info.sender) and "kernel" not in str(info.sender)


def test_fault_address():
    info = SignalInfo._make(0, 1, 0, 11, 1, 0, 0, 0xFFFF_8000_0000_0000, 0, 0, 0, 0)
    assert info.si_addr == 0xFFFF_8000_0000_0000
    assert fields(info) == {"si_addr"}


def test_io():
    info = SignalInfo._make(0, 1, 0, 29, 1, 0, 0, 65, 0, 0, 4, 0)
    assert fields(info) == {"si_band", "si_fd"}
    assert (info.si_band, info.si_fd) == (65, 4)


def test_it_is_immutable_and_a_value():
    one = SignalInfo._make(5, 1, 0, 10, 0, 7, 8, 0, 9, 0, 0, 0)
    same = SignalInfo._make(5, 1, 0, 10, 0, 7, 8, 0, 9, 0, 0, 0)
    assert one == same and hash(one) == hash(same)
    assert one != SignalInfo._make(5, 1, 1, 10, 0, 7, 8, 0, 9, 0, 0, 0)
    for name in ("si_pid", "_event", "new"):
        with pytest.raises(AttributeError):
            setattr(one, name, 1)
    with pytest.raises(TypeError):
        SignalInfo()
    assert repr(one) == "<SignalInfo SIGUSR1 si_code=0 si_pid=7 si_uid=8 ordinal=0>"
    assert one.time_ns == 6


def test_a_dead_senders_name_is_not_guessed():
    # PID 1 runs since boot; at time 0 nobody did.
    assert SignalInfo._make(0, 1, 0, 15, 0, 1, 0, 0, 0, 0, 0, 0).sender.comm is None
