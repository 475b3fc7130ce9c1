"""What a recording says after its process: killed, exec'ed, exited; and while it hangs."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

import sigrec
from sigrec import _core
from tests.conftest import RT, file_name, sigqueue, wait_until

VICTIM = """
sigrec.register(RT, lambda s, f: None)
sigrec.register(signal.SIGUSR1, lambda s, f: None)
say("ready")
while True:
    pass
"""


@pytest.mark.parametrize("times", [3, pytest.param(50, marks=pytest.mark.long)])
def test_killed_in_mid_flood(child, run_directory, times):
    for n in range(times):
        p = child(VICTIM)
        p.line()
        sender = child(
            "_core.flood(int(sys.argv[1]), RT, 1 << 60, True, 5 * 10**9)",
            p.pid,
        )
        path = run_directory / file_name(p.pid)
        with sigrec.open_recording(path) as recording:
            wait_until(lambda: recording.signals[RT].delivered > 1000 + 100 * n)
        p.process.send_signal(signal.SIGKILL)
        p.process.wait()
        sender.kill()
        with sigrec.open_recording(path) as recording:
            assert recording.state == "ended"
            stats = recording.signals[RT]
            in_flight = stats.delivered - stats.recorded - stats.dropped
            assert 0 <= in_flight <= 1  # the one that its thread had just taken
            assert stats.overwritten <= stats.recorded
            events = list(recording.events())
            assert len(events) >= min(stats.recorded, recording.capacity) - 1
            for event in events:
                assert event.si_signo == RT
                assert event.si_pid == sender.pid
                assert event.si_value == event.ordinal  # one sender: nothing torn, nothing mixed
            ordinals = [event.ordinal for event in events]
            assert ordinals == list(range(ordinals[0], ordinals[0] + len(ordinals)))
        done = run_cli("stats", str(path), "--json")
        assert json.loads(done.stdout)["processes"][0]["state"] == "ended"
        p.kill()


def run_cli(*arguments, status=0):
    done = subprocess.run(
        [sys.executable, "-m", "sigrec", *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_exec_of_another_program(child, run_directory):
    p = child(
        """
        sigrec.register(RT, lambda s, f: None)
        sigqueue(os.getpid(), RT)
        say("ready")
        hear()
        os.execvp("sleep", ["sleep", "600"])
        """
    )
    p.line()
    assert sigrec.open_recording(p.pid).state == "alive"
    p.tell()
    wait_until(lambda: sigrec.open_recording(p.pid).state == "replaced")
    done = run_cli("stats", str(p.pid), "--json")
    process = json.loads(done.stdout)["processes"][0]
    assert process["state"] == "replaced"
    assert process["signals"][0]["delivered"] == 1
    p.process.kill()
    p.process.wait()
    # This recording does not say what became of the other program.
    assert sigrec.open_recording(p.pid).state == "replaced"


def test_a_clean_exit_removes_the_file(child, run_directory):
    p = child(
        "sigrec.register(RT, lambda s, f: None); say(len(os.listdir(os.environ['SIGREC_DIR'])))"
    )
    assert p.line() == "1"
    p.end()
    assert os.listdir(run_directory) == []


@pytest.mark.parametrize(
    ("ending", "status"),
    [("sys.exit(3)", 3), ("__import__('ctypes').CDLL(None).exit(3)", 3), ("1/0", 1),
     ("os.kill(os.getpid(), signal.SIGTERM)", 0)],
)  # fmt: skip
def test_an_end_that_someone_may_ask_about_leaves_its_recording(child, ending, status):
    """A status other than 0, or a signal that asked it to end: also of what only registers."""
    if sys.platform != "linux" or not os.confstr("CS_GNU_LIBC_VERSION"):
        pytest.skip("only glibc tells the status: on_exit(3)")
    p = child(
        f"""
        sigrec.register(RT, print)
        sigrec.register(signal.SIGTERM, lambda s, f: sys.exit())
        say("ready")
        {ending}
        """
    )
    p.line()
    p.process.wait()
    with sigrec.open_recording(p.pid) as recording:
        assert (recording.state, recording.exit_status) == ("exited", status)
        assert recording.exit_reason == ("ZeroDivisionError" if status == 1 else None)


@pytest.mark.parametrize(
    "ending", ["sys.exit(0)", "pass", "__import__('ctypes').CDLL(None).exit(0)"]
)
def test_a_clean_exit_leaves_none(child, run_directory, ending):
    p = child(f"sigrec.register(RT, lambda s, f: None); {ending}")
    p.end()
    assert os.listdir(run_directory) == []


def test_how_a_worker_of_multiprocessing_ended(child, run_directory):
    p = child(
        """
        import multiprocessing
        def work(how):
            sigrec.register(RT, print)
            if how:
                raise SystemExit(how) if how == 3 else ValueError
        fork = multiprocessing.get_context("fork")
        for how in (0, 3, 4):
            worker = fork.Process(target=work, args=(how,))
            worker.start()
            worker.join()
            say(worker.pid)
        """
    )
    fine, status, failed = (int(p.line()) for _ in range(3))
    p.end()
    assert not list(run_directory.glob(f"{fine}.*"))
    with sigrec.open_recording(status) as recording:
        assert recording.state == "ended"
    with sigrec.open_recording(failed) as recording:
        known = sys.version_info < (3, 13)  # since then only its status
        expected = ("exited", "ValueError") if known else ("ended", None)
        assert (recording.state, recording.exit_reason) == expected


def test_a_file_that_the_user_named_stays(child, tmp_path):
    path = tmp_path / "named.sigrec"
    p = child(
        """
        sigrec.configure(recording=sys.argv[1])
        sigrec.register(RT, lambda s, f: None)
        sigqueue(os.getpid(), RT)
        pid = os.fork()
        if pid == 0:
            sigqueue(os.getpid(), RT)
            sys.exit(0)
        os.waitpid(pid, 0)
        """,
        path,
    )
    p.end()
    with sigrec.open_recording(path) as recording:
        assert recording.state == "exited"
        assert recording.pid == p.pid
        assert recording.signals[RT].delivered == 1


def context_switches(pid):
    with open(f"/proc/{pid}/status") as file:
        return [line for line in file if "ctxt_switches" in line]


def test_a_hung_process_is_read_without_its_help(child):
    """The main thread holds the GIL in C, and is not even scheduled while it is read: so it makes
    no system call for it."""
    p = child(
        """
        import ctypes
        sigrec.register(RT, lambda s, f: None)
        say("ready")
        libc = ctypes.PyDLL(None)
        while True:
            libc.pause()
        """
    )
    p.line()
    recording = sigrec.open_recording(p.pid)
    _core.flood(p.pid, RT, 100, True, 0)
    wait_until(lambda: recording.signals[RT].delivered == 100)
    state = f"/proc/{p.pid}/stat"
    wait_until(lambda: open(state).read().rsplit(")", 1)[1].split()[0] == "S")
    before = context_switches(p.pid)
    assert len(before) == 2
    for _ in range(3):
        done = run_cli("stats", str(p.pid), "--json")
    assert context_switches(p.pid) == before
    assert json.loads(done.stdout)["processes"][0]["signals"][0]["delivered"] == 100


def test_stats_json_has_the_pinned_form(child):
    p = child(VICTIM)
    p.line()
    sigqueue(p.pid, RT, 1)
    with sigrec.open_recording(p.pid) as recording:
        wait_until(lambda: recording.signals[RT].handled == 1)
    document = json.loads(run_cli("stats", str(p.pid), "--json").stdout)
    assert document["version"] == 1
    (process,) = document["processes"]
    assert {"pid", "state", "argv", "started", "recording", "signals"} <= set(process)
    assert process["pid"] == p.pid
    assert process["state"] == "alive"
    assert process["argv"][0] == sys.executable
    by_name = {entry["signal"]: entry for entry in process["signals"]}
    entry = by_name["SIGRTMIN+2"]
    assert by_name["SIGUSR1"]["delivered"] == 0
    assert by_name["SIGUSR1"]["first"] is None
    expected = {
        "number": int(RT), "mode": "registered", "replaced": False, "delivered": 1, "recorded": 1,
        "dropped": 0, "overwritten": 0, "handled": 1, "pending": 0, "undetailed": 0, "overruns": 0,
    }  # fmt: skip
    assert {key: entry[key] for key in expected} == expected
    for when in (process["started"], entry["first"], entry["last"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", when)
    (sender,) = entry["senders"]
    assert (sender["pid"], sender["uid"], sender["count"]) == (os.getpid(), os.getuid(), 1)
    assert sender["comm"] == open("/proc/self/comm").read().strip()
