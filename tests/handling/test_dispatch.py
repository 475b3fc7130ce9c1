"""When handlers are called: order, exceptions, re-entry, coalescing, lost trips."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

import sigrec
from sigrec._recorder.own import own_recording
from tests.compiling import library
from tests.conftest import PRELUDE, RT, sigqueue, wait_until, with_room

HERE = Path(__file__).parent


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


@pytest.mark.parametrize("options", [{}, {"siginfo": True}, {"batch": True}], ids=str)
def test_a_handler_calls_what_getsignal_had_shown(options):
    """As one does that does not want to take another's place. It means the one beneath."""
    calls = []

    def handler(name, before):
        def handler(signum, *arguments):
            calls.append(name if name != "first" else f"{name}, {len(arguments)}")
            assert len(calls) < 20
            if calls == ["third"]:
                signal.raise_signal(signum)  # it is interrupted by its own signal
            if before is not None:
                before(signum, arguments[-1])

        return handler

    with sigrec.SignalManager() as manager:
        first = manager.register(RT, handler("first", None), reentrant=True, **options)
        handled = sigrec.stats()[RT].handled
        for name in ("second", "third"):
            manager.register(RT, handler(name, signal.getsignal(RT)), reentrant=True)
        with_room(signal.raise_signal, RT)
        one = f"first, {1 + bool(options)}"
        assert calls == ["third", "third", "second", one, "second", one]
        assert sigrec.stats()[RT].handled - handled == 2
        first.cancel()
        calls[:] = ["last"]
        with_room(signal.raise_signal, RT)
        assert calls == ["last", "third", "second"]
        with pytest.raises(ValueError, match="getsignal"):
            manager.register(RT, signal.getsignal(RT))


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
    p.flood(RT, 5_000)
    p.tell()
    assert p.line() == "1 5000 5000 5000 5000 0"


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
                while calls < 100: pass  # (once it is given back, one more would end this)
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
        sigrec.register(RT, count_call, coalesce=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, {RT})
        _core.flood(os.getpid(), RT, 500, True, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {RT})
        settle(RT)
        say(calls < 50, *ledger(RT))
        """
    )
    assert p.line() == "True 500 500 500 0"


def test_a_handler_may_unregister_replace_and_register(child):
    p = child(HERE / "registers_within.py")
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
        signal.signal(RT, signal.SIG_IGN)
        with sigrec.register(RT, count_call):
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


def test_a_program_that_begins_to_use_sigurg_gets_no_kick_and_all_is_handled(child):
    """While slow handlers let the program go on now and then, a timer kicks the main thread."""
    p = child(
        """
        def slow(signum, frame):
            count_call(signum, frame)
            time.sleep(0.001)
        def note(signum, frame):
            kicked.append(calls)
        kicked = []
        sigrec.register(RT, slow)
        _core.flood(os.getpid(), RT, 60, True, 0)
        while calls < 60:
            for handler in note, signal.SIG_DFL:
                signal.signal(signal.SIGURG, handler)
                for _ in range(100): pass
        say(calls, *ledger(RT), kicked)
        """
    )
    assert p.line() == "60 60 60 60 0 []"


# The first call of its handler takes so long that four wait for a kick.
FOUR_WAIT = (
    PRELUDE
    + """
def slow(signum, frame):
    count_call(signum, frame)
    if calls % 5 == 1:
        time.sleep(0.006)
def four_wait():
    signal.pthread_sigmask(signal.SIG_BLOCK, {RT})
    _core.flood(os.getpid(), RT, 5, True, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {RT})
"""
)


def test_what_comes_when_all_is_handled_waits_for_no_kick(child):
    p = child(
        """
        others = []
        sigrec.register(signal.SIGUSR1, lambda *_: others.append(calls))
        for n in range(1, 21):
            registration = sigrec.register(RT, slow)
            four_wait()
            registration.cancel()  # handles them, so that none is kicked any more
            signal.raise_signal(signal.SIGUSR1)
            while len(others) < n: pass
        say(others == [5 * n for n in range(1, 21)])
        """,
        prelude=FOUR_WAIT,
    )
    assert p.line() == "True"


def test_a_look_at_the_counts_takes_no_kick_away(child):
    """SIGURG, which kicks, is recorded as well."""
    p = child(
        """
        sigrec.register(RT, slow)
        sigrec.record()
        for n in range(1, 21):
            four_wait()
            sigrec.stats()
            while calls < 5 * n: pass
        say(*ledger(RT))
        """,
        prelude=FOUR_WAIT,
    )
    assert p.line() == "100 100 100 0"


def test_a_program_that_blocks_the_kick_has_all_handled(child):
    p = child(
        """
        sigrec.register(RT, slow)
        for n in range(1, 21):
            four_wait()
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGURG})
            while calls < 5 * n: pass
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGURG})
        say(*ledger(RT))
        """,
        prelude=FOUR_WAIT,
    )
    assert p.line() == "100 100 100 0"


def test_a_signal_that_moves_to_the_main_thread_while_its_handler_runs(child):
    p = child(
        """
        import threading
        began, go = threading.Event(), threading.Event()
        def in_thread(signum, frame):
            began.set()
            go.wait()
        sigrec.register(RT, in_thread, deliver="thread")
        with_room(signal.raise_signal, RT)
        began.wait()
        sigrec.register(RT, count_call)
        # It has to wait, as a handler of the same signal runs.
        with_room(signal.raise_signal, RT)
        say(calls)
        go.set()
        while not calls: pass
        say(calls)
        """
    )
    assert [p.line(), p.line()] == ["0", "1"]


def test_a_signal_that_moves_to_the_dispatcher_thread_while_its_handler_runs(child):
    p = child(
        """
        def in_main(signum, frame):
            sigrec.register(RT, count_call, deliver="thread")
            with_room(signal.raise_signal, RT)
            time.sleep(0.05)  # the dispatcher thread looks
            say(calls)
        sigrec.register(RT, in_main)
        with_room(signal.raise_signal, RT)
        while not calls: time.sleep(0.001)
        say(calls)
        """
    )
    assert [p.line(), p.line()] == ["0", "1"]


# CPython has noted both when it looks, and calls the handler of SIGUSR1 first.
TOGETHER = (
    PRELUDE
    + """
def come_together(count):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, RT})
    os.kill(os.getpid(), signal.SIGUSR1)
    _core.flood(os.getpid(), RT, count, True, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1, RT})
"""
)


@pytest.mark.parametrize("intake", ["handler", "thread"])
@pytest.mark.parametrize("other", ["signal.SIG_DFL", "signal.SIG_IGN", "surplus.append"])
def test_signal_signal_handles_what_waits_and_is_no_race(child, other, intake):
    """CPython would find a trip of ours when the handler in Python is another: it says "Signal 36
    ignored due to race condition", or calls that handler."""
    p = child(
        """
        surplus = []
        def replace(signum, frame):
            signal.signal(RT, eval(sys.argv[1]))
            say(calls, *ledger(RT), surplus)
        sigrec.register(signal.SIGUSR1, replace)
        for n in 1, 2:
            sigrec.register(RT, count_call, intake=sys.argv[2])
            come_together(1000)
        sigrec.unregister(RT)
        say(calls, *ledger(RT), surplus)
        """,
        other,
        intake,
        prelude=TOGETHER,
    )
    assert p.line() == "1000 1000 1000 1000 0 []"
    assert p.line() == p.line() == "2000 2000 2000 2000 0 []"
    assert p.end()[1] == ""


def test_what_a_handler_raises_in_signal_signal_surfaces_after_it(child):
    p = child(
        """
        def fail(signum, frame):
            count_call(signum, frame)
            if calls == 2:
                raise KeyError(calls)
        def replace(signum, frame):
            signal.signal(RT, signal.SIG_IGN)
        sigrec.register(signal.SIGUSR1, replace)
        sigrec.register(RT, fail)
        try:
            come_together(5)
        except KeyError as error:
            say(error, signal.getsignal(RT) == signal.SIG_IGN)
        settle(RT)
        say(calls, *ledger(RT))
        """,
        prelude=TOGETHER,
    )
    assert p.line() == "2 True"
    assert p.line() == "5 5 5 5 0"
    assert p.end()[1] == ""


def test_a_handler_put_back_by_signal_signal_works_again(child):
    """The save-and-restore idiom brings CPython's C handler back under our Python-level one."""
    p = child(
        """
        sigrec.register(RT, count_call)
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
        sigrec.register(RT, count_call)
        fork = ctypes.PyDLL(None).fork  # the GIL held, and no clean-up of Python's
        ctypes.pythonapi.PyOS_BeforeFork()
        pid = fork()
        if pid == 0:
            while ctypes.PyDLL(None).sigqueue(os.getpid(), RT, None): pass  # no room
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
        HERE / "sleeps_while_a_worker_takes.py",
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
        HERE / "sleeps_in.py",
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
                _core.flood(os.getpid(), RT, 2_000, True, 60_000_000_000)
        say(*ledger(RT))
        """
    )
    assert p.line() == "40000 40000 40000 0"
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


# --- a call that no signal of ours stands behind ------------------------------------------


@pytest.mark.parametrize("how", ["interrupt_main", "PyErr_SetInterrupt", "another thread"])
@pytest.mark.parametrize("door", ["register", "siginfo", "compat", "record", "slow"])
def test_a_simulated_signal_calls_the_handler_beside_the_ledger(child, door, how):
    p = child(
        HERE / "simulated.py",
        door,
        how,
    )
    first = {"siginfo": "None", "slow": "plain end plain"}.get(door, "plain")
    assert p.line() == f"{first} 0 0 0 0"
    assert p.line() == f"{len(first.split()) + 1} 1 1 1 0"


def test_a_simulated_ctrl_c_is_a_keyboard_interrupt_once(child):
    p = child(
        """
        import _thread, sigrec.compat
        sigrec.compat.signal(signal.SIGINT, signal.default_int_handler)
        for _ in range(2):
            try:
                _thread.interrupt_main()
                for _ in range(1000): pass
                say("nothing")
            except KeyboardInterrupt:
                say("KeyboardInterrupt")
            for _ in range(1000): pass
        say(*ledger(signal.SIGINT))
        calls = []
        with sigrec.register(signal.SIGUSR1, lambda *_: calls.append(1), deliver="thread"):
            _thread.interrupt_main(signal.SIGUSR1)
        say(calls)
        """
    )
    assert lines(p, 4) == ["KeyboardInterrupt", "KeyboardInterrupt", "0 0 0 0", "[]"]  # limits.md


def test_what_two_signals_trip_together_is_not_taken_for_a_simulated_one(child):
    """The first call of dispatch handles both, in threads, floods, and after trips made again."""
    p = child(HERE / "trips_together.py")
    assert p.line() == "True"


@pytest.mark.parametrize("times", [2, 5])
def test_a_library_that_only_calls_on_is_not_replaced(child, times):
    """faulthandler dumps and calls what was before it; its place stays its own."""
    p = child(
        """
        import faulthandler, tempfile
        calls = []
        out = tempfile.TemporaryFile("w+")
        for signum in (signal.SIGUSR1, signal.SIGUSR2):
            sigrec.register(signum, lambda s, f: calls.append(s))
        faulthandler.register(signal.SIGUSR2, chain=True, file=out, all_threads=False)
        for _ in range(int(sys.argv[1])):
            signal.pthread_sigmask(signal.SIG_BLOCK, {10, 12})
            os.kill(os.getpid(), 10); os.kill(os.getpid(), 12)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {10, 12})
        out.seek(0)
        say(calls.count(10), calls.count(12), out.read().count("most recent"), sigrec.stats()[12].replaced)
        """,
        times,
    )
    assert p.line() == f"{times} {times} {times} True"


def test_a_library_that_simulates_keeps_its_place(child):
    """As cysignals does, which interrupts its own C code and for all else calls PyErr_SetInterrupt."""
    p = child(
        """
        import ctypes
        calls = []
        sigrec.register(signal.SIGINT, lambda s, f: calls.append(s))
        # PyErr_SetInterrupt itself, which looks at no argument, as the handler of a library.
        library = ctypes.cast(ctypes.pythonapi.PyErr_SetInterrupt, ctypes.c_void_p)
        libc = ctypes.PyDLL(None)
        libc.signal.restype = ctypes.c_void_p
        libc.signal(2, library)
        for _ in range(3):
            os.kill(os.getpid(), 2)
            for _ in range(1000): pass
        libc.signal.argtypes = ctypes.c_int, ctypes.c_void_p
        say(len(calls), libc.signal(2, None) == library.value, *ledger(2))
        """
    )
    assert p.line() == "3 True 0 0 0 0"


# --- the main thread gets on, and is told ---------------------------------------------------


def test_slow_handlers_leave_the_main_thread_time_between_them(child):
    p = child(
        """
        at, steps = [], 0
        def handler(signum, frame):
            at.append(steps)
            end = time.monotonic() + 0.006
            while time.monotonic() < end: pass
        sigrec.register(RT, handler)
        signal.pthread_sigmask(signal.SIG_BLOCK, {RT})
        for _ in range(30): sigqueue(os.getpid(), RT)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {RT})
        while len(at) < 30:
            steps += 1
        gaps = [b - a for a, b in zip(at[1:], at[2:])]
        say(min(gaps) > 0, *ledger(RT))
        """
    )
    assert p.line() == "True 30 30 30 0"


def test_what_a_thread_without_python_took_is_handled_in_a_loop(child):
    """Before CPython 3.13 a trip off the main thread does not reach the main thread's loop."""
    p = child(
        """
        import ctypes
        libc, holding = ctypes.CDLL(None), ctypes.PyDLL(None)
        before = set(os.listdir("/proc/self/task"))
        calls = []
        sigrec.register(RT, lambda s, f: calls.append(s))
        for _ in range(5):
            thread = ctypes.c_void_p()
            libc.pthread_create(ctypes.byref(thread), None, libc.sleep, ctypes.c_void_p(60))
            libc.pthread_detach(thread)
            now = set(os.listdir("/proc/self/task"))
            (tid,), before = now - before, now
            calls.clear()
            while holding.tgkill(os.getpid(), int(tid), RT): pass  # no room
            for n in range(20_000_000):
                if calls: break
            say(len(calls))
        """
    )
    assert lines(p, 5) == ["1"] * 5


# --- handlers that fail ---------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 200])
@pytest.mark.parametrize("hook", ["standard", "own", "stdout waits"])
def test_the_first_exception_is_reported_and_the_others_are_counted(child, hook, n):
    p = child(
        HERE / "raises_in_a_handler.py",
        hook,
        n,
    )
    errors = p.process.communicate(timeout=60)[1].decode()
    assert errors.count("number 1\n") == 1 and "number 2" not in errors, errors
    assert ("HOOK" if hook == "own" else "Traceback (most recent call last)") in errors
    assert f"and {n - 1} more exception" in errors and "lost sys.stderr" not in errors
    assert f"LEDGER {n} ({n}, {n}, {n}, 0)" in errors
    assert p.process.returncode == 1


def test_the_hook_is_the_programs_again_when_the_exception_was_caught(child):
    p = child(HERE / "catches_the_first_exception.py")
    assert p.line() == "1 5 True 5 5 5 0"
    assert p.process.communicate(timeout=60)[1] == b""


@pytest.mark.parametrize("n", [2, 200])
@pytest.mark.parametrize("how", ["caught", "asyncio", "KeyboardInterrupt"])
def test_what_waited_for_the_same_signal_does_not_raise_again(child, how, n):
    """Nor does what waits for another signal go without its own exception."""
    p = child(
        HERE / "raises_often.py",
        how,
        n,
    )
    calls, second = n, "another signal's"
    if how == "asyncio":
        calls, second = 2 * n + 1, f"number {n + 1}"
    assert p.line() == f"number 1 {second} {calls} {calls} {calls} {calls} 0"
    errors = p.process.communicate(timeout=60)[1].decode()
    # At the end of each dispatch: how many that is, is a matter of time.
    told = {"KeyboardInterrupt": 0, "caught": n - 1, "asyncio": 2 * n - 1}[how]
    assert sum(int(line.split()[2]) for line in errors.splitlines()) == told, errors


def test_in_the_dispatcher_thread_the_first_one_gets_the_hook(child):
    p = child(
        """
        seen = []
        threading.excepthook = lambda arguments: seen.append(str(arguments.exc_value))
        calls = 0
        def handler(signum, frame):
            global calls
            calls += 1
            raise RuntimeError(calls)
        sigrec.register(RT, handler, deliver="thread")
        signal.pthread_sigmask(signal.SIG_BLOCK, {RT})
        for value in range(200): sigqueue(os.getpid(), RT, value)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {RT})
        sigrec.unregister(RT)
        say(calls, seen[0], *ledger(RT))
        """
    )
    assert p.line() == "200 1 200 200 200 0"
    assert b" more exception" in p.process.communicate(timeout=60)[1]


# --- what is beneath ------------------------------------------------------------------------


@pytest.mark.parametrize("steps, dumps", [
    ("r1 fh r2 -r2 -r1", 1), ("r1 fh r2 -r1 -r2", 1), ("r1 fh -r1", 1), ("fh r1 -r1", 1),
    ("r1 fh r2 -fh -r2 -r1", 0), ("r1 fh -fh -r1", 0), ("r1 fh -r1 -fh", 0), ("fh r1 -fh -r1", 0),
    ("r1 fh -r1 -fh r2 -r2", 0), ("fh r1 -r1 r2 -r2", 1), ("r1 fh r2 -r2 -r1 fork", 1),
    ("r1 fh r2 -r2 -r1 r1 -r1 r2 -r2 r1 -r1 r2 -r2 r1 -r1", 1),
])  # fmt: skip
@pytest.mark.parametrize("recorded", [False, True])
def test_a_chain_of_handlers_ends_once_at_what_was_first(child, tmp_path, recorded, steps, dumps):
    """fh: faulthandler, which dumps, and then calls what it found."""
    p = child(
        """
        import faulthandler, resource
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        out = open(sys.argv[1], "w+")
        if sys.argv[3] == "True": recorder = sigrec.record()
        made = {}
        for step in sys.argv[2].split():
            if step == "fh": faulthandler.register(10, chain=True, file=out, all_threads=False)
            elif step == "-fh": faulthandler.unregister(10)
            elif step == "fork":
                if pid := os.fork():
                    status = os.waitpid(pid, 0)[1]
                    os.kill(os.getpid(), os.WTERMSIG(status) or 9)
            elif step[0] == "r": made[step] = sigrec.register(10, lambda s, f: say("called"))
            else: made[step[1:]].cancel()
        os.kill(os.getpid(), 10)
        say("came back")
        """,
        tmp_path / "dump",
        steps,
        recorded,
    )
    said, errors = p.process.communicate(timeout=60)
    found = (tmp_path / "dump").read_text().count("most recent")
    assert (said, p.process.returncode) == (b"", -10), errors
    assert found == dumps * (2 if "fork" in steps else 1)


@pytest.fixture(scope="module")
def two_libraries(tmp_path_factory):
    """Each calls what it found, directly, and where that is the default, exits with 8."""
    directory = tmp_path_factory.mktemp("libraries")
    for name in "ab":
        library(HERE / "chains.c", directory / f"{name}.so", f'-DNAME="{name}"')
    return directory


DIED = -signal.SIGUSR1


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("steps, said, status", [
    # Above us, in both orders; we leave, alone and between them; they leave, too. After that, who
    # calls ours gets what was beneath it there.
    ("r1 a b !", "ba1", 0), ("r1 b a !", "ab1", 0), ("a r1 b !", "b1", 0),
    ("r1 a b -r1 !", "ba", DIED), ("r1 b a -r1 !", "ab", DIED), ("a r1 b -r1 !", "ba", 8),
    ("r1 a b -b !", "a1", 0), ("r1 a b -b -a !", "1", 0), ("r1 a b -b -a -r1 !", "", DIED),
    ("r1 a r2 !", "2", 0), ("r1 a r2 b -r2 -r1 !", "ba", DIED), ("r1 a r2 -r2 -r1 !", "a", DIED),
    ("r1 a r2 b -r1 -r2 -b !", "a", DIED),
    ("r1 a -r1 r2 ! -r2 !", "2a", DIED), ("r1 a b -r1 -b -a !", "", DIED),
    ("r1 a r2 b r3 ! -r3 -r2 -r1 !", "3ba", DIED), ("chld r1 a r2 b -r2 -r1 ! !", "baba", 0),
    # One that stands in it twice has forgotten what it found first, and is not called for ever.
    ("r1 a r2 a ! -r2 -r1 !", "a2a", DIED), ("r1 a r2 a b -r2 -r1 !", "baa", DIED), ("a r1 a -r1 !", "a", DIED),
    ("r1 a r2 b r3 a -r3 -r2 -r1 !", "ab", DIED), ("r1 b r2 a r3 b a -r3 -r2 -r1 !", "ab", DIED),
    # The program itself says so, above us.
    ("r1 ign !", "", 0), ("r1 ign -r1 !", "", 0), ("r1 dfl -r1 !", "", DIED), ("r1 dfl !", "", DIED),
    ("r1 ign r2 ! -r2 -r1 !", "2", 0), ("r1 a ign r2 -r2 -r1 !", "", 0), ("ign r1 a -r1 !", "a", 0),
    # Beneath us, to be called once.
    ("ign a1 r1 ! -r1 ! !", "1a", DIED), ("ign a1 r1 b -r1 ! !", "bab", DIED),
    ("a1 r1 -r1 !", "a", 8),
    # A signal whose default action is nothing.
    ("chld r1 a ! -r1 !", "a1a", 0), ("chld r1 a r2 ! -r2 -r1 !", "2a", 0),
    ("chld a r1 b ! -r1 !", "b1ba", 0), ("chld r1 a -r1 -a !", "", 0),
])  # fmt: skip
def test_a_chain_of_libraries_that_call_what_they_found(child, two_libraries, recorded, steps, said,
                                                        status):  # fmt: skip
    p = child(
        HERE / "plays_libraries.py",
        two_libraries,
        steps,
        recorded,
    )
    out, errors = p.process.communicate(timeout=60)
    assert (out.decode(), p.process.returncode, errors) == (said, status, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD")
def test_neither_the_default_nor_the_interpreter_stands_there_in_between(child, tmp_path):
    """What another thread takes just then would end the process, or reach a handler of later."""
    seen = library(HERE / "seen.c", tmp_path / "seen.so", "-ldl")
    p = child(
        """
        import ctypes
        seen = ctypes.CDLL(sys.argv[1])
        seen.all.restype = ctypes.c_char_p
        seen.take(signal.SIGUSR1)
        for _ in range(2): sigrec.register(signal.SIGUSR1, lambda s, f: None).cancel()
        signal.signal(signal.SIGUSR1, lambda s, f: None)
        sigrec.register(signal.SIGUSR1, lambda s, f: None).cancel()
        say(seen.all().decode())
        """,
        seen,
        env={"LD_PRELOAD": str(seen)},
    )
    assert p.line() == "cscscpsp"  # the C handler's, ours, the interpreter's
    p.end()


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD")
@pytest.mark.parametrize("deliver", ["main", "thread"])
def test_what_another_thread_takes_as_a_registration_ends_is_handled(child, tmp_path, deliver):
    seen = library(HERE / "seen.c", tmp_path / "seen.so", "-ldl")
    p = child(
        """
        import ctypes
        seen, calls = ctypes.CDLL(sys.argv[1]), []
        seen.take(signal.SIGUSR1)
        registration = sigrec.register(signal.SIGUSR1, lambda s, f: calls.append(s), deliver=sys.argv[2])
        seen.begin_other()
        registration.cancel()
        delivered, recorded, handled, pending = ledger(signal.SIGUSR1)
        say(delivered > 0, len(calls) == delivered == handled, pending, seen.handler_calls())
        """,
        seen,
        deliver,
        env={"LD_PRELOAD": str(seen)},
    )
    assert p.line() == "True True 0 0"
    p.end()


@pytest.fixture(scope="module")
def careless_library(tmp_path_factory):
    return library(HERE / "careless.c", tmp_path_factory.mktemp("careless") / "library.so")


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("how", ["a copy", "one argument", "NULL", "raises", "twice"])
def test_what_a_library_above_passes_on_is_counted_once(child, careless_library, recorded, how):
    """However it calls us. Who raises the signal again, or calls us twice, means one more."""
    p = child(
        """
        import ctypes
        how, recorded = sys.argv[2], sys.argv[3] == "True"
        library = ctypes.CDLL(sys.argv[1])
        if recorded: recorder = sigrec.record()
        pids = []
        for signum in (signal.SIGUSR1, signal.SIGINT):
            kept = sigrec.register(signum, lambda s, info, f: pids.append(info.si_pid), siginfo=True)
            library.take(signum, how.encode())
            for _ in range(3):
                os.kill(os.getpid(), signum)
                settle(signum)
            say(len(pids), *ledger(signum), *{pid == os.getpid() for pid in pids})
            pids.clear()
            kept.cancel()
        """,
        careless_library,
        how,
        recorded,
    )
    calls = 6 if how == "twice" else 3
    delivered = 6 if how == "twice" or (how == "raises" and recorded) else 3
    known = how not in ("one argument", "NULL")
    for _ in range(2):
        assert p.line() == f"{calls} {delivered} {delivered} {calls} 0 {known}"


def test_since_when_a_handler_has_been_running():
    """For readers; after another signal's handler inside of it the first one goes on."""
    seen = []

    def look():
        recording = own_recording()
        seen.append((recording.handling, recording.handling_monotonic_ns))

    def outer(signum, frame):
        look()
        time.sleep(0.02)  # several ticks of the cheap clock
        signal.raise_signal(signal.SIGUSR2)
        look()

    began = time.monotonic_ns()
    with (
        sigrec.register(signal.SIGUSR1, outer),
        sigrec.register(signal.SIGUSR2, lambda signum, frame: look()),
    ):
        signal.raise_signal(signal.SIGUSR1)
        time.sleep(0)
        look()
    (first, since), (inner, inner_since), again, last = seen
    assert (first, inner, again, last) == (
        signal.SIGUSR1, signal.SIGUSR2, (signal.SIGUSR1, since), (None, None)
    )  # fmt: skip
    assert began <= since < since + 20_000_000 <= inner_since <= time.monotonic_ns()
