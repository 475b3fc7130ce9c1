"""timer(): every expiration is counted, whatever the process does meanwhile."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

import sigrec
from tests.conftest import RT, wait_until, with_room

HERE = Path(__file__).parent


def test_it_expires_and_calls(child):
    p = child(
        """
        got = []
        timer = with_room(sigrec.timer, 0.001, got.append, value=-7, signum=RT)
        while len(got) < 20: time.sleep(0.001)
        timer.cancel()
        ended = timer.expirations
        settle(RT)
        say({(i.si_signo, i.si_code, i.si_value, i.sender.kind) for i in got} == {(RT, -2, -7, "timer")})
        taken = timer._handle.taken  # by cancel(): those of a signal that was pending just then
        say(ended == sum(1 + i.si_overrun for i in got) + taken == timer.expirations)
        say(repr(timer))
        say(signal.getsignal(RT) == signal.SIG_DFL, RT not in sigrec.stats() or sigrec.stats()[RT].mode)
        """
    )
    assert p.line() == "True"
    assert p.line() == "True"
    assert p.line().startswith("<Timer of SIGRTMIN+2: ")
    p.end()


def test_a_full_queue_names_the_limit(child):
    """timer_create(2) takes one of the signals that this user may have queued."""
    p = child(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))
        for make in (lambda: sigrec.timer(1, signum=RT), sigrec.timeout(1).__enter__):
            try:
                make()
            except BlockingIOError as error:
                say(error)
        say(RT in sigrec.stats(), signal.getsignal(RT) == signal.SIG_DFL)
        """
    )
    for _ in range(2):
        said = p.line()
        assert "RLIMIT_SIGPENDING" in said and "a timer" in said and "setrlimit(2)" in said
    assert p.line().endswith("True")
    p.end()


def test_a_queue_that_is_full_for_a_moment_is_waited_for(child):
    """Without the GIL: another thread makes room."""
    p = child(
        """
        import resource
        before = resource.getrlimit(resource.RLIMIT_SIGPENDING)
        for make in (lambda: sigrec.timer(60, signum=RT), sigrec.timeout(60).__enter__):
            resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, before[1]))
            room = threading.Timer(0.005, lambda: resource.setrlimit(resource.RLIMIT_SIGPENDING, before))
            room.start()
            make()
            room.join()
        say("made")
        """
    )
    assert p.line() == "made"
    p.end()


@pytest.mark.parametrize("thread", ["process", "thread"])
def test_20_kHz_over_a_process_that_stalls(child, thread):
    """Blocked, in C with the GIL held, and stopped: expirations == elapsed / interval."""
    p = child(
        HERE / "stalls.py",
        thread,
    )
    p.line()
    for _ in range(20):
        os.kill(p.pid, signal.SIGSTOP)
        time.sleep(0.01)
        os.kill(p.pid, signal.SIGCONT)
    p.tell()
    said = p.line()
    assert said.startswith("True"), said
    assert p.line() == "True"  # the kernel merged some, and every one of them is counted
    p.end()


def test_to_one_thread(child):
    p = child(
        """
        signum = RT
        ready, end = threading.Event(), threading.Event()
        def work():
            signal.pthread_sigmask(signal.SIG_BLOCK, {RT})
            ready.set()
            end.wait()
        worker = threading.Thread(target=work)
        worker.start()
        ready.wait()
        timer = with_room(sigrec.timer, 0.001, thread=worker.native_id, signum=RT)
        time.sleep(0.02)
        say(timer.expirations)  # it is blocked there, and for no other
        end.set()
        worker.join()
        timer.cancel()
        """
    )
    assert p.line() == "0"
    p.end()


def test_a_signal_of_its_own_and_it_gives_it_back():
    with with_room(sigrec.timer, 60) as one, with_room(sigrec.timer, 60) as two:
        assert one.signum != two.signum
        assert signal.SIGRTMIN <= one.signum <= signal.SIGRTMAX
        with pytest.raises(ValueError, match=f"{int(one.signum)} is another timer's"):
            with_room(sigrec.timer, 60, signum=one.signum)
    with with_room(sigrec.timer, 60, signum=one.signum) as again:
        assert again.expirations == 0
    again.cancel()


def test_timers_made_at_once_have_signals_of_their_own(child):
    """In threads, and in a handler that interrupts one being made."""
    p = child(
        """
        sys.setswitchinterval(1e-6)
        made = []
        signal.signal(signal.SIGUSR1, lambda *a: made.append(with_room(sigrec.timer, 60)))
        for _ in range(10):
            barrier = threading.Barrier(5)
            def make():
                barrier.wait()
                made.append(with_room(sigrec.timer, 60))
            threads = [threading.Thread(target=make) for _ in range(4)]
            for t in threads: t.start()
            barrier.wait()
            signal.raise_signal(signal.SIGUSR1)
            for t in threads: t.join()
            assert len({t.signum for t in made}) == len(made) == 5
            for t in made: t.cancel()
            made.clear()
        say("each")
        """
    )
    assert p.line() == "each"
    p.end()


def test_not_with_a_signal_that_is_registered():
    with (
        sigrec.register(RT, lambda *a: None, deliver="thread"),
        pytest.raises(ValueError, match="is registered: a timer needs one of its own"),
    ):
        sigrec.timer(60, signum=RT)
    with with_room(sigrec.timer, 60, signum=RT):
        pass


@pytest.mark.parametrize("thread", [None, "own", "another"])
def test_what_is_pending_at_cancel_is_counted(child, thread):
    """In each thread that could take it, it is blocked; the kernel goes on counting."""
    p = child(HERE / "cancels_a_pending_timer.py", str(thread))
    said = p.line()
    assert said.startswith("True"), said
    assert p.line() == "0"
    p.end()


def test_where_every_signal_is_taken(child):
    p = child(
        """
        for signum in range(signal.SIGRTMIN, signal.SIGRTMAX + 1):
            signal.signal(signum, lambda *a: None)
        try:
            sigrec.timer(1)
        except sigrec.SigrecError as error:
            say(error)
        """
    )
    assert "every real-time signal has a handler" in p.line()
    p.end()


def test_first_and_once_a_long_interval():
    got = []
    with with_room(sigrec.timer, 3600, got.append, first=1e-9) as timer:
        wait_until(lambda: got)
        assert timer.expirations == 1


def test_a_clock_of_work_done_does_not_go_while_it_sleeps(child):
    p = child(
        """
        with with_room(sigrec.timer, 0.001, clock=time.CLOCK_PROCESS_CPUTIME_ID) as timer:
            while timer.expirations < 10: pass
        say("end")
        """
    )
    assert p.line() == "end"
    p.end()


def test_in_a_forked_child_it_does_not_run(child):
    p = child(
        """
        timer = with_room(sigrec.timer, 0.001)
        while timer.expirations < 2: pass
        pid = os.fork()
        if pid == 0:
            none = timer.expirations == 0
            time.sleep(0.02)
            none = none and timer.expirations == 0 and "0 expirations" in repr(timer)
            timer.cancel()
            os._exit(0 if none and timer.expirations == 0 else 1)
        say(os.waitpid(pid, 0)[1])
        before = timer.expirations
        while timer.expirations == before: pass
        timer.cancel()
        """
    )
    assert p.line() == "0"
    p.end()


def test_an_error_in_the_handler_is_reported_and_it_goes_on(monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args.exc_value))
    error = RuntimeError("no")

    def handler(info):
        raise error

    with with_room(sigrec.timer, 0.001, handler):
        wait_until(lambda: len(seen) > 2)
    assert set(seen) == {error}


@pytest.mark.parametrize(
    "bad", ["1", None, True, 0, -1, float("nan"), float("inf"), 1e-10, 1e300, 10**400]
)
def test_bad_intervals(bad):
    before = sigrec.stats()
    with pytest.raises(ValueError, match="interval must be"):
        sigrec.timer(bad)
    if bad is not None:
        with pytest.raises(ValueError, match="first must be"):
            sigrec.timer(1, first=bad)
    assert [s.mode for s in sigrec.stats()] == [s.mode for s in before]


@pytest.mark.parametrize(
    "arguments",
    [{"handler": 3}, {"clock": "monotonic"}, {"thread": -1}, {"thread": True}, {"value": 1 << 63},
     {"value": "x"}, {"signum": 0}, {"signum": signal.SIGKILL}, {"signum": "SIGNOPE"}],
)  # fmt: skip
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="must be|cannot|no signal"):
        sigrec.timer(1, **arguments)


def test_what_the_kernel_refuses_leaves_nothing_registered():
    # CLOCK_BOOTTIME_ALARM, where no real-time clock can wake the machine.
    alarm = [] if list(Path("/sys/class/rtc").glob("*")) else [{"clock": 9}]
    for arguments in ({"clock": 12345}, {"thread": 1}, *alarm):
        with pytest.raises(ValueError, match=str(*arguments.values())):
            with_room(sigrec.timer, 1, signum=RT, **arguments)
        assert (RT, "registered") not in {(s.signum, s.mode) for s in sigrec.stats()}
    with with_room(sigrec.timer, 0.001, signum=RT) as timer:
        wait_until(lambda: timer.expirations)


def test_cancelled_while_its_signal_is_pending(child):
    """In a thread that blocks it, and for the main thread by another: nobody dies of it later."""
    p = child(HERE / "cancels_from_a_thread.py")
    assert p.line() == "alive"
    p.end()


def test_what_an_audit_hook_raises_leaves_no_signal_taken(child):
    """What is pending is more than the timer's own, and so cancel() looks which thread takes it."""
    p = child(HERE / "cancels_where_an_audit_hook_raises.py")
    assert p.line() == p.line() == "stopped 0"
    assert p.line() == "False"
    assert p.line() == "again"
    p.end()


def test_cancelled_from_its_own_handler_and_from_another_thread():
    done = threading.Event()
    timers = []

    def handler(info):
        timers[0].cancel()
        done.set()

    ready = threading.Event()
    timers.append(
        with_room(sigrec.timer, 3600, lambda info: (ready.wait(), handler(info)), first=0.001)
    )
    ready.set()
    assert done.wait(60)
    other = with_room(sigrec.timer, 0.001)
    worker = threading.Thread(target=other.cancel)
    worker.start()
    worker.join()
    time.sleep(0)
    assert "cancelled" in repr(other)
