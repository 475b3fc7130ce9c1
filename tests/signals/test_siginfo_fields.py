"""SignalInfo and Sender: which fields a si_code defines, and what is said of the sender."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

import sigrec
from sigrec._proc.process import process_at
from sigrec._signals.names import name
from sigrec._signals.siginfo import SIGINFO_FIELDS

USR1, CHLD, SEGV, IO = map(int, (signal.SIGUSR1, signal.SIGCHLD, signal.SIGSEGV, signal.SIGIO))
NOBODY = (1 << 30) + 1  # above the kernel's limit of pids
ALWAYS = {"si_signo", "si_code", "si_errno"}


def info(signo=USR1, code=0, pid=11, uid=22, datum=33, detail=44, timerid=55, error=0, tid=66,
         ordinal=77, monotonic_ns=10**9, offset=10**18):  # fmt: skip
    """Every field is set: what si_code does not define must not be shown."""
    return sigrec.SignalInfo._make(
        offset, monotonic_ns, ordinal, signo, code, pid, uid, datum, tid, error, detail, timerid
    )


SENT = {"si_pid": 11, "si_uid": 22}
VALUE = {**SENT, "si_value": 33}
POLL = {"si_band": 33, "si_fd": 44}
TIMER = {"si_timerid": 55, "si_overrun": 44, "si_value": 33}
CHILD = {**SENT, "si_status": 44}
FAULT = {"si_addr": 33}


@pytest.mark.parametrize(
    ("signo", "code", "defined"),
    [
        (USR1, 0, SENT),  # SI_USER
        (USR1, -6, SENT),  # SI_TKILL
        (USR1, -1, VALUE),  # SI_QUEUE
        (USR1, -3, VALUE),  # SI_MESGQ
        (USR1, -4, VALUE),  # SI_ASYNCIO
        (USR1, -60, VALUE),  # SI_ASYNCNL
        (USR1, -2, TIMER),  # SI_TIMER
        (IO, -5, POLL),  # SI_SIGIO
        (USR1, 0x80, {}),  # SI_KERNEL
        (int(signal.SIGHUP), 0x80, {}),  # a terminal that hung up
        (SEGV, 0x80, {}),
        (CHLD, 0x80, {}),
        (CHLD, 1, CHILD),  # CLD_EXITED
        (CHLD, 6, CHILD),  # CLD_CONTINUED
        (CHLD, 0, SENT),  # kill -CHLD
        (SEGV, 1, FAULT),  # SEGV_MAPERR
        (SEGV, 0, SENT),  # kill -SEGV
        (SEGV, -1, VALUE),
        (int(signal.SIGBUS), 2, FAULT),
        (int(signal.SIGFPE), 1, FAULT),
        (int(signal.SIGILL), 1, FAULT),
        (int(signal.SIGTRAP), 2, FAULT),
        (IO, 1, POLL),  # POLL_IN
        (IO, 6, POLL),  # POLL_HUP
        (IO, 7, {}),
        (36, 1, POLL),  # the signal that F_SETSIG chose: fcntl(2)
    ],
)
def test_defined_fields(signo, code, defined):
    one = info(signo, code, error=9)
    shown = {
        field: getattr(one, field) for field in SIGINFO_FIELDS if getattr(one, field) is not None
    }
    assert shown == {"si_signo": signo, "si_code": code, "si_errno": 9, **defined}


def test_the_core_and_the_reader_agree(child):
    """The same signals through csrc/events/event.c, as a real process got them."""
    p = child(
        """
        import ctypes
        infos = []
        for s in (signal.SIGUSR1, signal.SIGCHLD, RT):
            sigrec.register(s, lambda s, i, f: infos.append(i), siginfo=True)
        os.kill(os.getpid(), signal.SIGUSR1)
        sigqueue(os.getpid(), RT, -2)
        if os.fork() == 0:
            os._exit(7)
        while len(infos) < 3:
            pass
        for i in sorted(infos, key=lambda i: i.si_signo):
            say(i.si_pid == os.getpid(), i.si_uid, i.si_status, i.si_value, i.si_fd, i.si_addr)
        """
    )
    uid = os.geteuid()
    assert p.line() == f"True {uid} None None None None"
    assert p.line() == f"False {uid} 7 None None None"
    assert p.line() == f"True {uid} None -2 None None"
    p.end()


@pytest.mark.parametrize(
    ("datum", "value", "low"),
    [
        (0, 0, 0),
        (5, 5, 5),
        ((1 << 64) - 1, -1, -1),
        (1 << 63, -(1 << 63), 0),
        ((1 << 63) - 1, (1 << 63) - 1, -1),
        (0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF),
        (0x80000000, 0x80000000, -0x80000000),
        (0xDEAD_0000_0007, 0xDEAD_0000_0007, 7),
    ],
)
def test_value(datum, value, low):
    one = info(code=-1, datum=datum)
    assert (one.si_value, one.si_int) == (value, low)


def test_zero_is_not_none():
    one = info(code=-1, pid=0, uid=0, datum=0)
    assert (one.si_pid, one.si_uid, one.si_value) == (0, 0, 0)


def test_no_value_no_int():
    assert info(code=0).si_int is None


def test_address_is_unsigned():
    assert info(SEGV, 1, datum=(1 << 64) - 4096).si_addr == (1 << 64) - 4096


def test_band_is_signed():
    assert info(IO, 1, datum=(1 << 64) - 1).si_band == -1


# --- when, where ---------------------------------------------------------------------


def test_time():
    one = info(monotonic_ns=5_000_006_789, offset=1_767_323_040 * 10**9)
    assert one.time_ns == 1_767_323_045_000_006_789
    assert one.monotonic_ns == 5_000_006_789
    expected = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert one.time == expected
    assert one.time.utcoffset() == timedelta(0)
    assert (one.tid, one.ordinal) == (66, 77)


@pytest.mark.parametrize("offset", [-(1 << 70), -(10**9), 1 << 70])
def test_a_time_out_of_range_is_no_crash(offset):
    """A recording can claim anything."""
    assert info(offset=offset).time.tzinfo is not None


# --- the sender -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signo", "code", "kind"),
    [(USR1, 0, "process"), (USR1, -6, "process"), (USR1, -1, "process"), (USR1, -2, "timer"),
     (USR1, 0x80, "kernel"), (SEGV, 1, "kernel"), (IO, 1, "kernel"), (CHLD, 1, "child")],
)  # fmt: skip
def test_sender(signo, code, kind):
    sender = info(signo, code, pid=NOBODY, uid=5).sender
    assert sender.kind == kind
    who = (NOBODY, 5, None) if kind in ("process", "child") else (None, None, None)
    assert (sender.pid, sender.uid, sender.comm) == who


def test_pid_0_and_uid_0_is_unknown():
    """Outside the PID namespace, or the kernel had no room: never root, never the kernel."""
    one = info(pid=0, uid=0)
    assert (one.si_pid, one.si_uid) == (0, 0)
    assert (one.sender.kind, one.sender.pid, one.sender.uid) == ("unknown", None, None)
    assert str(one.sender) == "an unknown sender"


def at(time_ns, monotonic_ns, pid):
    return info(pid=pid, uid=5, monotonic_ns=monotonic_ns, offset=time_ns - monotonic_ns).sender


def test_comm_of_a_living_sender():
    mine = open("/proc/self/comm").read().strip()
    sender = at(time.time_ns(), time.monotonic_ns(), os.getpid())
    assert sender.comm == mine
    assert str(sender) == f"PID {os.getpid()} ({mine}, uid 5)"


def test_comm_of_a_pid_that_is_in_use_again():
    """The process that has the pid now started after the event, by either clock: the one may have
    been set since."""
    before_ns, before_monotonic_ns = time.time_ns(), time.monotonic_ns()
    time.sleep(0.02)  # more than a tick of proc_pid_stat(5)
    process = subprocess.Popen(
        [sys.executable, "-c", "print(input(), flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        process.stdin.write(b"up\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"up\n"  # and so it is what it was started as
        later_ns, later_monotonic_ns = time.time_ns(), time.monotonic_ns()
        assert at(later_ns, later_monotonic_ns, process.pid).argv[1] == "-c"
        assert at(before_ns, later_monotonic_ns, process.pid).argv is None
        assert at(later_ns, before_monotonic_ns, process.pid).argv is None
    finally:
        process.communicate(b"\n")


def test_comm_of_a_zombie_or_nobody(monkeypatch):
    assert process_at(os.getpid(), time.time_ns())
    monkeypatch.setattr("sigrec._proc.process.names_ours", lambda: False)
    assert process_at(os.getpid(), time.time_ns()) is None  # in /proc that PID is another process
    monkeypatch.undo()
    assert process_at(0, time.time_ns()) is None
    assert process_at(-5, time.time_ns()) is None
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert process_at(process.pid, time.time_ns()) is None
    process.wait()


# --- as Python objects ------------------------------------------------------------------


def test_immutable():
    one = info()
    for field in (*SIGINFO_FIELDS, "time_ns", "_event", "other"):
        with pytest.raises(AttributeError):
            setattr(one, field, 1)
    with pytest.raises(AttributeError):
        one.sender.pid = 1
    with pytest.raises(TypeError):
        sigrec.SignalInfo()


def test_equality_and_hash():
    assert info() == info()
    assert hash(info()) == hash(info())
    for change in ({"ordinal": 1}, {"pid": 1}, {"monotonic_ns": 1}, {"offset": 1}, {"tid": 1}):
        assert info(**change) != info()
    assert info() != 1
    assert info().__eq__(1) is NotImplemented
    assert len({info(), info(), info(ordinal=1)}) == 2
    assert info(pid=NOBODY).sender == info(pid=NOBODY, ordinal=5).sender
    assert info(pid=NOBODY).sender != 1


def test_repr():
    assert repr(info(code=-1)) == (
        "<SignalInfo SIGUSR1 si_code=-1 si_pid=11 si_uid=22 si_value=33 ordinal=77>"
    )
    assert repr(info(pid=NOBODY, uid=5).sender) == f"<Sender: PID {NOBODY} (uid 5)>"
    assert str(info(CHLD, 1, pid=NOBODY, uid=5).sender) == f"child PID {NOBODY} (uid 5)"


def test_public_names():
    assert sigrec.SignalInfo.__module__ == sigrec.Sender.__module__ == "sigrec"


# --- names ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signum", "sigrtmin", "expected"),
    [
        (10, 34, "SIGUSR1"),
        (34, 34, "SIGRTMIN"),
        (36, 34, "SIGRTMIN+2"),
        (64, 34, "SIGRTMIN+30"),
        (35, 35, "SIGRTMIN"),
        (34, 35, "signal 34"),  # musl keeps it for itself
        (33, 34, "signal 33"),
        (32, 34, "signal 32"),
        (0, 34, "signal 0"),
        (65, 34, "signal 65"),
        (-1, 34, "signal -1"),
    ],
)
def test_names(signum, sigrtmin, expected):
    assert name(signum, sigrtmin) == expected


def test_own_names():
    assert name(int(signal.SIGRTMIN) + 1) == "SIGRTMIN+1"
    assert info(int(signal.SIGRTMIN)).signal_name == "SIGRTMIN"
