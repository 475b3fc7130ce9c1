"""timeout(): the block ends in time, by its own exception, and leaves nothing behind."""

import random
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest

import sigrec
from tests.prelude import have_alarm

HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def alarm():
    have_alarm()  # it needs room, which another process of this user may have filled


def test_a_block_that_takes_too_long():
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"timed out after 0.01 s"), sigrec.timeout(0.01) as it:
        threading.Event().wait(60)  # a lock, as time.sleep(): PEP 475 calls them again
    assert it.expired and "expired" in repr(it)
    assert 0.01 <= time.monotonic() - began < 60


def test_a_block_that_is_in_time():
    with sigrec.timeout(0.02) as it:
        pass
    time.sleep(0.05)  # it does not come later
    assert not it.expired and "not running" in repr(it)


def test_no_time_at_all():
    """Its signal comes before the call of sleep(), and so interrupts it with the next one."""
    for _ in range(5):
        with pytest.raises(TimeoutError), sigrec.timeout(0):
            time.sleep(60)


def test_nobody_in_the_block_takes_it_for_an_error_of_its_own():
    with pytest.raises(TimeoutError), sigrec.timeout(0.01), sigrec.timeout(60) as inner:
        try:
            time.sleep(60)
        except Exception as error:  # TimeoutError is an OSError, and so what sockets raise
            pytest.fail(repr(error))
    assert not inner.expired


def test_the_outer_one_ends_first():
    """And is not taken for the inner one's end."""
    with pytest.raises(TimeoutError, match=r"0.01 s"), sigrec.timeout(0.01):
        try:
            with sigrec.timeout(60):
                time.sleep(60)
        except TimeoutError as error:
            pytest.fail(repr(error))


def test_the_inner_one_ends_first_and_the_outer_one_still_runs():
    with pytest.raises(TimeoutError, match=r"0.1 s"), sigrec.timeout(0.1):
        with pytest.raises(TimeoutError, match=r"0.01 s"), sigrec.timeout(0.01):
            time.sleep(60)
        time.sleep(60)


def test_two_that_are_over_in_the_same_call_into_c_both_end_their_blocks():
    with pytest.raises(TimeoutError, match=r"0.02 s"), sigrec.timeout(0.02):
        with pytest.raises(TimeoutError, match=r"0.01 s"), sigrec.timeout(0.01):
            until = time.monotonic() + 0.03
            next(filter(until.__lt__, iter(time.monotonic, None)))  # this has no bytecode
            time.sleep(60)
        time.sleep(60)


# What is made here waits in a finalizer, once it is cleared.


def _del(wait):
    return [type("Slow", (), {"__del__": lambda _: wait()})()]


def _callback(wait):
    target = type("Target", (), {})()
    return [weakref.ref(target, lambda _: wait()), target]


def _closed(wait):
    def generator():
        try:
            yield
        finally:
            wait()

    begun = generator()
    next(begun)
    return [begun]


def _del_that_cleans_up(wait):
    def ends(_):
        try:
            wait()
        except Exception:
            pass

    return [type("Slow", (), {"__del__": ends})()]


def _del_that_raises_it_again(wait):
    def ends(_):
        try:
            wait()
        except BaseException:
            time.sleep(0)
            raise

    return [type("Slow", (), {"__del__": ends})()]


def _many(wait):
    return [slow for _ in range(30) for slow in _del(wait)]


def _clear_in_a_block(make):
    """Once more, where the time is over before: a finalizer that the exception itself then brings
    about is a part of cleaning up, and has its time."""
    for _ in range(20):
        waits, over = 0, False

        def wait():
            nonlocal waits
            if not over:
                waits += 1
                time.sleep(60)

        made = make(wait)
        with pytest.raises(TimeoutError), sigrec.timeout(0.01):
            made.clear()
            time.sleep(60)
        over = True
        made.clear()
        if waits:
            return
    pytest.fail("the time is always over before")


@pytest.mark.parametrize(
    "make", [_del, _del_that_cleans_up, _del_that_raises_it_again, _callback, _closed]
)
def test_an_exception_that_python_only_prints_comes_again(make, monkeypatch):
    printed = []
    monkeypatch.setattr(sys, "unraisablehook", lambda it: printed.append(repr(it.exc_value)))
    _clear_in_a_block(make)
    assert "after 0.01 s" in printed[0]


def test_a_block_that_is_full_of_finalizers(monkeypatch):
    """Each takes as long as until the next look, and not a second."""
    monkeypatch.setattr(sys, "unraisablehook", lambda it: None)
    began = time.monotonic()
    _clear_in_a_block(_many)
    assert time.monotonic() - began < 20


def test_also_where_it_is_kept(monkeypatch):
    """As pytest's own hook keeps it."""
    kept = []
    monkeypatch.setattr(sys, "unraisablehook", lambda it: kept.append(it.exc_value))
    _clear_in_a_block(_del)
    assert "after 0.01 s" in str(kept[0])


def _until_it_waits(attempt):
    """Calls it with a function that waits; once more, where the time is over before."""
    for _ in range(20):
        waited = []

        def wait(seconds):
            waited.append(seconds)
            time.sleep(seconds)

        try:
            attempt(wait)
        except TimeoutError:
            if waited:
                raise
        if waited:
            return
    pytest.fail("the time is always over before")


def test_what_c_holds_while_others_clean_up_is_not_swallowed():
    """list() frees the generator with the exception in its hands, which then passes on."""
    done = []

    def rows():
        try:
            yield 60
        finally:
            time.sleep(0.05)
            done.append("rolled back")

    def attempt(wait):
        done.clear()
        with pytest.raises(TimeoutError), sigrec.timeout(0.01):
            try:
                list(map(wait, rows()))
            finally:
                time.sleep(0.05)
                done.append("released")

    _until_it_waits(attempt)
    assert done == ["rolled back", "released"]


def test_what_catches_it_is_not_interrupted_again():
    """Not in the same call as before, which is the hardest to tell, either."""
    done = []

    def attempt(wait):
        done.clear()
        with sigrec.timeout(0.01):
            for seconds in (60, 0.03):
                try:
                    wait(seconds)
                except BaseException:
                    done.append("caught")
                    time.sleep(0.03)

    _until_it_waits(attempt)
    assert done == ["caught"]


def test_what_cleans_up_is_not_interrupted_again():
    done = []

    def attempt(wait):
        done.clear()
        with pytest.raises(TimeoutError), sigrec.timeout(0.01):
            try:
                wait(60)
            finally:
                time.sleep(0.05)
                done.append("cleaned up")

    _until_it_waits(attempt)
    assert done == ["cleaned up"]


def test_blocks_that_end_in_another_order():
    first, second = sigrec.timeout(60), sigrec.timeout(0.01)
    first.__enter__()
    with pytest.raises(TimeoutError), second:
        first.__exit__(None, None, None)
        time.sleep(60)
    first.__exit__(None, None, None)  # the second's time may have been over before


def test_never_after_the_block_and_never_but_as_timeout_error():
    """Ends at any instruction of the block, and around it."""
    chance = random.Random(5)
    ended = in_time = 0
    began = time.monotonic()
    while not (ended > 50 and in_time > 50) and time.monotonic() - began < 60:
        late = False
        try:
            with sigrec.timeout(chance.random() * 3e-5) as it:
                for _ in range(chance.randrange(300)):
                    pass
            late = True
            for _ in range(100):
                pass
            in_time += 1
        except TimeoutError:
            assert it.expired and not late
            ended += 1
    assert ended > 50 and in_time > 50


def test_the_alarm_is_the_program_s(child):
    p = child(
        """
        have_alarm()
        signal.signal(signal.SIGALRM, lambda *_: say("alarm"))
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        try:
            with sigrec.timeout(0.2):
                time.sleep(60)
        except TimeoutError:
            say("timeout", signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL)
        """
    )
    assert [p.line(), p.line()] == ["alarm", "timeout True"]
    p.end()


def test_a_forked_child_has_no_end_of_its_parent_s_blocks(child):
    p = child(HERE / "forks_in_a_timeout.py")
    assert [p.line() for _ in range(3)] == ["child goes on", "child's own", "0"]
    p.end()


def test_a_block_that_the_program_never_leaves(child):
    """At exit its signal has no handler any more, and would end the process."""
    p = child(
        """
        import atexit
        atexit.register(time.sleep, 0.05)
        class Late:
            def __del__(self): time.sleep(0.1)
        late = Late()
        late.itself = late  # the last collection of all
        have_alarm()
        sigrec.timeout(0.1).__enter__()
        """
    )
    p.end()


def test_once_unregistered_the_next_one_takes_a_signal_again(child):
    p = child(
        """
        def once():
            try:
                with sigrec.timeout(0.01): time.sleep(60)
            except TimeoutError as error:
                return str(error)
        say(with_room(once))
        say(sigrec.unregister(signal.SIGRTMAX))
        say(with_room(once))
        """
    )
    assert [p.line() for _ in range(3)] == [
        "timed out after 0.01 s",
        "True",
        "timed out after 0.01 s",
    ]
    p.end()


def test_an_entry_that_fails_leaves_nothing_behind(child):
    p = child(HERE / "enters_a_timeout_without_its_timer.py")
    assert p.line() == "Invalid argument <Timeout of 0 s: not running>"
    assert [p.line(), p.line()] == ["TimeoutReached"] * 2
    p.end()


@pytest.mark.parametrize("seconds", [-1, float("nan"), True, "3", None, 1e10, 10**400])
def test_bad_arguments(seconds):
    with pytest.raises(ValueError, match="seconds must be from 0 to"):
        sigrec.timeout(seconds)


def test_where_it_cannot_work():
    refused = []

    def enter():
        try:
            sigrec.timeout(1).__enter__()
        except sigrec.WrongThreadError as error:
            refused.append(str(error))

    worker = threading.Thread(target=enter)
    worker.start()
    worker.join()
    assert refused == ["a timeout ends a block of the main thread: enter it there"]
    used = sigrec.timeout(60)
    with used:
        pass
    with pytest.raises(sigrec.SigrecError, match="entered before"), used:
        pass
