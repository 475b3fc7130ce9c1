"""The kernel agrees, to the last signal: its own tracepoint beside our ledger."""

import re
import shutil
import subprocess

import pytest

from tests.conftest import RT


def tracepoint_missing():
    perf = shutil.which("perf")
    if perf is None:
        return "perf is not installed"
    probe = subprocess.run(
        [perf, "record", "-q", "-e", "signal:signal_generate", "-a", "-o", "/dev/null", "true"],
        capture_output=True,
        text=True,
    )
    if probe.returncode:
        return f"signal:signal_generate cannot be read here: {probe.stderr.strip()[:200]}"
    return None


MISSING = tracepoint_missing()


@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
@pytest.mark.parametrize("queue", [True, False], ids=["real-time", "standard"])
@pytest.mark.parametrize("how", ["registered", "recorded"])
def test_queued_by_the_kernel_is_what_we_counted(child, tmp_path, queue, how):
    receiver = child(
        """
        signum = int(sys.argv[1])
        if sys.argv[2] == "registered":
            sigrec.register(signum, lambda s, f: None)
        else:  # the program's own handler, and its own wakeup fd, which gets a byte for each
            signal.signal(signum, lambda s, f: None)
            ours, theirs = os.pipe()
            os.set_blocking(theirs, False)
            signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
            bytes_read = 0
            def read():
                global bytes_read
                while some := os.read(ours, 65536):
                    bytes_read += len(some)
            reader = threading.Thread(target=read)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signum])
            reader.start()  # takes none of the signals
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signum])
            recorder = sigrec.record()
        say("ready")
        import select
        while not select.select([0], [], [], 0)[0]:
            sum(range(100))
        settle(signum)
        if sys.argv[2] == "recorded":
            signal.set_wakeup_fd(-1)
            os.close(theirs)
            reader.join()
            print(bytes_read, file=sys.stderr)
            assert recorder.counts[signum] == ledger(signum)[0]
        say(*ledger(signum))
        """,
        int(RT) if queue else 10,
        how,
    )
    receiver.line()
    signum = int(RT) if queue else 10
    count = 30_000
    data = tmp_path / "perf.data"
    sender = child(
        "hear(); say(_core.flood(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == 'True', 0)[0])",
        receiver.pid,
        signum,
        count,
        queue,
    )
    # Only this signal, with a large buffer: perf says if it lost anything.
    tracer = subprocess.Popen(
        ["perf", "record", "-q", "-e", "signal:signal_generate", "--filter", f"sig=={signum}", "-a",
         "-m", "16M", "-o", str(data), "--", "sh", "-c", "echo tracing; read line"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert tracer.stdout.readline() == "tracing\n"
        sender.tell()
        assert sender.line(120) == str(count)
        receiver.tell()
        delivered, recorded, handled, pending = map(int, receiver.line(120).split())
    finally:
        _, errors = tracer.communicate("stop\n", timeout=60)
    assert "lost" not in errors.lower(), errors
    header = subprocess.run(
        ["perf", "report", "-i", str(data), "--stats"], capture_output=True, text=True
    )
    assert "LOST" not in header.stdout, header.stdout
    script = subprocess.run(["perf", "script", "-i", str(data)], capture_output=True, text=True)
    # The trace's pid is a thread id; the receiver has one thread.
    results = [
        int(match["res"])
        for match in re.finditer(
            r"sig=(?P<sig>\d+) .* pid=(?P<pid>\d+) .*res=(?P<res>\d+)", script.stdout
        )
        if (int(match["sig"]), int(match["pid"])) == (signum, receiver.pid)
    ]
    assert len(results) == count  # all that were sent, so the tracer saw all
    assert results.count(0) == delivered == recorded
    if how == "registered":
        assert handled == delivered
    else:
        # CPython's own handler ran for each: it writes to the wakeup fd, and trips once more.
        _, errors = receiver.end()
        assert int(errors) == delivered
    assert pending == 0
    if queue:
        assert delivered == count
    else:
        assert set(results) <= {0, 2}
        assert results.count(2) == count - delivered


def test_a_full_wakeup_fd_hangs_nothing(child):
    p = child(
        """
        signal.signal(RT, lambda s, f: None)
        ours, theirs = os.pipe()
        os.set_blocking(theirs, False)
        while True:  # until nothing goes in any more
            try:
                os.write(theirs, b"x" * 4096)
            except BlockingIOError:
                break
        signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
        recorder = sigrec.record()
        say("ready")
        while recorder.counts[RT] < 20_000:
            pass
        say(recorder.counts[RT])
        """
    )
    p.line()
    p.flood(RT, 20_000)
    assert p.line() == "20000"
    p.end()
