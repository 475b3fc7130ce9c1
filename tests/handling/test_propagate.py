"""register(..., propagate=): the exception in the program's other threads."""

import signal
from pathlib import Path

import pytest

import sigrec
from tests.conftest import RT

HERE = Path(__file__).parent


@pytest.mark.parametrize("deliver", ["main", "thread"])
def test_it_is_raised_in_every_other_thread_once(child, deliver):
    p = child(
        HERE / "raised_in_each.py",
        deliver,
    )
    if deliver == "main":
        assert p.line() == "0;1;handler in MainThread;handler in MainThread;unknown to threading"
        assert p.line() == "2 2 2 0"
    else:
        assert p.line() == "0;1;handler in sigrec-dispatcher;main;unknown to threading"
        assert p.line() == "1 1 1 0"
    p.end()


def test_it_comes_before_the_handler_which_may_raise_too(child):
    p = child(
        """
        done = threading.Event()
        def work():
            try:
                while True: time.sleep(0.001)
            except KeyboardInterrupt:
                done.set()
        worker = threading.Thread(target=work)
        worker.start()
        sigrec.register(signal.SIGINT, signal.default_int_handler, propagate=KeyboardInterrupt)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        except KeyboardInterrupt:
            done.wait()
            say("both")
        worker.join()
        """
    )
    assert p.line() == "both"
    p.end()


def test_many_are_one_exception(child):
    """A second one would break the cleanup of the first."""
    p = child(HERE / "raises_into_a_thread.py")
    assert p.line() == "1 1 cleaned up"
    assert p.line() == "5 5 5 0"
    p.end()


@pytest.mark.parametrize("bad", ["KeyboardInterrupt", KeyboardInterrupt(), int, 1, True])
def test_bad(bad):
    with pytest.raises(ValueError, match="propagate must be an exception class, not"):
        sigrec.register(RT, print, propagate=bad)
    with sigrec.SignalManager() as manager, pytest.raises(ValueError, match="propagate must"):
        manager.register(RT, print, propagate=bad)
    assert signal.getsignal(RT) == signal.SIG_DFL
