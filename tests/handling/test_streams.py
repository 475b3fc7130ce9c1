"""stream(), wait() and Flag: in threads, in asyncio, uvloop, trio and anyio, each with the real one."""

import _thread
import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import sigrec
from sigrec import _core
from tests.conftest import RT, send, wait_until, with_room

HERE = Path(__file__).parent

USR1 = signal.SIGUSR1
ME = os.getpid()


def values(items):
    return [item.si_value for item in items]


# --- in threads ---------------------------------------------------------------------------------


def test_for():
    with sigrec.stream(RT, USR1) as stream:
        send(1, 2, 3)
        os.kill(ME, USR1)
        found = [next(stream) for _ in range(4)]
        assert values(found) == [1, 2, 3, None]
        assert [info.si_signo for info in found] == [RT, RT, RT, USR1]
        assert stream.signums == {RT, USR1}
    assert list(stream) == [] and stream.unread == [] and stream.closed
    assert signal.getsignal(RT) == signal.SIG_DFL


def test_every_stream_gets_every_event_in_any_thread():
    streams = [sigrec.stream(RT) for _ in range(4)]
    found = [[] for _ in streams]

    def read(n):
        for info in streams[n]:
            found[n].append(info.si_value)

    threads = [threading.Thread(target=read, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    send(*range(200))
    wait_until(lambda: all(len(got) == 200 for got in found))
    for stream in streams:
        stream.close()  # wakes who waits
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert found == [list(range(200))] * 4


def switches(thread):
    """How often it has slept."""
    with open(f"/proc/self/task/{thread.native_id}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt"))


def test_a_reader_that_waits_needs_no_dispatcher_thread():
    found = []
    with sigrec.stream(RT) as stream:
        reader = threading.Thread(target=lambda: found.extend(stream))
        reader.start()
        (dispatcher,) = (t for t in threading.enumerate() if t.name == "sigrec-dispatcher")
        before = 0
        for n in range(50):
            slept = switches(reader)
            send(n)
            wait_until(lambda n=n: len(found) > n)
            wait_until(lambda slept=slept: switches(reader) > slept)  # it waits again
            before = before or switches(dispatcher)
        without_gil = not getattr(sys, "_is_gil_enabled", lambda: True)()
        assert switches(dispatcher) - before < 25 or without_gil
    reader.join(60)
    assert values(found) == list(range(50))


def test_a_reader_that_waits_leaves_other_handlers_to_the_dispatcher_thread():
    stream = sigrec.stream(RT)
    reader = threading.Thread(target=lambda: list(stream))
    reader.start()
    wait_until(lambda: stream._waiters)
    idents = []
    with sigrec.register(USR1, lambda *a: idents.append(threading.get_ident()), deliver="thread"):
        os.kill(ME, USR1)
        wait_until(lambda: idents)
    stream.close()
    reader.join(60)
    assert idents == [_core.dispatcher_ident()]


def test_a_handler_may_wait_within_the_wait_of_a_reader():
    """The reader must not be the one who would drain for that handler."""
    got = []

    def handler(signum, frame):
        with sigrec.stream(USR1) as inner:
            os.kill(ME, USR1)
            got.append(inner.get(60))
        send(1)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with sigrec.stream(RT) as stream:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            assert next(stream).si_value == 1
    finally:
        signal.signal(signal.SIGALRM, before)
    assert got[0].si_signo == USR1


def test_a_handler_may_read_the_stream_whose_wait_it_interrupts():
    """What comes wakes the handler, and not the wait that goes on only after it."""
    got, outer = [], []

    def come():
        wait_until(lambda: outer and len(stream._waiters) > outer[0])
        send(1)

    def handler(signum, frame):
        outer.append(len(stream._waiters))
        began = time.monotonic()
        got.append((stream.get(20).si_value, time.monotonic() - began < 20))
        send(2)

    before = signal.signal(signal.SIGALRM, handler)
    thread = threading.Thread(target=come)
    try:
        with sigrec.register(USR1, print, deliver="thread"), sigrec.stream(RT) as stream:
            thread.start()
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            assert next(stream).si_value == 2
    finally:
        signal.signal(signal.SIGALRM, before)
        thread.join()
    assert got == [(1, True)]


def test_a_handler_that_raises_while_the_block_ends_leaves_no_stream_open():
    """Nor does it have to interrupt the wait for the dispatcher thread in order to run."""
    busy, go, in_time = threading.Event(), threading.Event(), []
    main = threading.get_ident()

    def slow(signum, frame):
        busy.set()
        in_time.append(go.wait(20))

    def interrupt(line):
        wait_until(lambda: sys._current_frames()[main].f_lineno == line)
        _thread.interrupt_main()

    with sigrec.register(RT + 1, slow, deliver="thread"):
        with_room(signal.raise_signal, RT + 1)
        assert busy.wait(20)
        thread = threading.Thread(target=interrupt, args=[sys._getframe().f_lineno + 1])
        with pytest.raises(KeyboardInterrupt), sigrec.stream(RT) as stream:
            send(1)
            thread.start()
        closed = stream.closed
        go.set()
    thread.join()
    assert closed and in_time == [True]


def test_a_handler_that_raises_while_a_task_is_woken_leaves_nobody_waiting():
    class Loop(asyncio.SelectorEventLoop):
        def call_soon_threadsafe(self, *args, **options):
            if closing:
                closing.clear()
                signal.raise_signal(signal.SIGINT)
            return super().call_soon_threadsafe(*args, **options)

    async def task():
        return [info async for info in stream]

    closing = set()
    stream = sigrec.stream(RT)
    loop = Loop()
    threads = [threading.Thread(target=loop.run_until_complete, args=[task()])]
    threads.append(threading.Thread(target=lambda: list(stream)))
    for n, thread in enumerate(threads, 1):
        thread.start()
        wait_until(lambda n=n: len(stream._waiters) == n)
    closing.add(1)
    with pytest.raises(KeyboardInterrupt):
        stream.close()
    for thread in threads:
        thread.join(20)
    assert stream.closed and not any(thread.is_alive() for thread in threads)
    loop.close()


def test_two_readers_of_one_stream_share_it():
    stream = sigrec.stream(RT)
    found = []
    threads = [threading.Thread(target=lambda: found.extend(values(stream))) for _ in range(3)]
    for thread in threads:
        thread.start()
    send(*range(300))
    with sigrec.stream(RT):
        wait_until(lambda: not stream._count)
    stream.close()
    for thread in threads:
        thread.join(60)
    assert sorted(found + values(stream.unread)) == list(range(300))


def test_a_slow_handler_does_not_keep_a_reader_waiting():
    """Both come in one round of the dispatcher thread, the reader's first."""
    busy, go, read = threading.Event(), threading.Event(), threading.Event()
    in_time: list[bool] = []

    def first(signum, frame):
        busy.set()
        go.wait(10)

    def slow(signum, frame):
        in_time.append(read.wait(10))

    with (
        sigrec.register(RT, first, deliver="thread"),
        sigrec.stream(RT + 1) as stream,
        sigrec.register(RT + 2, slow, deliver="thread"),
    ):
        reader = threading.Thread(target=lambda: (stream.get(), read.set()))
        reader.start()
        with_room(signal.raise_signal, RT)
        assert busy.wait(10)
        wait_until(lambda: stream._waiters)
        with_room(signal.raise_signal, RT + 1)
        with_room(signal.raise_signal, RT + 2)
        go.set()
        wait_until(lambda: in_time)
        reader.join()
    assert in_time == [True]


def test_unread_is_reported():
    with sigrec.stream(RT) as stream:
        send(1, 2, 3)
        assert next(stream).si_value == 1
    assert values(stream.unread) == [2, 3]


def test_what_does_not_fit_is_counted_in_band():
    with sigrec.stream(RT, USR1, backlog=2) as stream:
        send(1, 2, 3, 4)
        os.kill(ME, USR1)
        wait_until(lambda: stream._overflow == {RT: 2, USR1: 1})
        assert [next(stream).si_value for _ in range(2)] == [1, 2]
        send(5)
        found = [next(stream) for _ in range(3)]
        assert found[:2] == [sigrec.Missed(RT, 2), sigrec.Missed(USR1, 1)]
        assert found[2].si_value == 5
        send(6, 7, 8, 9)
    assert values(stream.unread[:2]) == [6, 7] and stream.unread[2:] == [sigrec.Missed(RT, 2)]


def test_get_with_a_timeout():
    with sigrec.stream(RT) as stream:
        assert stream.get(timeout=0) is None
        assert stream.get(timeout=0.01) is None
        send(1)
        assert stream.get(timeout=60).si_value == 1
        for bad in (-1, True, float("nan")):
            with pytest.raises(ValueError, match="timeout"):
                stream.get(timeout=bad)


def test_a_python_handler_runs_while_the_main_thread_waits():
    class Stop(Exception):
        pass

    def handler(signum, frame):
        raise Stop

    before = signal.signal(USR1, handler)
    main = threading.get_ident()
    try:
        with sigrec.stream(RT) as stream:

            def later():
                wait_until(lambda: stream._waiters)
                signal.pthread_kill(main, USR1)

            thread = threading.Thread(target=later)
            thread.start()
            with pytest.raises(Stop):
                next(stream)
            thread.join()
            assert not stream._waiters
            send(1)
            assert next(stream).si_value == 1
    finally:
        signal.signal(USR1, before)


def test_a_stream_that_nobody_has_any_more_closes_itself():
    stream = sigrec.stream(RT)
    del stream
    wait_until(lambda: signal.getsignal(RT) == signal.SIG_DFL and not _core.subscribed(RT))


@pytest.mark.parametrize("bad", [(), ("SIGTERM",), (0,), (signal.SIGKILL,), (True,), (RT, 99)])
def test_bad_signals(bad):
    for function in (sigrec.stream, sigrec.wait, sigrec.Flag):
        with pytest.raises(ValueError, match="."):
            function(*bad)
    assert not sigrec.unregister(RT)


@pytest.mark.parametrize("bad", [0, -1, True, 1.5, "many", (1 << 24) + 1])
def test_bad_backlog(bad):
    with pytest.raises(ValueError, match="backlog"):
        sigrec.stream(RT, backlog=bad)


def test_wait():
    assert sigrec.wait(RT, timeout=0.01) is None
    thread = threading.Thread(target=lambda: (wait_until(lambda: _core.subscribed(RT)), send(7)))
    thread.start()
    assert sigrec.wait(RT, USR1, timeout=60).si_value == 7
    thread.join()


def test_flag():
    with sigrec.Flag(RT, USR1) as flag:
        assert not flag.is_set() and flag.info is None
        send(3, 4)
        assert flag.wait(60)
        wait_until(lambda: sigrec.stats()[RT].pending == 0)
        assert flag.info.si_value == 3
        flag.clear()
        assert not flag.is_set() and flag.info is None
        os.kill(ME, USR1)
        assert flag.wait(60) and flag.info.si_signo == USR1
    assert signal.getsignal(RT) == signal.SIG_DFL


def test_a_flag_that_is_dropped_gives_its_signals_back():
    """As one is that Ctrl-C interrupts between its making and its block."""
    flag = sigrec.Flag(RT, USR1)
    assert _core.registered(RT) and _core.registered(USR1)
    del flag
    assert not _core.registered(RT) and not _core.in_place(USR1)
    for none in (sigrec.wait, sigrec.stream, sigrec.Flag):
        with pytest.raises(ValueError, match=r"^which signals\? at least one is needed$"):
            none()
    with pytest.raises(ValueError):
        sigrec.Flag()  # nor does one that was never whole say anything at its end


# --- in event loops --------------------------------------------------------------------------------


def run_asyncio(main):
    asyncio.run(main())


def run_uvloop(main):
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def run_trio(main):
    pytest.importorskip("trio").run(main)


def run_anyio(main):
    pytest.importorskip("anyio").run(main)


def run_anyio_on_trio(main):
    pytest.importorskip("trio")
    pytest.importorskip("anyio").run(main, backend="trio")


LOOPS = [run_asyncio, run_uvloop, run_trio, run_anyio, run_anyio_on_trio]


@pytest.mark.parametrize("run", LOOPS)
def test_async_for(run):
    found = []

    async def main():
        async with sigrec.stream(RT) as stream:
            send(*range(100))
            async for info in stream:
                found.append(info.si_value)
                if info.si_value == 99:
                    send(100)  # one that is waited for
                if info.si_value == 100:
                    break

    run(main)
    assert found == list(range(101))
    assert signal.getsignal(RT) == signal.SIG_DFL


@pytest.mark.parametrize("run", [run_asyncio, run_uvloop])
def test_cancelling_and_closing_wake_an_asyncio_task(run):
    async def main():
        stream = sigrec.stream(RT)
        task = asyncio.ensure_future(stream.__anext__())
        await asyncio.sleep(0)
        while not stream._waiters:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not stream._waiters
        send(1)
        assert (await stream.__anext__()).si_value == 1
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(stream.__anext__(), 0.01)

        async def read():
            return [info async for info in stream]

        task = asyncio.ensure_future(read())
        while not stream._waiters:
            await asyncio.sleep(0)
        stream.close()
        assert await task == []

    run(main)


def test_cancelling_and_closing_in_trio():
    trio = pytest.importorskip("trio")

    async def main():
        stream = sigrec.stream(RT)
        with trio.move_on_after(0.01) as scope:
            await stream.__anext__()
        assert scope.cancelled_caught and not stream._waiters
        send(1)
        assert (await stream.__anext__()).si_value == 1
        done = []
        async with trio.open_nursery() as nursery:

            async def read():
                done.extend([info async for info in stream])
                done.append("end")

            nursery.start_soon(read)
            while not stream._waiters:
                await trio.sleep(0)
            stream.close()
        assert done == ["end"]

    trio.run(main)


@pytest.mark.parametrize("run", LOOPS)
def test_a_backlog_leaves_others_their_turn(run):
    ticks = []

    async def main():
        with sigrec.stream(RT) as stream:
            send(*range(1000))
            wait_until(lambda: stream._count == 1000)
            if run in (run_trio, run_anyio_on_trio):
                import trio

                async with trio.open_nursery() as nursery:

                    async def tick():
                        while True:
                            ticks.append(1)
                            await trio.sleep(0)

                    nursery.start_soon(tick)
                    for _ in range(1000):
                        await stream.__anext__()
                    nursery.cancel_scope.cancel()
            else:

                async def tick():
                    while True:
                        ticks.append(1)
                        await asyncio.sleep(0)

                task = asyncio.ensure_future(tick())
                for _ in range(1000):
                    await stream.__anext__()
                task.cancel()

    run(main)
    assert len(ticks) >= 10


def test_several_loops_in_several_threads():
    found = {}

    def thread(name):
        async def main():
            async with sigrec.stream(RT) as stream:
                ready.append(name)
                async for info in stream:
                    found.setdefault(name, []).append(info.si_value)
                    if info.si_value == 49:
                        return

        asyncio.run(main())

    ready = []
    threads = [threading.Thread(target=thread, args=(n,)) for n in range(3)]
    for one in threads:
        one.start()
    wait_until(lambda: len(ready) == 3)
    send(*range(50))
    for one in threads:
        one.join(60)
    assert found == {n: list(range(50)) for n in range(3)}


def test_a_loop_that_has_ended_does_not_take_the_wake_up_along():
    stream = sigrec.stream(RT)
    loop = asyncio.new_event_loop()
    task = loop.create_task(stream.__anext__())
    loop.run_until_complete(asyncio.sleep(0.001))
    assert stream._waiters
    loop.close()
    found = []
    thread = threading.Thread(target=lambda: found.append(next(stream).si_value))
    thread.start()
    wait_until(lambda: len(stream._waiters) == 2)
    send(5)
    thread.join(60)
    assert found == [5]
    stream.close()
    task._log_destroy_pending = False


def test_the_programs_wakeup_fd_and_child_watcher_stay_its_own():
    async def main():
        loop = asyncio.get_running_loop()
        got = asyncio.Event()
        loop.add_signal_handler(USR1, got.set)
        async with sigrec.stream(RT) as stream:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "raise SystemExit(7)"
            )
            assert await process.wait() == 7
            os.kill(ME, USR1)
            await asyncio.wait_for(got.wait(), 60)
            send(1)
            assert (await stream.__anext__()).si_value == 1
        loop.remove_signal_handler(USR1)

    asyncio.run(main())


# --- exact -------------------------------------------------------------------------------------------

FLOODED = HERE / "reads_a_flood.py"


@pytest.mark.parametrize("form", ["for", "thread", "asyncio", "uvloop", "trio", "anyio"])
def test_to_the_last_of_a_flood(child, form):
    if form not in ("for", "thread", "asyncio"):
        pytest.importorskip(form)
    count = 40_000  # more than a queue holds
    p = child(FLOODED, form, count)
    p.line()
    p.flood(RT, count)
    assert p.line(120) == f"{count} {count} {count} {count} {count} 0"
    p.end()


# --- fork, exit, and nothing left ---------------------------------------------------------------------


def test_in_a_forked_child(child):
    p = child(HERE / "forks_with_a_stream.py")
    assert "open one in this process" in p.line()
    assert [p.line(), p.line(), p.line()] == ["7", "15", "8"]
    p.end()


def test_a_fork_while_a_stream_is_read(child):
    """By a handler within the wait; and by the reader, while on the dispatcher thread a handler runs
    on that has cancelled itself."""
    p = child(HERE / "forks_while_reading.py")
    assert sorted([p.line(), p.line()]) == ["7", "refused"]
    assert [p.line(), p.line()] == ["8", "True"]
    p.end()


def test_in_a_running_loop(child):
    p = child(
        """
        import asyncio, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        async def main():
            async with sigrec.stream(RT) as stream:
                pid = os.fork()
                if pid == 0:
                    try:
                        await stream.__anext__()
                    except sigrec.SigrecError:
                        say("refused")
                    os._exit(0)
                os.waitpid(pid, 0)
                sigqueue(os.getpid(), RT, 8)
                say((await stream.__anext__()).si_value)
        asyncio.run(main())
        """
    )
    assert [p.line(), p.line()] == ["refused", "8"]
    p.end()


def test_an_open_stream_does_not_keep_the_interpreter(child):
    p = child("stream = sigrec.stream(RT); sigqueue(os.getpid(), RT, 1); say('end')")
    assert p.line() == "end"
    _, errors = p.end()
    assert errors == ""


def test_opening_and_closing_leaves_nothing(child):
    p = child(HERE / "opens_and_closes_streams.py")
    assert p.line(120) == "True True"
    p.end()


def test_the_loops_are_not_imported():
    code = "import sys, sigrec; sigrec.stream; print([m for m in ('asyncio', 'trio', 'anyio') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_an_event_is_not_lost_where_a_handler_raises_as_it_comes(child):
    """Both come while the main thread waits, and it has to take neither before it has the GIL."""
    p = child(HERE / "raises_while_a_stream_is_read.py")
    assert p.line() == "9"
    p.end()


@pytest.mark.parametrize("error", ["RuntimeError", "KeyboardInterrupt"])
def test_an_audit_hook_that_raises_leaves_nothing_half_changed(child, error):
    """Where the signal is pending and blocked, closing looks into /proc."""
    p = child(HERE / "ends_where_an_audit_hook_raises.py", error)
    ends = "ended" if error == "RuntimeError" else error
    assert [p.line(), p.line()] == [ends, "True False False"]
    assert [p.line(), p.line(), p.line()] == [ends, "True", "False"]
    p.end()
