"""fork, vfork, spawn: each process has its own exact ledger, and its own recording."""

import os
from pathlib import Path

import pytest

import sigrec
from tests.conftest import RT, file_name, sigqueue, wait_until

HERE = Path(__file__).parent


def test_parent_and_child_count_apart(child, run_directory):
    p = child(HERE / "forks_in_a_flood.py")
    assert p.line() == "False"  # not for each short-lived child
    assert p.line() == "5 5 5 5 0 True"
    assert p.line() == "5 [0, 1, 2, 3, 4]"
    assert p.line() == "3 3 3 3 0 1"
    p.end()
    assert os.listdir(run_directory) == []


@pytest.mark.parametrize("times", [20, pytest.param(200, marks=pytest.mark.long)])
def test_forks_under_a_flood(child, times):
    """What the parent is sent is the parent's, and counted once; children count only their own."""
    p = child(HERE / "forks_again_and_again.py", times)
    p.line()
    sender = child(
        "say(_core.flood(int(sys.argv[1]), RT, 5000 * int(sys.argv[2]), True, 0)[0])", p.pid, times
    )
    assert p.line(120) == "forked 0"
    sent = int(sender.line(120))
    p.tell()
    assert list(map(int, p.line().split())) == [sent] * 4 + [0]


def test_fork_inside_a_handler_with_more_pending(child):
    p = child(HERE / "forks_in_a_handler.py")
    assert [p.line() for _ in range(3)] == ["child 0 0", "child 1 1 1 1 0", "parent 20 20 20 20 0"]


def test_a_thread_forks_while_main_is_in_a_handler(child):
    """Dispatch in such a child must not wait for a handler that will never return there."""
    p = child(HERE / "forks_beside_a_handler.py")
    assert p.line() == "child 3 3 3 0"
    assert p.line() == "parent 1 1 1 0"


def test_fork_from_c(child):
    p = child(
        """
        import ctypes
        libc = ctypes.PyDLL(None)
        sigrec.register(RT, count_call)
        sigqueue(os.getpid(), RT)
        pid = libc.fork()  # Python's own after-fork code does not run
        if pid == 0:
            calls = 0
            for _ in range(4):
                sigqueue(os.getpid(), RT)
            for _ in range(1000): pass
            say("child", calls, *ledger(RT))
            os._exit(0)
        os.waitpid(pid, 0)
        say("parent", calls, *ledger(RT))
        """
    )
    assert p.line() == "child 4 4 4 4 0"
    assert p.line() == "parent 1 1 1 1 0"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_under_a_flood(child, method):
    p = child(HERE / "pool_in_a_flood.py", method)
    assert p.line() == "ready"
    sender = child("say(_core.flood(int(sys.argv[1]), RT, 50_000, True, 0)[0])", p.pid)
    assert p.line(120) == str(sum(n * n for n in range(500)))
    assert p.line(120) == "1"  # its own: the workers have left cleanly
    assert p.line(120) == "done"
    sent = int(sender.line(120))
    p.tell()
    assert list(map(int, p.line().split())) == [sent] * 3


def test_a_childs_recording_appears_with_its_first_signal(child, run_directory):
    p = child(
        """
        sigrec.register(RT, lambda s, f: None)
        pid = os.fork()
        if pid == 0:
            say(os.getpid())
            while True:
                time.sleep(10)
        say("parent")
        hear()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        """
    )
    lines = {p.line(), p.line()}
    pid = int((lines - {"parent"}).pop())
    path = run_directory / file_name(pid)
    assert not path.exists()
    sigqueue(pid, RT, 5)
    wait_until(path.exists)
    with sigrec.open_recording(pid) as recording:
        assert recording.pid == pid
        assert recording.state == "alive"
        wait_until(lambda: recording.signals[RT].handled == 1)
        assert recording.signals[RT].mode == "registered"
    p.tell()
    p.end()
    with sigrec.open_recording(path) as recording:
        assert recording.state == "ended"


def test_signals_during_vfork_exec(child):
    """subprocess uses vfork: a signal to the whole group ends up in our ledger once, and what was
    started dies of it. (subprocess blocks signals meanwhile; tests/core has a child that does not.)"""
    p = child(
        """
        import subprocess
        sigrec.register(RT, count_call)
        say("ready")
        hear()
        ended = []
        while len(ended) < 30 or -RT not in ended:
            ended.append(subprocess.run([sys.executable, "-S", "-c", ""]).returncode)
        say("done")
        hear()
        settle(RT)
        say(calls, *ledger(RT))
        """,
        start_new_session=True,
    )
    p.line()
    count = 10_000
    sender = child(
        "say('sending'); say(_core.flood(-int(sys.argv[1]), RT, int(sys.argv[2]), False, 0, 50_000)[0])",
        p.pid,
        count,
    )
    assert sender.line() == "sending"
    p.tell()
    assert p.line(120) == "done"
    assert sender.line() == str(count)
    p.tell()
    calls, delivered, recorded, handled, pending = map(int, p.line().split())
    # Fewer than were sent where this user's queue is full (kill() is not refused then), never more.
    assert 0 < calls == delivered == recorded == handled <= count
    assert pending == 0


def test_a_fork_while_the_dispatcher_thread_is_in_a_handler(child):
    """The child has no such thread, and none of its handlers is on a stack there."""
    p = child(HERE / "forks_beside_a_dispatcher.py")
    assert p.line() == "1 1 1 0"
    assert p.line() == "1 1 1 0"
    p.end()


def test_a_fork_while_other_threads_register(child):
    """In the child these threads are none, whatever they were about to do."""
    p = child(HERE / "forks_while_registering.py")
    assert p.line() == "1 1 1 0"
    p.end()
