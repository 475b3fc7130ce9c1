"""When handlers are called: order, exceptions, re-entry, coalescing, lost trips."""

import os
import signal
import sys

import pytest

import sigrec
from tests.conftest import RT, sigqueue, wait_until


def lines(process, n):
    return [process.line() for _ in range(n)]


def test_a_handler_that_raises_loses_nothing(child):
    p = child(
        """
        seen = []
        def handler(signum, info, frame):
            seen.append(info.ordinal)
            if len(seen) == 10:
                raise RuntimeError("the tenth")
        sigrec.register(RT, handler, siginfo=True)
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, {RT})
            for n in range(1000):
                sigqueue(os.getpid(), RT, n)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {RT})
            say("no exception")
        except RuntimeError as error:
            say("raised", error)
        settle(RT)
        say(len(seen), seen == list(range(1000)), *ledger(RT))
        """
    )
    assert p.line() == "raised the tenth"
    assert p.line() == "1000 True 1000 1000 1000 0"


def test_a_slow_handler_is_not_nested(child):
    p = child(
        """
        depth = deepest = calls = 0
        def handler(signum, frame):
            global depth, deepest, calls
            depth += 1
            calls += 1
            deepest = max(deepest, depth)
            sum(range(2000))
            depth -= 1
        sigrec.register(RT, handler, reentrant=(sys.argv[1] == "True"))
        say("ready")
        hear()
        settle(RT)
        say(deepest, calls, *ledger(RT))
        """,
        False,
    )
    p.line()
    p.flood(RT, 20_000)
    p.tell()
    assert p.line() == "1 20000 20000 20000 20000 0"


def test_a_reentrant_handler_stops_at_the_stated_depth(child):
    p = child(
        """
        depth = deepest = calls = 0
        def handler(signum, frame):
            global depth, deepest, calls
            depth += 1
            calls += 1
            deepest = max(deepest, depth)
            if calls < 100:
                sigqueue(os.getpid(), RT)
            depth -= 1
        for reentrant in (True, False):
            deepest = calls = 0
            with sigrec.register(RT, handler, reentrant=reentrant):
                sigqueue(os.getpid(), RT)
            say(calls, deepest)
        say(*ledger(RT))
        """
    )
    assert lines(p, 3) == ["100 8", "100 1", "200 200 200 0"]


def test_other_signals_interrupt_a_handler(child):
    p = child(
        """
        order = []
        def outer(signum, frame):
            order.append("begin")
            signal.raise_signal(signal.SIGUSR1)  # its own: waits
            signal.raise_signal(signal.SIGUSR2)  # another: runs now
            order.append("end")
            outer_calls.append(1)
        outer_calls = []
        def first_only(signum, frame):
            outer(signum, frame) if not order else order.append("second")
        sigrec.register(signal.SIGUSR1, first_only)
        sigrec.register(signal.SIGUSR2, lambda s, f: order.append("other"))
        signal.raise_signal(signal.SIGUSR1)
        say(*order)
        """
    )
    assert p.line() == "begin other end second"


def test_signals_are_handled_in_order_of_time(child):
    p = child(
        """
        seen = []
        signums = [signal.SIGRTMIN + n for n in range(1, 5)]
        for signum in signums:
            sigrec.register(signum, lambda s, info, f: seen.append(info.si_value), siginfo=True)
        def send_all(signum, frame):
            # Handlers of other signals may run inside this one: they do, one by one.
            for n in range(200):
                sigqueue(os.getpid(), signums[n % 4], n)
        sigrec.register(signal.SIGUSR1, send_all)
        signal.raise_signal(signal.SIGUSR1)
        settle(*signums)
        say(seen == list(range(200)))
        """
    )
    assert p.line() == "True"


def test_a_second_ctrl_c_reaches_a_slow_shutdown(child):
    p = child(
        """
        count = 0
        def on_interrupt(signum, frame):
            global count
            count += 1
            mine = count
            say("interrupt", mine)
            if mine == 1:
                while count < 2:
                    time.sleep(0.01)
                say("shutdown goes on")
        sigrec.register(signal.SIGINT, on_interrupt)
        say("ready")
        while count < 2:
            time.sleep(0.01)
        """
    )
    p.line()
    p.process.send_signal(signal.SIGINT)
    assert p.line() == "interrupt 1"
    p.process.send_signal(signal.SIGINT)
    assert p.line() == "interrupt 2"
    assert p.line() == "shutdown goes on"
    p.end()


def test_three_ctrl_c_in_c_code_are_one_keyboard_interrupt(child):
    p = child(
        """
        sigrec.register(signal.SIGINT, signal.default_int_handler)
        cleaned = interrupts = 0
        try:
            _core.flood(os.getpid(), signal.SIGINT, 3, False, 0)  # three deliveries in one C call
            for _ in range(100000):
                pass
        except KeyboardInterrupt:
            interrupts += 1
            for _ in range(100000):
                cleaned += 1
        say(interrupts, cleaned, *ledger(signal.SIGINT))
        """
    )
    assert p.line() == "1 100000 3 3 3 0"


def test_coalesce_calls_once_for_all_that_wait(child):
    p = child(
        """
        calls = 0
        def handler(signum, frame):
            global calls
            calls += 1
        sigrec.register(RT, handler, coalesce=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, {RT})
        _core.flood(os.getpid(), RT, 500, True, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {RT})
        settle(RT)
        say(calls < 50, *ledger(RT))
        """
    )
    assert p.line() == "True 500 500 500 0"


def test_a_handler_may_unregister_replace_and_register(child):
    p = child(
        """
        log = []
        def once(signum, frame):
            log.append("once")
            sigrec.unregister(signum)
        signal.signal(RT, lambda s, f: log.append("before"))
        sigrec.register(RT, once)
        sigqueue(os.getpid(), RT)
        sigqueue(os.getpid(), RT)
        say(*log)
        log.clear()
        def second(signum, frame):
            log.append("second")
        def replaces(signum, frame):
            log.append("first")
            sigrec.register(signum, second)
        sigrec.register(RT, replaces)
        sigqueue(os.getpid(), RT)
        sigqueue(os.getpid(), RT)
        say(*log)
        log.clear()
        def adds(signum, frame):
            sigrec.register(signal.SIGUSR1, lambda s, f: log.append("added"))
            signal.raise_signal(signal.SIGUSR1)
            log.append("adder")
        sigrec.register(RT, adds)
        sigqueue(os.getpid(), RT)
        say(*log)
        """
    )
    assert lines(p, 3) == ["once before", "first second", "added adder"]


def test_unregister_inside_the_handler_abandons_what_waits(child):
    p = child(
        """
        calls = 0
        def handler(signum, frame):
            global calls
            calls += 1
            registration.cancel()
        signal.signal(RT, signal.SIG_IGN)
        registration = sigrec.register(RT, handler)
        # 5 deliveries in one C call: the handler runs after it.
        _core.flood(os.getpid(), RT, 5, True, 0)
        for _ in range(1000): pass
        s = sigrec.stats()[RT]
        say(calls, s.delivered, s.handled, s.abandoned, s.pending, s.mode)
        """
    )
    assert p.line() == "1 5 1 4 0 unregistered"


def test_leaving_the_block_handles_what_was_delivered_before(child):
    p = child(
        """
        calls = 0
        def handler(signum, frame):
            global calls
            calls += 1
        signal.signal(RT, signal.SIG_IGN)
        with sigrec.register(RT, handler):
            _core.flood(os.getpid(), RT, 20, True, 0)
        say(calls, *ledger(RT), signal.getsignal(RT) == signal.SIG_IGN)
        """
    )
    assert p.line() == "20 20 20 20 0 True"


def test_draining_raises_and_goes_on(child):
    """What cancel() does about signals that are delivered while it runs."""
    p = child(
        """
        import functools, operator
        calls = 0
        def handler(signum, frame):
            global calls
            calls += 1
            if calls == 3:
                raise RuntimeError("third")
        sigrec.register(RT, handler)
        # No bytecode between the two calls: nothing is dispatched in between.
        steps = [functools.partial(_core.flood, os.getpid(), RT, 20, True, 0), functools.partial(_core.drain_now, RT, None)]
        try:
            list(map(functools.partial.__call__, steps))
        except RuntimeError as error:
            say("raised", error)
        _core.drain_now(RT, None)
        say(calls, *ledger(RT))
        """
    )
    assert p.line() == "raised third"
    assert p.line() == "20 20 20 20 0"


def test_sig_dfl_in_between_does_not_wedge(child):
    p = child(
        """
        calls = 0
        def handler(signum, frame):
            global calls
            calls += 1
        def swallow(signum, frame):
            # RT is delivered and trips; then its Python-level handler is gone
            # before CPython looks: "ignored due to race condition".
            _core.flood(os.getpid(), RT, 1, True, 0)
            signal.signal(RT, signal.SIG_DFL)
            if sys.argv[1] == "again":
                sigrec.register(RT, handler)
        sigrec.register(RT, handler)
        sigrec.register(signal.SIGUSR1, swallow)
        sys.unraisablehook = lambda unraisable: None
        signal.raise_signal(signal.SIGUSR1)
        for _ in range(1000): pass
        if sys.argv[1] == "again":
            _core.flood(os.getpid(), RT, 1, True, 0)
        settle(RT)
        say(calls, *ledger(RT))
        """,
        "again",
    )
    assert p.line() == "2 2 2 2 0"


def test_a_handler_put_back_by_signal_signal_works_again(child):
    """The save-and-restore idiom brings CPython's C handler back under our Python-level one."""
    p = child(
        """
        calls = 0
        def handler(signum, frame):
            global calls
            calls += 1
        sigrec.register(RT, handler)
        saved = signal.signal(RT, signal.SIG_IGN)
        say(sigrec.stats()[RT].replaced)
        signal.signal(RT, saved)
        for _ in range(5):
            sigqueue(os.getpid(), RT)
        say(calls, sigrec.stats()[RT].replaced)
        say(*ledger(RT))
        """
    )
    assert p.line() == "True"
    assert p.line() == "5 False"
    assert p.line() == "4 4 4 0"  # the first came to CPython's handler, and not to ours


def test_a_trip_lost_at_fork(child):
    """CPython clears its trip flags in a child: what came there before must not wait for ever.

    PyOS_AfterFork_Child is what os.fork calls; here it follows a signal that it has tripped."""
    p = child(
        """
        import ctypes
        calls = 0
        def handler(signum, frame):
            global calls
            calls += 1
        sigrec.register(RT, handler)
        fork = ctypes.PyDLL(None).fork  # the GIL held, and no clean-up of Python's
        ctypes.pythonapi.PyOS_BeforeFork()
        pid = fork()
        if pid == 0:
            ctypes.PyDLL(None).sigqueue(os.getpid(), RT, None)
            ctypes.pythonapi.PyOS_AfterFork_Child()
            settle(RT)
            say("child", calls, *ledger(RT))
            os._exit(0)
        ctypes.pythonapi.PyOS_AfterFork_Parent()
        os.waitpid(pid, 0)
        say("parent", calls)
        """
    )
    assert p.line() == "child 1 1 1 1 0"
    assert p.line() == "parent 0"


def test_siginfo_and_frame(child):
    p = child(
        """
        got = []
        def handler(signum, info, frame):
            got.append((signum, info, frame))
        def interrupted():
            sigqueue(os.getpid(), RT, -42)
        sigrec.register(RT, handler, siginfo=True)
        interrupted()
        signum, info, frame = got[0]
        say(signum == RT, info.si_pid == os.getpid(), info.si_uid == os.getuid(), info.si_value)
        say(type(signum) is int, frame.f_code.co_name in ("interrupted", "sigqueue"))
        say(abs(info.time_ns - time.time_ns()) < 60 * 10**9, info.time.tzinfo is not None, info.tid == threading.get_native_id())
        """
    )
    assert lines(p, 3) == ["True True True -42", "True True", "True True True"]


def test_at_exit_nothing_breaks(child):
    p = child(
        """
        import atexit
        sigrec.register(RT, lambda s, f: None)
        atexit.register(lambda: sigqueue(os.getpid(), RT))
        say("ready")
        hear()
        """
    )
    p.line()
    p.flood(RT, 1000)
    p.tell()
    p.end(0)


@pytest.mark.parametrize("signum", [signal.SIGUSR1, RT], ids=["standard", "real-time"])
def test_the_main_thread_is_kicked_where_a_worker_took_the_signal(child, signum):
    """It sleeps for an hour in a call that nothing interrupts: plain CPython would let it."""
    p = child(
        """
        end = threading.Event()
        def work():
            while not end.is_set(): pass
        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        calls = 0
        def handler(s, f):
            global calls
            calls += 1
            say(calls)
            if calls == 150:
                end.set()
                sys.exit()
        sigrec.register(int(sys.argv[1]), handler)
        say(worker.native_id)
        try:
            time.sleep(3600)
        finally:
            say(*ledger(int(sys.argv[1])), signal.SIGURG in sigrec.stats())
        """,
        int(signum),
    )
    worker = int(p.line())

    def asleep():
        with open(f"/proc/{p.pid}/task/{p.pid}/syscall") as file:
            return file.read().startswith("230 ")  # clock_nanosleep(2) on x86-64

    for n in range(150):
        if os.uname().machine == "x86_64":
            wait_until(asleep)  # the moment before the call is nobody's to close
        sigqueue(p.pid, signum, thread=worker)
        assert p.line() == str(n + 1)
    assert p.line() == "150 150 150 0 False"
    p.end()


SLEEPS = {
    "select": "select.select([], [], [])",
    "sleep": "time.sleep(3600)",
    "lock": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "after an exception": "survive()",
}


@pytest.mark.parametrize("sleep", SLEEPS)
def test_what_a_batch_left_is_handled_while_the_main_thread_sleeps(child, sleep):
    """More than one dispatch hands out: nothing else wakes the call that it came from."""
    p = child(
        """
        import select
        calls, raises = 0, sys.argv[1] == "survive()"
        class Now(Exception): pass
        def handler(s, f):
            global calls
            calls += 1
            if raises and calls % 10_000 == 0:
                raise Now
        def survive(levels=20):  # it surfaces in the except clause, too
            while True:
                try:
                    if levels:
                        survive(levels - 1)
                    elif not calls:
                        say("ready")  # not before: here all can be survived
                    select.select([], [], [])
                except Now:
                    pass
        sigrec.register(RT, handler)
        if not raises:
            say("ready")
        exec(sys.argv[1])
        """,
        SLEEPS[sleep],
    )
    p.line()
    p.flood(RT, 100_000)
    with sigrec.open_recording(p.pid) as recording:
        wait_until(lambda: recording.signals[RT].delivered == 100_000)
        wait_until(lambda: recording.signals[RT].pending == 0)
        assert recording.signals[RT].handled == 100_000
        assert signal.SIGURG not in recording.signals


def test_a_signal_given_back_while_many_wait_is_no_race(child):
    """CPython would say: Signal 10 ignored due to race condition."""
    p = child(
        """
        for _ in range(20):
            with sigrec.register(RT, lambda s, f: None):
                _core.flood(os.getpid(), RT, 20_000, True, 60_000_000_000)
        say(*ledger(RT))
        """
    )
    assert p.line() == "400000 400000 400000 0"
    assert p.end()[1] == ""


@pytest.mark.parametrize("siginfo", [False, True])
def test_no_python_code_runs_between_claim_and_call(siginfo):
    """Another signal's handler could run in it and raise, and this call would never be made."""
    called = []

    def profile(frame, event, argument):
        if event == "call":
            called.append(frame.f_code.co_name)

    def the_handler(*arguments):
        sys.setprofile(None)

    with sigrec.register(signal.SIGUSR1, the_handler, siginfo=siginfo):
        sys.setprofile(profile)
        signal.raise_signal(signal.SIGUSR1)
        sys.setprofile(None)
    assert called == ["the_handler"]
