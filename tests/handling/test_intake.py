"""intake="thread": in a flood a thread takes the signal, and the program's masks are its own."""

import os
import signal
from pathlib import Path

import pytest

import sigrec
from sigrec import _core
from tests.compiling import library
from tests.conftest import RT

pytestmark = pytest.mark.skipif(not _core.start_intake(), reason="not on this platform")

HERE = Path(__file__).resolve().parent
FLOOD = (HERE / "floods.py").read_text()  # which programs begin with that are text


@pytest.mark.parametrize("deliver", ["main", "thread"])
def test_a_flood_is_handled_in_order_with_its_siginfo(child, deliver):
    receiver = child(
        HERE / "handles_floods_in_order.py",
        RT,
        deliver,
    )
    nothing = {"taken": 0, "switches": 0, "bytes": 0, "naps": 0, "kicks": 0}
    assert receiver.line() == str(nothing)
    assert receiver.line().split() == ["True", *["100000"] * 3, "0", "0"]
    assert receiver.line() == "True True True 65536"


def test_nobody_inherits_what_is_borrowed(child):
    receiver = child(HERE / "inherits_in_a_flood.py", RT)
    assert receiver.line() == "{}"


@pytest.mark.long
def test_no_program_of_any_kind_inherits_what_is_borrowed(child):
    """In mid-flood and after it; each shows SigBlk, or relies on the signal itself."""
    receiver = child(HERE / "starts_in_a_flood.py", RT)
    assert receiver.line() == "[]"


def test_what_the_main_thread_blocks_nobody_takes(child):
    receiver = child(
        HERE / "blocks_in_a_flood.py",
        RT,
    )
    assert receiver.line() == "[] False True"


def test_it_has_no_descriptor_of_the_program(child):
    receiver = child(HERE / "keeps_its_descriptors.py", RT)
    assert receiver.line() == "[] True True True True"


def test_where_the_main_thread_blocks_kicks_handlers_take_all(child):
    receiver = child(HERE / "blocks_the_kick.py", RT)
    assert receiver.line() == "True True"


@pytest.mark.parametrize("reader", ["by_for", "by_asyncio", "by_uvloop", "by_trio", "by_batches"])
def test_a_stream_gets_all_of_a_flood(child, reader):
    """Without intake="thread" not so many fit what waits for a reader."""
    if reader in ("by_uvloop", "by_trio"):
        pytest.importorskip(reader.removeprefix("by_"))
    receiver = child(
        HERE / "reads_a_flood_in_full.py",
        RT,
        reader,
        env={"OPENBLAS_NUM_THREADS": "1"},  # NumPy's threads would take some: out of order
    )
    assert receiver.line() == "True"
    assert receiver.line() == "0 0"


def test_of_several_streams_one_that_asks_is_enough(child):
    receiver = child(
        HERE / "reads_several_streams.py",
        RT,
    )
    assert receiver.line() == "0"
    assert receiver.line() == "0"


def test_a_fast_timer_interrupts_nobody_and_counts_each_expiration(child):
    receiver = child(
        FLOOD
        + """
calls = []
timer = with_room(sigrec.timer, 0.00005, calls.append, signum=S, intake="thread")
mid_flood()
time.sleep(0.05)
timer.cancel()
calm()
told = sum(1 + info.si_overrun for info in calls)
print(timer.expirations >= 1000, timer.expirations - told - timer._handle.taken)
print(None in calls, sigrec.stats()[S].pending)
""",
        RT,
    )
    assert receiver.line() == "True 0"
    assert receiver.line() == "False 0"
    with pytest.raises(ValueError, match='without intake="thread"'):
        sigrec.timer(1, thread=os.getpid(), intake="thread")


def test_compat_has_its_own_way_to_ask(child):
    receiver = child(
        HERE / "asks_through_compat.py",
        RT,
    )
    assert receiver.line() == "20000 True"
    assert receiver.line() == "True"
    assert receiver.line() == 'intake must be "handler" or "thread", not \'threads\''


def test_the_queue_that_was_configured_is_its_own(child):
    receiver = child(
        FLOOD
        + """
sigrec.configure(queue=64)
entered, leave = threading.Event(), threading.Event()
def handler(signum, info, frame):
    entered.set()
    leave.wait()
pid, go = sender(20_000, 0)
sigrec.register(S, handler, siginfo=True, deliver="thread", intake="thread")
go()
os.waitpid(pid, 0)
deadline = time.monotonic() + 20
while sigrec.stats()[S].delivered < 20_000:
    assert time.monotonic() < deadline
leave.set()
settle(S)
print(*ledger(S), 15_000 < sigrec.stats()[S].undetailed < 20_000)
""",
        RT,
    )
    assert receiver.line() == "20000 20000 20000 0 True"


# A long nap: they are pending, when it ends.
PENDING = (
    FLOOD
    + """
calls = []
pid, go = sender(20_000, 10_000)
sigrec.register(S, lambda signum, frame: calls.append(1), intake="thread", moderation=0.5)
go()
mid_flood(since=0)
while os.waitpid(pid, os.WNOHANG) == (0, 0):
    pass
"""
)


def test_exec_passes_none_on(child):
    receiver = child(PENDING + """os.execv("/bin/sh", ["sh", "-c", "echo alive"])""", RT)
    assert receiver.line() == "alive"


def test_a_cancel_waits_for_none(child):
    receiver = child(
        PENDING
        + """
sigrec.unregister(S)
print(len(calls), *ledger(S), blocked(), signal.getsignal(S))
""",
        RT,
    )
    assert receiver.line() == "20000 20000 20000 20000 0 0 0"


def test_a_stream_that_is_closed_gets_what_was_pending(child):
    receiver = child(
        FLOOD
        + """
pid, go = sender(20_000, 10_000)
stream = sigrec.stream(S, intake="thread", moderation=0.5)
go()
mid_flood(since=0)
while os.waitpid(pid, os.WNOHANG) == (0, 0):
    pass
stream.close()
print([info.si_value for info in stream.unread] == list(range(20_000)), blocked())
""",
        RT,
    )
    assert receiver.line() == "True 0"


def test_compat_handles_what_was_pending_before_another_disposition(child):
    receiver = child(
        FLOOD
        + """
import sigrec.compat as signal
calls = []
pid, go = sender(20_000, 10_000)
signal.set_intake("thread", moderation=0.5)
signal.signal(S, lambda signum, frame: calls.append(1))
go()
mid_flood(since=0)
while os.waitpid(pid, os.WNOHANG) == (0, 0):
    pass
signal.signal(S, signal.SIG_DFL)
print(len(calls))
""",
        RT,
    )
    assert receiver.line() == "20000"


def test_at_exit_all_is_handled(child):
    receiver = child("import atexit\natexit.register(lambda: print(len(calls)))\n" + PENDING, RT)
    assert receiver.line() == "20000"


def test_nobody_borrows_beneath_a_librarys_handler(child, tmp_path):
    """The intake thread would give it back at once, and the flood would crawl."""
    receiver = child(
        FLOOD
        + """
import ctypes
above, calls = ctypes.CDLL(sys.argv[2]), []
# Each ends, since on a busy machine a flood leaves no time; and the first may end too soon.
(first, go), (second, go_on) = sender(40_000), sender(10_000)
registration = sigrec.register(S, lambda signum, frame: calls.append(1), intake="thread")
go()
mid_flood(since=0)
above.take(S, b"a copy")
os.waitpid(first, 0)
calm()
before = registration.intake["switches"], sigrec.stats()[S].delivered
go_on()
while os.waitpid(second, os.WNOHANG) == (0, 0):
    pass
settle(S)
print(registration.intake["switches"] - before[0], sigrec.stats()[S].delivered > before[1])
""",
        RT,
        library(Path(__file__).with_name("careless.c"), tmp_path / "above.so"),
    )
    assert receiver.line() == "0 True"


def may_be_real_time():
    """As root may, but for one in a user namespace."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


@pytest.mark.skipif(
    not may_be_real_time() or len(os.sched_getaffinity(0)) < 2, reason="for root, on two processors"
)
def test_a_real_time_program_that_computes_gets_its_signals(child):
    receiver = child(
        FLOOD
        + """
calls = []
pid, go = sender(200, 100_000)
sigrec.register(S, lambda signum, frame: calls.append(1), intake="thread")
cpu = min(os.sched_getaffinity(0))
os.sched_setaffinity(pid, os.sched_getaffinity(0) - {cpu})
os.sched_setaffinity(0, {cpu})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
go()
deadline = time.monotonic() + 5
while len(calls) < 200 and time.monotonic() < deadline:
    pass
print(len(calls))
""",
        RT,
    )
    assert receiver.line() == "200"


def test_where_nothing_can_be_queued_the_program_goes_on(child):
    """As with a user's queue that another process has filled: a real-time signal has no siginfo then,
    and merges, and the kick has none."""
    receiver = child(HERE / "full_queue.py", RT)
    assert receiver.line() == "True an unknown sender True"


def test_it_is_refused_where_masks_cannot_be_kept(monkeypatch):
    monkeypatch.setattr(_core, "start_intake", lambda: False)
    with pytest.raises(sigrec.SigrecError, match=r'intake="thread" needs Linux on x86-64'):
        sigrec.register(RT, print, intake="thread")
    assert signal.getsignal(RT) == signal.SIG_DFL
