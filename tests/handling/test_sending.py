"""sigqueue() and pidfd_sigqueue(): whom they reach, and what they say where they do not."""

import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import sigrec
from tests.conftest import RT, sigqueue, wait_until, with_room

HERE = Path(__file__).resolve().parent

ME = os.getpid()
LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1


@pytest.mark.parametrize("value", [0, 1, -1, LOWEST, HIGHEST])
def test_a_value_arrives_whole(value):
    got = []
    with sigrec.register(RT, lambda signum, info, frame: got.append(info), siginfo=True):
        sigqueue(ME, RT, value)
        sigqueue(ME, RT, value, thread=threading.get_native_id())
        with open(os.pidfd_open(ME)) as pidfd:
            with_room(sigrec.pidfd_sigqueue, pidfd.fileno(), RT, value)
        wait_until(lambda: len(got) == 3)
    assert [info.si_value for info in got] == [value] * 3
    assert all(
        (info.si_pid, info.si_uid, info.sender.kind) == (ME, os.getuid(), "process") for info in got
    )


def test_to_a_thread_and_to_no_other(child):
    p = child(HERE / "sends_to_a_thread.py")
    assert p.line() == "0"
    assert p.line() == "5 5 5 0"
    p.end()


def test_through_a_pidfd_never_to_who_has_the_pid_now():
    """The process of the descriptor has ended and was reaped: its pid is anyone's."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    with open(os.pidfd_open(process.pid)) as pidfd:
        process.wait()
        with pytest.raises(ProcessLookupError, match=f"pidfd {pidfd.fileno()}"):
            sigrec.pidfd_sigqueue(pidfd.fileno(), signal.SIGTERM)


@pytest.mark.parametrize("how", ["process", "thread", "pidfd"])
def test_a_full_queue_names_the_limit(child, how):
    p = child(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))  # the receiver's is what counts
        say("ready")
        hear()
        """
    )
    p.line()
    assert resource.getrlimit(resource.RLIMIT_SIGPENDING)[0] != 0
    with open(os.pidfd_open(p.pid)) as pidfd, pytest.raises(BlockingIOError) as caught:
        if how == "pidfd":
            sigrec.pidfd_sigqueue(pidfd.fileno(), RT)
        else:
            sigrec.sigqueue(p.pid, RT, thread=p.pid if how == "thread" else None)
    said = str(caught.value)
    assert "RLIMIT_SIGPENDING" in said and "setrlimit(2)" in said
    assert how == "pidfd" or ("allows (0);" in said and f"PID {p.pid}" in said)
    p.tell()
    p.end()


def test_nobody_there():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(ProcessLookupError, match=f"PID {process.pid}"):
        sigrec.sigqueue(process.pid, 0)
    with pytest.raises(ProcessLookupError, match=f"PID {ME}, thread {process.pid}"):
        sigrec.sigqueue(ME, 0, thread=process.pid)
    with pytest.raises(OSError, match="Bad file descriptor: pidfd 0"):
        sigrec.pidfd_sigqueue(0, 0)


@pytest.mark.parametrize("bad", ["1", 1.0, None, True, -1, 1 << 40])
def test_bad_arguments(bad):
    for call in (
        lambda: sigrec.sigqueue(bad, RT),
        lambda: sigrec.sigqueue(ME, bad),
        lambda: sigrec.sigqueue(ME, RT, thread=bad if bad is not None else "None"),
        lambda: sigrec.pidfd_sigqueue(bad, 0),
        lambda: sigrec.pidfd_sigqueue(0, bad),
    ):
        with pytest.raises(ValueError, match="must"):
            call()


@pytest.mark.parametrize("bad", ["1", 1.5, None, LOWEST - 1, HIGHEST + 1])
def test_bad_values(bad):
    for call in (lambda: sigrec.sigqueue(ME, RT, bad), lambda: sigrec.pidfd_sigqueue(0, RT, bad)):
        with pytest.raises(ValueError, match="value must"):
            call()
