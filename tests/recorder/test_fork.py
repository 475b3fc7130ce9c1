"""fork, vfork, spawn: each process has its own exact ledger, and its own recording."""

import os

import pytest

import sigrec
from tests.conftest import RT, file_name, sigqueue, wait_until


def test_parent_and_child_count_apart(child, run_directory):
    p = child(
        """
        calls = 0
        def handler(signum, frame):
            global calls
            calls += 1
        sigrec.register(RT, handler)
        for _ in range(3):
            sigqueue(os.getpid(), RT)
        pid = os.fork()
        if pid == 0:
            say(os.path.exists(os.path.join(os.environ["SIGREC_DIR"], f"{os.getpid()}.sigrec")))
            calls = 0
            for _ in range(5):
                sigqueue(os.getpid(), RT)
            s = sigrec.stats()
            say(calls, *ledger(RT), s.processes[0].pid == os.getpid())
            events = list(sigrec.open_recording(os.getpid()).events())
            say(len(events), [e.ordinal for e in events])
            sys.exit()
        os.waitpid(pid, 0)
        say(calls, *ledger(RT), len(os.listdir(os.environ["SIGREC_DIR"])))
        """
    )
    assert p.line() == "False"  # not for each short-lived child
    assert p.line() == "5 5 5 5 0 True"
    assert p.line() == "5 [0, 1, 2, 3, 4]"
    assert p.line() == "3 3 3 3 0 1"
    p.end()
    assert os.listdir(run_directory) == []


@pytest.mark.parametrize("times", [20, pytest.param(200, marks=pytest.mark.long)])
def test_forks_under_a_flood(child, times):
    """What the parent is sent is the parent's, and counted once; children count only their own."""
    p = child(
        """
        calls = 0
        def handler(signum, frame):
            global calls
            calls += 1
        sigrec.register(RT, handler)
        own = signal.SIGRTMIN + 5
        sigrec.register(own, handler)
        say("ready")
        wrong = 0
        for n in range(int(sys.argv[1])):
            pid = os.fork()
            if pid == 0:
                calls = 0
                for _ in range(7):
                    sigqueue(os.getpid(), own)
                found = (calls, ledger(own), sigrec.stats()[RT].delivered)
                if found != (7, (7, 7, 7, 0), 0):
                    say(found)
                os._exit(0)
            while True:
                try:
                    _, status = os.waitpid(pid, 0)
                    break
                except InterruptedError:
                    pass
            wrong += status != 0
        say("forked", wrong)
        hear()
        settle(RT)
        say(calls, *ledger(RT))
        """,
        times,
    )
    p.line()
    sender = child(
        "say(_core.flood(int(sys.argv[1]), RT, 5000 * int(sys.argv[2]), True, 0)[0])", p.pid, times
    )
    assert p.line(120) == "forked 0"
    sent = int(sender.line(120))
    p.tell()
    assert list(map(int, p.line().split())) == [sent] * 4 + [0]


def test_fork_inside_a_handler_with_more_pending(child):
    p = child(
        """
        calls = []
        def handler(signum, frame):
            calls.append(os.getpid())
            if len(calls) == 3:
                pid = os.fork()
                if pid:
                    os.waitpid(pid, 0)
        me = os.getpid()
        sigrec.register(RT, handler)
        _core.flood(me, RT, 20, True, 0)
        settle(RT)  # (here or in the child)
        if os.getpid() != me:
            say("child", calls.count(os.getpid()), RT in sigrec.stats() and sigrec.stats()[RT].delivered)
            sigqueue(os.getpid(), RT)
            say("child", calls.count(os.getpid()), *ledger(RT))
            os._exit(0)
        settle(RT)
        say("parent", calls.count(me), *ledger(RT))
        """
    )
    assert [p.line() for _ in range(3)] == ["child 0 0", "child 1 1 1 1 0", "parent 20 20 20 20 0"]


def test_a_thread_forks_while_main_is_in_a_handler(child):
    """Dispatch in such a child must not wait for a handler that will never return there."""
    p = child(
        """
        import threading
        inside, forked = threading.Event(), threading.Event()
        calls = 0
        def handler(signum, frame):
            global calls
            calls += 1
            if calls == 1:
                inside.set()
                forked.wait()
        sigrec.register(RT, handler)
        def fork():
            inside.wait()
            pid = os.fork()
            if pid == 0:
                for _ in range(3):
                    sigqueue(os.getpid(), RT)
                say("child", *ledger(RT))
                os._exit(0)
            os.waitpid(pid, 0)
            forked.set()
        thread = threading.Thread(target=fork)
        thread.start()
        sigqueue(os.getpid(), RT)
        thread.join()
        say("parent", *ledger(RT))
        """
    )
    assert p.line() == "child 3 3 3 0"
    assert p.line() == "parent 1 1 1 0"


def test_fork_from_c(child):
    p = child(
        """
        import ctypes
        libc = ctypes.PyDLL(None)
        calls = 0
        def handler(signum, frame):
            global calls
            calls += 1
        sigrec.register(RT, handler)
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
def test_multiprocessing_under_a_flood(child, tmp_path, method):
    program = tmp_path / "program.py"
    program.write_text(
        """
import multiprocessing, os, signal, subprocess, sys
def square(n):
    if n % 100 == 0:
        import sigrec
        sigrec.register(signal.SIGUSR2, lambda s, f: None)
        os.kill(os.getpid(), signal.SIGUSR2)
        assert sigrec.stats()[signal.SIGUSR2].handled >= 1
    return n * n
if __name__ == "__main__":
    import sigrec
    RT = signal.SIGRTMIN + 2
    sigrec.register(RT, lambda s, f: None)
    print("ready", flush=True)
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        print(sum(pool.map(square, range(500))), flush=True)
        pool.close()
        pool.join()
    print(len(os.listdir(os.environ["SIGREC_DIR"])), flush=True)
    for _ in range(10):
        assert subprocess.run([sys.executable, "-S", "-c", "print(1)"], capture_output=True).stdout == b"1\\n"
        pid = os.posix_spawn(sys.executable, [sys.executable, "-S", "-c", "raise SystemExit(3)"], os.environ)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    print("done", flush=True)
    sys.stdin.readline()
    while sigrec.stats()[RT].pending:
        pass
    s = sigrec.stats()[RT]
    print(s.delivered, s.handled, s.recorded + s.dropped, flush=True)
"""
    )
    p = child(
        f"sys.argv[1:] = [{method!r}]; import runpy; runpy.run_path({str(program)!r}, run_name='__main__')"
    )
    p.process.stdin.flush()
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
        calls = 0
        def handler(signum, frame):
            global calls
            calls += 1
        sigrec.register(RT, handler)
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
    p = child(
        """
        inside, go = threading.Event(), threading.Event()
        def handler(signum, frame):
            inside.set()
            go.wait()
        sigrec.register(RT, handler, deliver="thread")
        sigrec.register(signal.SIGUSR1, lambda signum, frame: None)
        signal.raise_signal(signal.SIGUSR1)
        settle(signal.SIGUSR1)  # the main thread handles signals, too
        with_room(signal.raise_signal, RT)
        inside.wait()
        pid = os.fork()
        if not pid:
            go = threading.Event()
            go.set()
            with_room(signal.raise_signal, RT)
            settle(RT)
            say(*ledger(RT))
            os._exit(0)
        os.waitpid(pid, 0)
        go.set()
        settle(RT)
        say(*ledger(RT))
        """
    )
    assert p.line() == "1 1 1 0"
    assert p.line() == "1 1 1 0"
    p.end()


def test_a_fork_while_other_threads_register(child):
    """In the child these threads are none, whatever they were about to do."""
    p = child(
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        # A child of a thread that imports finds that module locked for ever: CPython makes the
        # locks of modules anew in no child. So what is used first is imported before.
        sigrec.stream, sigrec.register, sigrec.stats()
        end = False
        def other(number):
            while not end:
                sigrec.register(number, print, deliver="thread").cancel()
                sigrec.stream(RT + 5).close()
        sigrec.register(RT, lambda signum, frame: None)
        threads = [threading.Thread(target=other, args=(RT + n,)) for n in (1, 2)]
        for thread in threads: thread.start()
        for _ in range(20):
            pid = os.fork()
            if not pid:
                signal.alarm(60)
                with_room(signal.raise_signal, RT)
                settle(RT)
                sigrec.register(RT + 1, lambda signum, frame: None, deliver="thread")
                sigrec.stream(RT + 5)
                ok = ledger(RT) == (1, 1, 1, 0)
                os._exit(0 if ok else 1)
            if os.waitpid(pid, 0)[1]:
                say("a child failed")
        end = True
        for thread in threads: thread.join()
        with_room(signal.raise_signal, RT)
        say(*ledger(RT))
        """
    )
    assert p.line() == "1 1 1 0"
    p.end()
