"""``sigrec.record`` and ``Recorder``: what they count, refuse, and give back."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter

import pytest

import sigrec
from tests.conftest import RT, sigqueue, wait_until

ME = os.getpid()
USR1 = signal.SIGUSR1


@pytest.fixture
def handled():
    """The program's own handlers of SIGUSR1 and a real-time signal; what they were called with."""
    calls = []
    before = {s: signal.signal(s, lambda s, f: calls.append(s)) for s in (USR1, RT)}
    yield calls
    for signum, handler in before.items():
        signal.signal(signum, handler)


def test_counts_events_and_equality(handled):
    with sigrec.record(USR1, RT) as recorder:
        assert recorder.counts == {}
        for _ in range(3):
            os.kill(ME, USR1)
        sigqueue(ME, RT, 7)
        assert recorder.counts == {USR1: 3, RT: 1}
        assert recorder.counts[signal.SIGUSR2] == 0
        assert handled == [USR1] * 3 + [RT]
        events = recorder.events
        assert [(e.si_signo, e.si_pid, e.si_value) for e in recorder] == [
            (USR1, ME, None)] * 3 + [(RT, ME, 7)]  # fmt: skip
        assert events == list(recorder)
        assert recorder.signums == {USR1, RT}
        assert repr(recorder) == "<Recorder: SIGUSR1=3 SIGRTMIN+2=1>"
    os.kill(ME, USR1)
    assert recorder.counts == {USR1: 3, RT: 1}  # as it was when it ended
    assert recorder.events == events
    recorder.stop()
    assert repr(recorder) == "<Recorder, stopped: SIGUSR1=3 SIGRTMIN+2=1>"
    assert handled == [USR1] * 3 + [RT] + [USR1]


def test_each_counts_from_its_own_beginning(handled):
    with sigrec.record(USR1) as outer:
        os.kill(ME, USR1)
        with sigrec.record() as inner:
            os.kill(ME, USR1)
            assert (outer.counts, inner.counts) == ({USR1: 2}, {USR1: 1})
            assert [len(outer.events), len(inner.events)] == [2, 1]
        os.kill(ME, USR1)
        assert (outer.counts, inner.counts) == ({USR1: 3}, {USR1: 1})
    with sigrec.record(USR1) as again:
        assert again.counts == {} and again.events == []


def test_the_ledger_says_recorded(handled):
    with sigrec.record(USR1):
        stats = sigrec.stats()[USR1]
        before = stats.delivered
        assert stats.mode == "recorded" and not stats.replaced
        os.kill(ME, USR1)
        stats = sigrec.stats()[USR1]
        assert stats.delivered == before + 1 == stats.recorded + stats.dropped
        entry = [
            s for s in sigrec.stats().to_dict()["processes"][0]["signals"] if s["number"] == USR1
        ]
        assert entry[0]["mode"] == "recorded"


def test_without_names_what_is_ignored_is_left_alone(handled):
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        with sigrec.record() as recorder:
            for signum in (signal.SIGUSR2, signal.SIGCHLD, signal.SIGURG, USR1):
                os.kill(ME, signum)
            assert recorder.counts == {USR1: 1}
            # Once it has a handler it is recorded.
            signal.signal(signal.SIGUSR2, lambda s, f: None)
            os.kill(ME, signal.SIGUSR2)
            signal.signal(signal.SIGUSR2, signal.SIG_IGN)
            os.kill(ME, signal.SIGUSR2)
            assert recorder.counts == {USR1: 1, signal.SIGUSR2: 1}
            with sigrec.record(signal.SIGURG) as named:
                os.kill(ME, signal.SIGURG)
                assert named.counts == {signal.SIGURG: 1}
            os.kill(ME, signal.SIGURG)
            assert recorder.counts[signal.SIGURG] == 1  # the one while it was named
    finally:
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)


@pytest.mark.parametrize("bad", [
    "SIGTERM", True, 1.0, None, 0, -1, 65, 1000, signal.SIGKILL, signal.SIGSTOP, 32, [signal.SIGTERM],
])  # fmt: skip
def test_bad_signals(bad, handled):
    before = signal.getsignal(USR1)
    with pytest.raises(ValueError, match="."):
        sigrec.record(USR1, bad)
    assert signal.getsignal(USR1) is before
    if USR1 in sigrec.stats():
        assert sigrec.stats()[USR1].mode != "recorded"


def test_bad_options():
    with pytest.raises(ValueError, match="'yes'"):
        sigrec.record(USR1, children="yes")
    with pytest.raises(TypeError):
        sigrec.record(USR1, nonsense=1)


def test_from_any_thread(handled):
    made = []
    thread = threading.Thread(target=lambda: made.append(sigrec.record(USR1)))
    thread.start()
    thread.join()
    os.kill(ME, USR1)
    assert made[0].counts == {USR1: 1}
    thread = threading.Thread(target=made[0].stop)
    thread.start()
    thread.join()
    os.kill(ME, USR1)
    assert made[0].counts == {USR1: 1}
    assert handled == [USR1, USR1]


def test_the_program_changes_its_mind(handled):
    early = signal.signal  # a reference of before
    with sigrec.record(USR1) as recorder:
        calls = []
        before = early(USR1, lambda s, f: calls.append("new"))
        os.kill(ME, USR1)
        assert calls == ["new"] and recorder.counts == {USR1: 1}
        assert early(USR1, before) is not before
        os.kill(ME, USR1)
        assert handled == [USR1] and recorder.counts == {USR1: 2}
        assert not sigrec.stats()[USR1].replaced


def test_together_with_register(handled):
    """A registered signal is recorded anyway; when the registration ends, recording goes on."""
    got = []
    with sigrec.record(USR1) as recorder:
        with sigrec.register(USR1, lambda s, f: got.append(s)):
            os.kill(ME, USR1)
            assert sigrec.stats()[USR1].mode == "registered"
        assert sigrec.stats()[USR1].mode == "recorded"
        os.kill(ME, USR1)
        assert (got, handled) == ([USR1], [USR1])
        assert recorder.counts == {USR1: 2}
    with sigrec.register(USR1, lambda s, f: got.append(s)):
        with sigrec.record(USR1) as recorder:
            os.kill(ME, USR1)
            assert sigrec.stats()[USR1].mode == "registered"
        os.kill(ME, USR1)
        assert recorder.counts == {USR1: 1}
    assert got == [USR1] * 3
    os.kill(ME, USR1)
    assert handled == [USR1] * 2


def test_a_registered_signal_that_the_program_takes_over(handled):
    got = []
    with sigrec.record(USR1) as recorder:
        registration = sigrec.register(USR1, lambda s, f: got.append(s))
        mine = []
        before = signal.signal(USR1, lambda s, f: mine.append(s))
        os.kill(ME, USR1)
        assert (got, mine) == ([], [USR1])
        assert sigrec.stats()[USR1].mode == "recorded"
        registration.cancel()
        os.kill(ME, USR1)
        assert mine == [USR1, USR1]
        # Code that saved our Python-level handler and puts it back means our handler.
        signal.signal(USR1, before)
        assert recorder.counts == {USR1: 2}
    signal.signal(USR1, lambda s, f: handled.append(s))


def test_stop_gives_back_the_disposition(child):
    p = child(
        """
        import faulthandler
        def catches():
            caught = [line for line in open("/proc/self/status") if line.startswith("SigCgt")][0].split()[1]
            return int(caught, 16) & ~(1 << signal.SIGBUS - 1)  # see csrc/handler/sigbus.h
        before = catches()
        recorder = sigrec.record()
        during = catches()
        recorder.stop()
        say(before == catches(), during != before)
        """
    )
    assert p.line() == "True True"
    p.end()


def test_in_a_forked_child_it_counts_from_the_fork(child):
    p = child(
        """
        signal.signal(signal.SIGUSR1, lambda s, f: None)
        recorder = sigrec.record(signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        pid = os.fork()
        if pid == 0:
            os.kill(os.getpid(), signal.SIGUSR1)
            os.kill(os.getpid(), signal.SIGUSR1)
            say(recorder.counts == {signal.SIGUSR1: 2}, len(recorder.events))
            os._exit(0)
        os.waitpid(pid, 0)
        say(recorder.counts == {signal.SIGUSR1: 1}, len(recorder.events))
        """
    )
    assert p.line() == "True 2"
    assert p.line() == "True 1"
    p.end()


def test_no_thread_and_no_file_descriptor(child):
    p = child(
        """
        before = os.listdir("/proc/self/fd"), threading.active_count(), len(os.listdir("/proc/self/task"))
        recorder = sigrec.record()
        say(before == (os.listdir("/proc/self/fd"), threading.active_count(), len(os.listdir("/proc/self/task"))))
        """
    )
    assert p.line() == "True"
    p.end()


def calls_between_marks(program, begin, log):
    """Of the program and all that it starts, by strace(1)."""
    import re
    import shutil

    if not shutil.which("strace"):
        pytest.skip("no strace")
    done = subprocess.run(
        ["strace", "-f", "-o", log, sys.executable, "-c", program.format(begin=begin)],
        capture_output=True,
    )
    if b"ptrace" in done.stderr.lower():
        pytest.skip("strace may not trace here")
    text = log.read_text().splitlines()
    first, last = (n for n, line in enumerate(text) if '"MARK"' in line)
    calls = [re.match(r"\d+ +(\w+)\(", line) for line in text[first : last + 1]]
    return [call[1] for call in calls if call and call[1] not in ("brk", "mmap", "munmap")]


RECORDING = "import sigrec; sigrec.record()"


def test_a_program_that_gets_no_signals_makes_no_more_system_calls(tmp_path):
    """strace shows it: after the start, not one call and not one wake-up more."""
    program = """
import os, time
{begin}
os.write(2, b"MARK")
total = 0
for n in range(20):
    time.sleep(0.01)
    total += sum(range(1000))
os.write(2, b"MARK")
"""
    plain, ours = (
        calls_between_marks(program, begin, tmp_path / "log") for begin in ("", RECORDING)
    )
    assert ours == plain


def test_what_changes_signals_or_processes_asks_who_it_is(tmp_path):
    """A vfork child has our memory, and is told by its pid alone: one getpid for each call that sets
    a disposition, execs or waits, once one was made. What is asked of a disposition is known without the kernel. The line
    of Python that sets one is only looked for where its signal is not blocked, as in its handler."""
    program = """
import os, signal, subprocess
subprocess.run(["/bin/true"])  # imports what it imports
{begin}
os.write(2, b"MARK")
for n in range(10):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
subprocess.run(["/bin/true"])
os.write(2, b"MARK")
"""
    plain, ours = (
        Counter(calls_between_marks(program, begin, tmp_path / "log")) for begin in ("", RECORDING)
    )
    more = ours - plain
    assert set(more) <= {"getpid", "gettid", "rt_sigprocmask"}
    assert more["rt_sigprocmask"] == 20
    # All signals blocked around the fork, and let in again by both.
    assert more["gettid"] <= 3
    # None until it has made a vfork child; then of that: 3 signals that Python ignores, its mask, its
    # exec; and our wait for it.
    assert more["getpid"] <= 6


def test_a_sender_is_named(handled):
    with sigrec.record(USR1) as recorder:
        sender = subprocess.Popen(
            [sys.executable, "-c", f"import os; os.kill({ME}, {int(USR1)}); input()"],
            stdin=subprocess.PIPE,
        )
        wait_until(lambda: recorder.counts == {USR1: 1})
        comm = open(f"/proc/{sender.pid}/comm").read().strip()
        sender.communicate(b"\\n")
        # It has gone; its name is in the recording.
        (event,) = recorder.events
        assert (event.sender.pid, event.sender.comm, event.sender.argv) == (sender.pid, comm, None)


def test_the_command_line_and_user_of_a_sender_that_lives(handled):
    with sigrec.record(RT) as recorder:
        sigqueue(ME, RT)
        (event,) = recorder.events
        import pwd

        assert event.sender.argv[0] == sys.orig_argv[0]
        assert event.sender.user == pwd.getpwuid(os.geteuid()).pw_name
