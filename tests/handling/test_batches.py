"""Many events at once: each of them once, in order, without a Python object for each."""

import os
import threading
from pathlib import Path

import pytest

import sigrec
from tests.conftest import RT, send, wait_until

HERE = Path(__file__).parent

ME = os.getpid()
OTHER = RT + 1  # a standard signal loses its siginfo where there is no room


def send_and_settle(*values, signum=RT):
    send(*values, signum=signum)
    wait_until(lambda: not sigrec.stats()[signum].pending)


def test_a_backlog_is_one_array():
    numpy = pytest.importorskip("numpy")
    with sigrec.stream(RT) as stream:
        send_and_settle(*range(-5, 1000))
        sizes, values = [], []
        for batch in stream.batches(max=400):
            sizes.append(len(batch))
            values.extend(batch["si_value"])
            if len(values) == 1005:
                break
        assert sizes == [400, 400, 205] and values == list(range(-5, 1000))
        assert isinstance(batch, numpy.ndarray) and not batch.flags.writeable
        assert set(batch["si_signo"]) == {RT} and set(batch["si_pid"]) == {ME}
        assert (numpy.diff(batch["ordinal"]) == 1).all() and (
            numpy.diff(batch["monotonic_ns"]) >= 0
        ).all()


def test_an_array_says_what_the_objects_say():
    pytest.importorskip("numpy")
    with sigrec.stream(RT, OTHER) as one, sigrec.stream(RT, OTHER) as other:
        send_and_settle(-7)
        send_and_settle(3, signum=OTHER)
        batch = next(one.batches())
        for row, info in zip(batch, other, strict=False):
            for name in (
                "monotonic_ns",
                "ordinal",
                "si_signo",
                "si_code",
                "si_pid",
                "si_uid",
                "si_value",
                "tid",
            ):
                assert row[name] == getattr(info, name), name
            if not other._count:
                break
        assert len(batch) == 2


def test_without_numpy_it_is_a_list(child):
    p = child(
        """
        sys.modules["numpy"] = None
        got = []
        with sigrec.stream(RT) as stream:
            for n in range(5): sigqueue(os.getpid(), RT, n)
            settle(RT)
            batch = next(stream.batches())
            say(type(batch), [info.si_value for info in batch])
        with sigrec.register(RT, lambda signum, events, frame: got.extend(events), batch=True):
            for n in range(5): sigqueue(os.getpid(), RT, n)
        say([info.si_value for info in got])
        """
    )
    assert p.line() == "<class 'list'> [0, 1, 2, 3, 4]"
    assert p.line() == "[0, 1, 2, 3, 4]"
    p.end()


def test_what_was_lost_stands_in_its_place():
    with sigrec.stream(RT, backlog=2) as stream:
        send_and_settle(*range(5))
        batches = stream.batches()
        assert len(next(batches)) == 2
        missed = next(batches)
        assert (missed.si_signo, missed.count) == (RT, 3)
        send_and_settle(5)
        assert len(next(batches)) == 1


def test_an_empty_batch_when_nothing_comes_and_the_end_when_it_is_closed():
    stream = sigrec.stream(RT)
    batches = stream.batches(timeout=0.001)
    assert len(next(batches)) == 0
    reader = threading.Thread(target=lambda: seen.append([len(b) for b in stream.batches()]))
    seen = []
    reader.start()
    wait_until(lambda: stream._waiters)
    stream.close()
    reader.join()
    assert seen == [[]] and list(batches) == []


@pytest.mark.parametrize("deliver", ["main", "thread"])
def test_a_handler_of_batches(child, deliver):
    """Behind a slow call, more than a queue holds: each is counted, those without detail too."""
    p = child(
        HERE / "batches_behind.py",
        deliver,
    )
    assert p.line() == "6000 6000 6000 6000 0 True True True"
    p.end()


def test_a_batch_handler_that_raises(child):
    """What it was called with is handled; the next ones come."""
    p = child(
        """
        total = 0
        def handler(signum, events, frame):
            global total
            total += len(events)
            raise RuntimeError("mine")
        caught = 0
        with sigrec.register(RT, handler, batch=True):
            for n in range(20):
                try: sigqueue(os.getpid(), RT, n)
                except RuntimeError: caught += 1
        say(total, *ledger(RT), caught > 0)
        """
    )
    assert p.line() == "20 20 20 20 0 True"
    p.end()


def test_bad_arguments():
    with sigrec.stream(RT) as stream:
        for bad in (0, -1, True, "5", 1 << 25):
            with pytest.raises(ValueError, match="max must be an int"):
                stream.batches(max=bad)
        with pytest.raises(ValueError, match="timeout must be"):
            stream.batches(timeout=-1)
    for options in ({"siginfo": True}, {"coalesce": True}):
        with pytest.raises(ValueError, match="batch=True"):
            sigrec.register(RT, lambda signum, events, frame: None, batch=True, **options)
    with pytest.raises(ValueError, match="signum, events, frame"):
        sigrec.register(RT, lambda signum, frame: None, batch=True)
    with pytest.raises(ValueError, match="batch must be True or False"):
        sigrec.register(RT, lambda signum, events, frame: None, batch=1)
