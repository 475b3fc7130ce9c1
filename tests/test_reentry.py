"""Handlers that call sigrec, and exceptions inside its calls: nothing waits for itself, nothing is half
changed, nothing that was delivered is lost. The long form: python -m tests.proof.reentry."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("kind", ["close", "cancel", "register", "interrupt", "bytecode"])
def test_a_handler_at_any_moment(kind):
    rounds = "30" if kind == "interrupt" else "200"
    command = ["-m", "tests.proof.reentry", kind, "--here", "--rounds", rounds, "--stride", "40"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "nothing half changed" in done.stdout
    assert "ignored due to race condition" not in done.stderr


def test_the_end_of_the_block_handles_what_was_delivered_to_the_thread(child):
    p = child(
        """
        calls = []
        with sigrec.register(RT, lambda s, f: (calls.append(s), time.sleep(0.001)), deliver="thread"):
            for n in range(300):
                sigqueue(os.getpid(), RT, n)
        say(len(calls), *ledger(RT), sigrec.stats()[RT].abandoned)
        """
    )
    assert p.line() == "300 300 300 300 0 0"
    p.end()


def test_a_closed_stream_has_all_that_was_delivered(child):
    p = child(
        """
        import ctypes
        sigrec.configure(queue=1 << 16)
        stream = sigrec.stream(RT, backlog=1 << 16)
        fast = ctypes.PyDLL(None).sigqueue  # the GIL is held
        for _ in range(30_000):
            while fast(os.getpid(), RT, None): pass  # no room
        stream.close()
        say(len(stream.unread), *ledger(RT))
        """
    )
    assert p.line() == "30000 30000 30000 30000 0"
    p.end()


def test_a_handler_that_cancels_another_signals_registration_handles_that_first(child):
    """More than one batch of other signals waits before it."""
    p = child(
        """
        calls = {"other": 0, "cancelled": 0}
        def count(who):
            def handler(s, f):
                calls[who] += 1
            return handler
        other = sigrec.register(RT + 1, count("other"))
        registration = sigrec.register(RT, count("cancelled"))
        def cancels(s, f):
            _core.flood(os.getpid(), RT + 1, 12_000, True, 0)  # the GIL is held by this handler
            _core.flood(os.getpid(), RT, 10, True, 0)
            registration.cancel()
            say(calls["cancelled"], *ledger(RT), sigrec.stats()[RT].abandoned)
        sigrec.register(signal.SIGUSR1, cancels)
        signal.raise_signal(signal.SIGUSR1)
        """
    )
    assert p.line() == "10 10 10 10 0 0"
    p.end()


@pytest.mark.parametrize("deliver", ["main", "thread"])
def test_at_exit_all_is_handled(child, deliver):
    p = child(
        """
        import atexit
        calls = []
        atexit.register(lambda: say(len(calls)))  # runs after sigrec's own
        sigrec.register(RT, lambda s, f: (calls.append(s), time.sleep(0.0001)), deliver=sys.argv[1])
        _core.flood(os.getpid(), RT, 1_000, True, 0)
        """,
        deliver,
    )
    assert p.line() == "1000"
    p.end()


WAITS = {
    "wait": "sigrec.wait(signal.SIGUSR2)",
    "get": "stream.get()",
    "next": "next(stream)",
    "flag": "flag.wait()",
}


@pytest.mark.parametrize("what", WAITS)
def test_the_dispatcher_thread_does_not_wait_for_itself(child, what):
    p = child(
        """
        stream, flag = sigrec.stream(RT + 1), sigrec.Flag(RT + 2)
        def handler(s, f):
            try:
                exec(sys.argv[1])
            except sigrec.SigrecError as error:
                say(error)
        sigrec.register(RT, handler, deliver="thread")
        sigqueue(os.getpid(), RT)
        hear()
        """,
        WAITS[what],
    )
    assert "would wait for itself" in p.line()
    p.tell()
    p.end()


@pytest.mark.parametrize("set_by", ["sigrec.register", "signal.signal"])
def test_a_wait_is_not_held_up_by_another_signals_handler(child, set_by):
    """Nor is a handler that cannot wait any longer: it says so."""
    p = child(
        HERE / "waits_for_a_handler.py",
        set_by,
    )
    assert p.line() == "None"
    assert p.line().startswith("False a handler on the dispatcher thread has not returned")
    assert [p.line(), p.line()] == ["handled later", "1 1 1 0 0"]
    p.end()


@pytest.mark.parametrize("where", ["main thread", "another thread"])
def test_the_program_waits_for_a_slow_handler_as_long_as_it_takes(child, where):
    p = child(
        HERE / "waits_for_a_slow_handler.py",
        where,
    )
    assert p.line() == "1 2 2 2 0 0"
    p.end()


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("library", ["gevent", "eventlet", "threading"])
def test_green_threads(child, library, order):
    """(tests/proof/green.py has more of them.)"""
    pytest.importorskip(library)
    p = child(HERE / "has_green_threads.py", library, order)
    assert p.line() == "3 True"
    p.end()
