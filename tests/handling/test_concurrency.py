"""Many threads at once, with a GIL or without: the ledger is exact."""

import signal
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.conftest import PRELUDE, RT

HERE = Path(__file__).parent


def test_a_signal_that_changes_hands_under_a_flood(child):
    """From the dispatcher thread to the main thread and back, while others read and subscribe."""
    p = child(HERE / "changes_hands.py")
    p.line()
    p.flood(RT, 100_000)
    calls, delivered, recorded, handled, pending, abandoned = map(int, p.line().split())
    assert calls == handled == delivered == recorded == 100_000
    assert pending == abandoned == 0
    p.end()


def test_signals_move_to_the_main_thread_while_other_threads_take_them(child):
    """CPython's own C handler is never the one in place in between."""
    p = child(
        """
        numbers = [*range(RT, RT + 20)]
        below, above = dict.fromkeys(numbers, 0), dict.fromkeys(numbers, 0)
        def counter(counts):
            def count(s, f):
                counts[s] += 1
            return count
        for number in numbers:
            sigrec.register(number, counter(below), deliver="thread")
        for _ in range(3):
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        say("ready")
        for number in numbers:
            while not below[number]: pass
            sigrec.register(number, counter(above))
        hear()
        settle(*numbers)
        say(sum(below.values()) + sum(above.values()), sum(sigrec.stats()[number].delivered for number in numbers))
        """
    )
    p.line()
    for number in range(RT, RT + 20):
        p.flood(number, 5_000)
    p.tell("sent")
    assert p.line() == "100000 100000"
    p.end()


def test_cpythons_handler_is_not_in_place_while_a_signal_changes_hands(child):
    """The same for one moment: when signal.signal() has just set it."""
    p = child(
        """
        import _signal
        seen, real = [], _signal.signal
        def set_handler(number, handler):
            before = real(number, handler)
            seen.append(_core.in_place(number))
            return before
        _signal.signal = set_handler
        import sigrec
        from sigrec import _core
        sigrec.register(50, print, deliver="thread")
        sigrec.register(50, print)
        print(seen, flush=True)
        """,
        prelude="",
    )
    assert p.line() == "[True]"
    p.end()


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="a build with a GIL")
def test_nothing_brings_the_gil_back(child):
    p = child(
        """
        import sigrec._recorder.record, sigrec._handling.streams, sigrec._handling.timers
        sigrec.register(signal.SIGUSR1, print)
        say(sys._is_gil_enabled())
        """
    )
    assert not sys._is_gil_enabled()
    assert p.line() == "False"
    p.end()


def test_a_signal_without_the_gil_where_python_has_no_handler(child):
    """As in the moment when it is given back, and another thread takes one: nobody there may look
    at Python's handler, which is an object."""
    p = child(
        """
        import ctypes
        libc = ctypes.CDLL(None)
        ours = ctypes.create_string_buffer(256)
        sigrec.register(signal.SIGWINCH, print)
        libc.sigaction(signal.SIGWINCH, None, ours)
        signal.signal(signal.SIGWINCH, signal.SIG_DFL)
        libc.sigaction(signal.SIGWINCH, ours, None)
        getattr(libc, "raise")(signal.SIGWINCH)
        say("alive")
        """
    )
    assert p.line() == "alive"


def test_given_back_while_other_threads_take_it(child):
    """Its default is to be ignored, so that nobody dies of it; and nobody does."""
    p = child(
        """
        threading.Thread(target=lambda: time.sleep(600), daemon=True).start()
        say("ready")
        while not select.select([0], [], [], 0)[0]:
            sigrec.register(signal.SIGWINCH, lambda signum, frame: None).cancel()
        say("alive")
        """,
        prelude=PRELUDE + "import select\n",
    )
    p.line()
    p.flood(signal.SIGWINCH, 50_000, queue=False)
    p.tell()
    assert p.line() == "alive"
