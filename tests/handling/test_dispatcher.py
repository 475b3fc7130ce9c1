"""``deliver="thread"``: handlers in the dispatcher thread, whatever the main thread does."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

import sigrec
from tests.conftest import RT, sigqueue, wait_until, with_room

HERE = Path(__file__).resolve().parent

USR1 = signal.SIGUSR1
ME = os.getpid()


def test_it_is_called_there_and_python_sees_no_difference():
    calls = []

    def handler(signum, info, frame):
        calls.append((signum, info.si_pid, frame, threading.current_thread().name))

    before = signal.getsignal(USR1)
    with sigrec.register(USR1, handler, siginfo=True, deliver="thread"):
        assert signal.getsignal(USR1) == before
        os.kill(ME, USR1)
        wait_until(lambda: calls)
        assert calls == [(USR1, ME, None, "sigrec-dispatcher")]
        stats = sigrec.stats()[USR1]
        assert stats.mode == "registered" and not stats.replaced


@pytest.mark.parametrize("queue", [True, False], ids=["real-time", "standard"])
def test_a_flood_is_handled_to_the_last_signal(child, queue):
    p = child(
        """
        signum = int(sys.argv[1])
        sigrec.register(signum, count_call, deliver="thread")
        say("ready")
        hear()
        settle(signum)
        say(calls, *ledger(signum))
        """,
        int(RT if queue else USR1),
    )
    p.line()
    p.flood(RT if queue else USR1, 500_000, queue)
    p.tell()
    calls, delivered, recorded, handled, pending = map(int, p.line().split())
    assert calls == delivered == recorded == handled
    assert pending == 0
    assert delivered == 500_000 if queue else 0 < delivered <= 500_000
    p.end()


def test_while_the_main_thread_is_in_c(child):
    """It waits in read(2) for what the handler writes: without the thread, for ever."""
    p = child(
        """
        import ctypes
        r, w = os.pipe()
        sigrec.register(RT, lambda s, f: os.write(w, b"x"), deliver="thread")
        say("ready")
        buffer = ctypes.create_string_buffer(1)
        for _ in range(100):
            assert ctypes.CDLL(None).read(r, buffer, 1) == 1  # without the GIL
            say("read")
        """
    )
    p.line()
    for _ in range(100):
        sigqueue(p.pid, RT)
        assert p.line() == "read"
    p.end()


def test_while_the_main_thread_holds_the_gil(child, tmp_path):
    p = child(
        """
        import ctypes, shlex
        calls = []
        sigrec.register(RT, lambda s, f: calls.append(time.monotonic_ns()), deliver="thread")
        sender = "import time; from sigrec import _core; "
        sender += f"_core.flood({os.getpid()}, {int(RT)}, 1000, True, 0); print(time.monotonic_ns())"
        command = shlex.join([sys.executable, "-c", sender]) + " > " + shlex.quote(sys.argv[1])
        # system(3): nothing is sent before it is called, and it returns after all was. PyDLL keeps the GIL.
        assert ctypes.PyDLL(None).system(command.encode()) == 0
        settle(RT)
        held = getattr(sys, "_is_gil_enabled", lambda: True)()
        assert int(open(sys.argv[1]).read()) < min(calls) or not held
        say(len(calls), *ledger(RT))
        """,
        tmp_path / "sent",
    )
    assert p.line() == "1000 1000 1000 1000 0"
    p.end()


def test_exceptions_go_to_the_excepthook_and_dispatch_goes_on(monkeypatch):
    seen, calls = [], []
    monkeypatch.setattr(threading, "excepthook", seen.append)

    def handler(signum, frame):
        calls.append(signum)
        raise KeyError(len(calls))

    with sigrec.register(RT, handler, deliver="thread"):
        for _ in range(3):
            sigqueue(ME, RT)
    # Those that waited behind the first are counted.
    assert seen[0].exc_value.args == (1,) and len(calls) == 3
    assert {args.thread.name for args in seen} == {"sigrec-dispatcher"}


def test_from_any_thread():
    calls, made = [], []

    def other():
        made.append(sigrec.register(RT, lambda s, f: calls.append(s), deliver="thread"))
        before = sigrec.stats()[RT].delivered
        sigqueue(ME, RT)
        wait_until(lambda: sigrec.stats()[RT].delivered > before)
        made[0].cancel()  # what was delivered before is handled when it returns
        calls.append("cancelled")

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert calls == [RT, "cancelled"]
    assert signal.getsignal(RT) == signal.SIG_DFL


def test_cancelled_while_a_signal_is_on_its_way_to_the_main_thread(child):
    """The kernel gives it to the main thread: nobody may die of it, given back too early, and its
    handler is called, also where the main thread has nearly begun with it. While that runs a
    handler, the kernel gives a signal to any other thread that does not block it, for which nobody
    waits."""
    p = child(
        """
        calls = []
        signums = {RT + i for i in range(3)}
        def cycle(signum):
            signal.pthread_sigmask(signal.SIG_BLOCK, signums - {signum})
            for _ in range(150):
                with sigrec.register(signum, lambda s, f: calls.append(s), deliver="thread"):
                    os.kill(os.getpid(), signum)
        sys.setswitchinterval(1e-4)
        workers = [threading.Thread(target=cycle, args=(signum,)) for signum in signums]
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            sum(range(3000))
        say(len(calls), *[n for signum in signums for n in ledger(signum)[:2]])
        """
    )
    assert p.line() == "450" + " 150" * 6
    p.end()


def test_cancel_waits_for_what_was_delivered():
    for _ in range(50):
        calls = []
        registration = sigrec.register(RT, lambda s, f: calls.append(s), deliver="thread")
        for _ in range(20):
            sigqueue(ME, RT)
        registration.cancel()
        assert len(calls) == 20


@pytest.mark.parametrize("deliver", ["main", "thread"])
def test_what_came_before_a_cancel_is_not_for_the_handler_beneath(deliver):
    """It is sent to this thread: another one could have been given a signal, and not have entered
    its handler yet."""
    beneath, calls = [], []

    def slow(signum, frame):
        time.sleep(0.001)
        calls.append(signum)

    with sigrec.register(RT, lambda s, f: beneath.append(s), deliver=deliver):
        with sigrec.register(RT, slow, deliver=deliver):
            signal.pthread_sigmask(signal.SIG_BLOCK, [RT])
            for _ in range(20):
                with_room(signal.pthread_kill, threading.get_ident(), RT)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [RT])
        assert (len(calls), beneath) == (20, [])


def test_cancelled_by_its_own_handler():
    done = threading.Event()

    def handler(signum, frame):
        registration.cancel()
        done.set()

    registration = sigrec.register(RT, handler, deliver="thread")
    sigqueue(ME, RT)
    assert done.wait(60)
    assert signal.getsignal(RT) == signal.SIG_DFL


def test_main_and_thread_on_one_signal():
    calls = []

    def called(who):
        return lambda s, f: calls.append(
            (who, threading.current_thread() is threading.main_thread())
        )

    with sigrec.register(RT, called("first")):
        with sigrec.register(RT, called("second"), deliver="thread"):
            sigqueue(ME, RT)
            wait_until(lambda: calls == [("second", False)])
            with sigrec.register(RT, called("third")):
                sigqueue(ME, RT)
                wait_until(lambda: calls[1:] == [("third", True)])
        sigqueue(ME, RT)
        wait_until(lambda: calls[2:] == [("first", True)])
    calls.clear()
    with sigrec.register(RT, called("thread"), deliver="thread"):
        with sigrec.register(RT, called("main")):
            sigqueue(ME, RT)
            wait_until(lambda: calls == [("main", True)])
        sigqueue(ME, RT)
        wait_until(lambda: calls[1:] == [("thread", False)])
    assert signal.getsignal(RT) == signal.SIG_DFL


def test_at_exit_what_was_delivered_is_handled(child):
    p = child(
        """
        import atexit
        calls = []
        def handler(s, f):
            calls.append(s)
        atexit.register(lambda: say(len(calls)))  # runs after sigrec's own
        sigrec.register(RT, handler, deliver="thread")
        for _ in range(10_000):
            sigqueue(os.getpid(), RT)
        """
    )
    assert p.line() == "10000"
    p.end()


def test_a_handler_that_never_returns_does_not_hold_up_the_end(child):
    p = child(
        """
        from sigrec._handling import dispatcher
        dispatcher.HANDLER_END_S = 0.05
        sigrec.register(RT, lambda s, f: (say("in it"), time.sleep(3600)), deliver="thread")
        sigqueue(os.getpid(), RT)
        hear()
        """
    )
    assert p.line() == "in it"
    p.tell()
    p.end()


def test_a_forked_child_has_a_thread_of_its_own(child):
    p = child(HERE / "forks_with_a_dispatcher.py")
    assert p.line() == "100 100 100 100 0"
    assert p.line() == "2 2 2 2 0"
    p.end()


def test_a_handler_that_forks(child):
    p = child(
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        def handler(s, f):
            pid = os.fork()
            if pid == 0:
                say("child")
                os._exit(0)
            os.waitpid(pid, 0)
            say("parent")
        sigrec.register(RT, handler, deliver="thread")
        sigqueue(os.getpid(), RT)
        hear()
        sigqueue(os.getpid(), RT)
        hear()
        """
    )
    for _ in range(2):
        assert [p.line(), p.line()] == ["child", "parent"]
        p.tell()
    p.end()


def test_a_child_ends_when_it_leaves_the_handler_that_forked_it(child):
    """It has no main thread, but a dispatcher thread of its own, which would keep it for ever."""
    p = child(HERE / "leaves_its_handler_in_a_child.py")
    assert [p.line(), p.line()] == ["its thread", "child"]
    for status in 0, 0, 3, 1, 1:
        assert p.line() == str(status)
        p.tell()
    _, errors = p.end()
    assert "words" in errors and "ValueError: no" in errors


BREAKS = {
    "the start": """
        threading.current_thread = fail
        """,
    "a profile function": """
        threading.setprofile(fail)
        """,
    "its own hooks": """
        threading.excepthook = sys.excepthook = fail
        """,
    "hooks that exit": """
        threading.excepthook = sys.excepthook = lambda *ignored: sys.exit(3)
        """,
    "the end of the thread itself": """
        import ctypes
        def handler(*ignored):
            handled.append(1)
            if len(handled) < 3:
                reported.append(1)
                ctypes.CDLL(None).pthread_exit(None)
        """,
}


@pytest.mark.parametrize("what", BREAKS)
def test_nothing_ends_the_thread_unnoticed(child, what):
    p = child(
        """
        from sigrec import _core
        handled, reported = [], []
        sys.unraisablehook = lambda told: reported.append(told.exc_type)
        def fail(*ignored):
            raise RuntimeError("broken")
        def handler(*ignored):
            handled.append(1)
            raise ValueError("no")
        """
        + BREAKS[what]
        + """
        for _ in range(3):
            with sigrec.register(RT, handler, deliver="thread"):
                sigqueue(os.getpid(), RT)
                while len(handled) % 2 == 0:
                    time.sleep(0.001)
                sigqueue(os.getpid(), RT)
        say(len(handled), len(reported) > 0)
        """
    )
    assert p.line() == "6 True"
    p.end()


def test_what_a_handler_starts_inherits_the_mask_of_the_program(child):
    """The dispatcher thread blocks all signals. A process that it started would do so as well, and
    SIGTERM could not end it."""
    p = child(HERE / "inherits_the_programs_mask.py")
    inherited = f"{1 << signal.SIGUSR2 - 1:016x}"
    assert [p.line().split()[-1] for _ in range(2)] == [inherited] * 2
    for _ in range(2):  # its own mask, that of a process, of a spawned one, a fork, and a thread
        own, *others = (p.line().split()[-1] for _ in range(5))
        assert int(own, 16) >> signal.SIGTERM - 1 & 1
        assert others == [inherited] * 4
        p.tell()
    p.end()


def test_bad_deliver():
    for bad in ("threads", None, 1, True):
        with pytest.raises(ValueError, match="deliver"):
            sigrec.register(USR1, print, deliver=bad)


@pytest.mark.parametrize("fails", [True, False])
def test_who_cancels_does_not_wait_for_a_clock_after_each_batch(child, fails):
    """A batch ends at an exception, and after 5 ms."""
    p = child(
        """
        fails, at = sys.argv[1] == "True", []
        threading.excepthook = lambda arguments: None
        def handler(signum, frame):
            while registration.active: time.sleep(0.001)
            at.append(time.monotonic())
            if fails: raise RuntimeError
            time.sleep(0.002)
        registration = sigrec.register(RT, handler, deliver="thread")
        for value in range(100): sigqueue(os.getpid(), RT, value)
        registration.cancel()
        say(len(at), sum(after - before > 0.03 for before, after in zip(at, at[1:])))
        """,
        fails,
    )
    calls, idle = map(int, p.line().split())
    assert calls == 100 and idle < 10


def test_who_registers_right_after_another_is_woken(child):
    """What came while the dispatcher thread handled the last one was handled with it, and its trip
    was still out when the signal was given back."""
    p = child(HERE / "registers_right_after.py")
    assert p.line() == "0"
