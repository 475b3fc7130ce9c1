"""The kernel agrees, to the last signal: its own tracepoint beside our ledger."""

import collections
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import RT, Child
from tests.proof.audit import MERGED, OVERFLOWED, QUEUED, WITHOUT_SIGINFO

HERE = Path(__file__).parent


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

RECEIVER = HERE / "audited.py"
COUNT = 20_000
STANDARD = int(signal.SIGUSR1)


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """Floods, one after another under one trace: what the receiver of each says, and how often the
    kernel had which result of a signal to it."""
    directory = tmp_path_factory.mktemp("audit")
    directory.chmod(0o700)
    receivers = {
        (how, signum): Child(RECEIVER, signum, how, env={"SIGREC_DIR": str(directory)})
        for how in ("registered", "intake", "recorded")
        for signum in (int(RT), STANDARD)
    }
    try:
        for receiver in receivers.values():
            receiver.line()
        return audit(receivers, directory / "perf.data")
    finally:
        for receiver in receivers.values():
            receiver.kill()


def audit(receivers, data):
    # Only these signals (the trace's pid is a thread id; each has one thread that takes them),
    # with a large buffer: perf says if it lost anything.
    only = "||".join(
        f"(sig=={signum}&&pid=={receiver.pid})" for (_, signum), receiver in receivers.items()
    )
    tracer = subprocess.Popen(
        ["perf", "record", "-q", "-e", "signal:signal_generate", "--filter", only, "-a",
         "-m", "16M", "-o", str(data), "--", "sh", "-c", "echo tracing; read line"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert tracer.stdout.readline() == "tracing\n"
        said = {}
        for (how, signum), receiver in receivers.items():
            receiver.tell()
            assert receiver.line() == "busy"
            receiver.flood(signum, COUNT, queue=signum == RT)
            receiver.tell()
            said[how, signum] = list(map(int, receiver.line(120).split()))
            receiver.end()
    finally:
        _, errors = tracer.communicate("stop\n", timeout=60)
    assert "lost" not in errors.lower(), errors
    perf = {"capture_output": True, "text": True, "errors": "replace"}
    header = subprocess.run(["perf", "report", "-i", data, "--stats"], **perf)
    assert "LOST" not in header.stdout, header.stdout
    script = subprocess.run(["perf", "script", "-i", data, "-F", "trace"], **perf).stdout
    results = collections.defaultdict(collections.Counter)
    for pid, result in re.findall(r" pid=(\d+) .*res=(\d+)", script):
        results[int(pid)][int(result)] += 1
    return {case: (said[case], results[receiver.pid]) for case, receiver in receivers.items()}


@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
@pytest.mark.parametrize("signum", [int(RT), STANDARD], ids=["real-time", "standard"])
@pytest.mark.parametrize("how", ["registered", "intake", "recorded"])
def test_queued_by_the_kernel_is_what_we_counted(audited, signum, how):
    (delivered, recorded, handled, pending, bytes_read), results = audited[how, signum]
    # Where this user's queue is full, sigqueue() is refused, and the sender tries again; a standard
    # signal is queued without its siginfo.
    queued = results[QUEUED] + (0 if signum == RT else results[WITHOUT_SIGINFO])
    merged = 0 if signum == RT else results[MERGED]
    assert queued + merged == COUNT  # all that were sent, so the tracer saw all
    assert queued + merged + results[OVERFLOWED] == sum(results.values())
    assert queued == delivered == recorded
    if how != "recorded":
        assert handled == delivered
    else:
        # CPython's own handler ran for each: it writes to the wakeup fd, and trips once more.
        assert bytes_read == delivered
    assert pending == 0


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
