"""What processes that come and go are counted as: exactly, and once."""

import json
import os
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

import sigrec
from sigrec import SigrecError
from sigrec._proc import lease
from sigrec._serve import ending
from sigrec._serve.state import DamagedError, StateFile
from tests.conftest import wait_until
from tests.reader.builder import RecordingBuilder, event
from tests.serve.conftest import WORKER

DELIVERED, HANDLED = "sigrec_signals_delivered", "sigrec_signals_handled"
USR1 = "worker.py", "SIGUSR1"


def test_processes_that_live_shorter_than_a_scrape(running, worker):
    one = running()
    workers = [worker() for _ in range(6)]
    for n, each in enumerate(workers):
        each.send(n + 1)
        each.process.stdin.close()  # it exits with 0, and its recording is gone
    for each in workers:
        assert each.process.wait() == 0
    wait_until(lambda: one.ends() == {("exit", ""): 6})
    assert one.value(DELIVERED, *USR1) == one.value(HANDLED, *USR1) == 21


ENDS = [
    ("sys.exit(0)", 0, ("exit", "")),
    ("sys.exit(3)", 3, ("error", "")),
    ("os._exit(4)", 4, ("error", "")),
    ("os.abort()", -signal.SIGABRT, ("SIGABRT", "itself")),
    ("os.kill(os.getpid(), 9)", -9, ("SIGKILL", "itself")),
    ("os.kill(os.getpid(), 15)", -15, ("SIGTERM", "itself")),
    ("os.execv('/bin/true', ['true'])", 0, ("exec", "")),
]


def test_what_ended_a_process(running, worker):
    one = running()
    expected = {}
    workers = []
    for code, status, how in ENDS:
        each = worker()
        each.tell(code)
        workers.append((each, status))
        expected[how] = expected.get(how, 0) + 1
    for each, status in workers:
        assert each.process.wait() == status
    by_us = worker()
    by_us.process.send_signal(signal.SIGTERM)
    assert by_us.process.wait() == -15
    with open("/proc/self/comm") as file:
        expected["SIGTERM", file.read().strip()] = 1
    wait_until(lambda: sum(one.ends().values()) == len(ENDS) + 1)
    assert one.ends() == expected
    assert one.held() == 0


def test_an_exception_that_nobody_caught(running, run_directory, tmp_path):
    one = running()
    (tmp_path / "worker.py").write_text("raise KeyError('secret')")
    subprocess.run(
        [sys.executable, "-m", "sigrec", "run", str(tmp_path / "worker.py")], stderr=subprocess.PIPE
    )
    wait_until(lambda: one.ends() == {("exception", ""): 1})


def test_a_restart_counts_nothing_twice(running, worker, tmp_path):
    first = running()
    a, b = worker(), worker()
    a.send(5)
    assert first.value(DELIVERED, *USR1) == 5
    first.end()
    a.send(2)
    b.send(1)
    b.tell("os.kill(os.getpid(), 9)")  # its recording stays
    b.process.wait()
    second = running()
    assert second.value(DELIVERED, *USR1) == 8
    wait_until(lambda: second.ends() == {("SIGKILL", "itself"): 1})
    second.end()
    third = running()
    assert third.value(DELIVERED, *USR1) == 8
    assert third.ends() == {("SIGKILL", "itself"): 1}
    assert third.shown().lost == 0


def test_what_went_meanwhile_is_said(running, worker):
    first = running()
    gone = worker()
    wait_until(lambda: first.held() == 1)
    first.end()
    gone.process.stdin.close()
    gone.process.wait()
    second = running()
    assert second.shown().lost == 1
    assert any("recordings that went while no sigrec serve ran: 1;" in text for text in second.told)
    assert second.ends() == {}


@pytest.mark.parametrize("how", ["deleted", "cut", "changed", "garbage", "senseless"])
def test_without_its_state_it_counts_from_now_on(running, worker, tmp_path, how):
    first = running()
    each, dead = worker(), worker()
    each.send(5)
    dead.tell("os.kill(os.getpid(), 9)")
    dead.process.wait()
    wait_until(lambda: first.ends())
    first.end()
    state = tmp_path / "state"
    whole = state.read_bytes()
    if how == "deleted":
        state.unlink()
    elif how == "senseless":
        other = StateFile(str(state))
        other.save({"counters": [], "recordings": 3})
        other.close()
    else:
        state.write_bytes(
            {
                "cut": whole[:-9],
                "changed": whole.replace(b"worker", b"Worker"),
                "garbage": b"\xff" * 99,
            }[how]
        )
    second = running()
    assert second.value(DELIVERED, *USR1) == 0
    assert any("counting begins now, with 2 recordings" in text for text in second.told)
    assert any("earlier run is lost: " in text for text in second.told) is (how != "deleted")
    each.send(3)
    assert second.value(DELIVERED, *USR1) == 3
    assert second.ends() == {}


def test_a_state_that_cannot_be_read_is_not_replaced(running, tmp_path):
    state = tmp_path / "state"
    state.symlink_to("state")  # in circles it cannot be opened, as one that is not permitted
    with pytest.raises(SigrecError, match="state cannot be read: .*; so it is not replaced"):
        running()
    assert state.is_symlink()


def test_a_damaged_state_that_cannot_be_put_aside(tmp_path, monkeypatch):
    """As in a sticky directory, where it belongs to somebody else."""
    (tmp_path / "state").write_text("{}")
    (tmp_path / "state.damaged").mkdir()
    state = StateFile(str(tmp_path / "state"))
    words = "cannot become .*state.damaged: Is a directory; so it is not replaced"
    with pytest.raises(sigrec.SigrecError, match=words) as raised:
        state.load()
    assert not isinstance(raised.value, DamagedError)  # which would be followed by a new state
    # As in a directory that this user may not write, where none can follow.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DamagedError, match="and cannot be replaced"):
        state.load()


def test_where_no_state_can_be_it_counts_all_the_same(tmp_path):
    """As for a service whose HOME is /dev/null, or another user's."""
    (tmp_path / "null").touch()
    state = StateFile(str(tmp_path / "null" / "state"))
    assert state.load() is None and state.unlocked is not None
    with pytest.raises(OSError):
        state.save({})


def test_a_state_that_cannot_be_written_stands_still(running, worker, tmp_path, monkeypatch):
    one = running()
    each = worker()
    each.send(5)
    assert one.value(DELIVERED, *USR1) == 5
    part = tmp_path / "state.part"
    part.mkdir()  # in the way, also of root
    each.send(1)
    assert one.value(DELIVERED, *USR1) == 5
    assert one.shown().write_errors >= 1
    assert any("cannot be written" in text for text in one.told)
    part.rmdir()
    assert one.value(DELIVERED, *USR1) == 6
    assert any("is written again" in text for text in one.told)


def test_one_process_has_a_state(tmp_path):
    first = StateFile(str(tmp_path / "state"))
    with pytest.raises(Exception, match=rf"another sigrec serve, PID {os.getpid()}:"):
        StateFile(str(tmp_path / "state"))
    first.close()
    again = StateFile(str(tmp_path / "state"))
    assert again.load() is None
    again.save({"a": 1})
    assert again.load() == {"a": 1}
    (tmp_path / "state").write_text(json.dumps({"sigrec serve": 2}) + "\n{}")
    with pytest.raises(DamagedError, match=r"state\.damaged now"):
        again.load()
    assert (tmp_path / "state.damaged").read_bytes().endswith(b"{}")  # it may be somebody's
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SigrecError, match="fifo is not a file, and would be replaced by one"):
        StateFile(str(tmp_path / "fifo"))  # as /dev/null, of root


def test_a_copy_is_no_other_process(running, worker, run_directory, tmp_path):
    one = running()
    each = worker()
    each.send(5)
    (path,) = run_directory.glob("*.sigrec")
    shutil.copy(path, run_directory / "0-copy.sigrec")
    each.send(1)
    each.tell("os.kill(os.getpid(), 9)")
    each.process.wait()
    wait_until(lambda: one.ends())
    shutil.move(path, tmp_path / "elsewhere")
    (run_directory / "0-copy.sigrec").unlink()
    shutil.move(tmp_path / "elsewhere", path)  # and comes back
    one.end()
    again = running()
    assert again.value(DELIVERED, *USR1) == 6
    assert again.ends() == {("SIGKILL", "itself"): 1}


def test_a_copy_that_is_there_first(running, worker, run_directory):
    """Its process lives, too, by the PID that is in it: but nobody writes it."""
    first = running()
    each = worker()
    each.send(5)
    assert first.value(DELIVERED, *USR1) == 5
    first.end()
    (path,) = run_directory.glob("*.sigrec")
    shutil.copy(path, run_directory / "0-copy.sigrec")
    path.rename(run_directory / ".hidden.sigrec")
    again = running()
    assert again.held() == 1
    (run_directory / ".hidden.sigrec").rename(path)
    each.send(2)
    wait_until(lambda: again.value(DELIVERED, *USR1) == 7)


def test_one_that_is_written_over_another_one(running, worker, run_directory, tmp_path):
    """And then has another name: two recordings, and one inode to watch."""
    one = running()
    there = tmp_path / "there"
    there.mkdir(mode=0o700)
    workers = [worker(env={**os.environ, "SIGREC_DIR": str(there)}) for _ in range(2)]
    first, second = there.glob("*.sigrec")
    shutil.move(shutil.copy(first, tmp_path), run_directory / "1.sigrec")
    wait_until(lambda: one.held() == 1)
    shutil.copy(second, run_directory / "1.sigrec")
    shutil.move(run_directory / "1.sigrec", run_directory / "2.sigrec")
    wait_until(lambda: one.held() == 2)
    for each in workers:
        each.tell("os.kill(os.getpid(), 9)")
    wait_until(lambda: sum(one.ends().values()) == 2)


def test_who_sent_what_asks_to_end(running, tmp_path, worker):
    one = running()
    each = worker()
    each.do("recorder.__exit__(None, None, None)")
    each.do("sigrec.register(signal.SIGTERM, lambda *a: os.write(1, b'got\\n'))")
    wait_until(lambda: one.held() == 1)
    for _ in range(3):
        os.kill(each.pid, signal.SIGTERM)
        assert each.line() == "got"
    each.tell("os.kill(os.getpid(), signal.SIGTERM)")
    assert each.line() == "got"
    with open("/proc/self/comm") as file:
        us = file.read().strip()
    name = "sigrec_signals_from"
    assert one.value(name, "worker.py", "SIGTERM", us) == 3
    assert one.value(name, "worker.py", "SIGTERM", "itself") == 1


def test_a_handler_that_does_not_return(running, worker):
    one = running()
    each = worker()
    each.do("sigrec.register(signal.SIGUSR2, lambda *a: (print('in', flush=True), time.sleep(99)))")
    each.tell("import time; os.kill(os.getpid(), signal.SIGUSR2)")
    assert each.line() == "in"
    wait_until(lambda: one.shown().running.get(("worker.py", "SIGUSR2"), 0) > 0.05)
    assert one.shown().pending["worker.py", "SIGUSR2"] in (0, 1)


def test_zeros_before_the_first(running, worker):
    """What increase() sees as a rise has to have been there before."""
    one = running(settle=3600)
    each = worker()
    each.send(5)
    wait_until(lambda: one.held() == 1)
    shown = one.shown()
    assert shown.counters[DELIVERED] == {USR1: 0, ("worker.py", "SIGTERM"): 0}
    endings = shown.counters["sigrec_process_endings"]
    assert {key[1] for key in endings} >= {"SIGKILL", "SIGTERM", "exit", "error", "oom", "unknown"}
    assert set(endings.values()) == {0}
    assert shown.processes["worker.py", "alive"] == 1


def test_what_is_no_recording_and_whose(running, worker, run_directory, monkeypatch):
    if os.geteuid() == 0:
        (run_directory / "6.sigrec").write_bytes(b"x")
        os.chown(run_directory / "6.sigrec", 12345, 12345)
    (run_directory / "1.sigrec").write_bytes(b"")
    (run_directory / "2.sigrec").write_bytes(b"\x89SIGREC\n" + b"\xff" * 9000)
    os.mkfifo(run_directory / "3.sigrec")
    os.symlink("/etc/passwd", run_directory / "4.sigrec")
    (run_directory / "5.sigrec").mkdir()
    one = running()
    hostile = (
        RecordingBuilder()
        .ledger(10, delivered=1 << 63)
        .slot(0, event(10))
        .write(run_directory / "7.sigrec")
    )
    each = worker()
    each.send(1)
    assert one.value(DELIVERED, *USR1) == 1
    wait_until(lambda: one.shown().unreadable["damaged"] == 5)
    unreadable = one.shown().unreadable
    assert unreadable["other"] == 1  # a link
    assert unreadable.get("owner", 0) == (os.geteuid() == 0)
    hostile.unlink()
    wait_until(lambda: one.shown().unreadable["damaged"] == 4)
    # Cut short while it is held.
    (path,) = (p for p in run_directory.glob(f"{each.pid}*.sigrec"))
    with open(path, "r+b") as file:
        file.truncate(5000)
    wait_until(lambda: one.shown().unreadable["damaged"] == 5)


def test_a_directory_that_appears_later(running, worker, tmp_path):
    there = tmp_path / "later" / "deeper"
    one = running(directory=there)
    there.mkdir(parents=True, mode=0o700)
    below = there / "1000"
    below.mkdir(mode=0o700)
    each = worker(env={**os.environ, "SIGREC_DIR": str(below)})
    each.send(4)
    wait_until(lambda: one.value(DELIVERED, *USR1) == 4)


def test_a_directory_that_went_and_comes_back(running, worker, tmp_path):
    """While a process still writes in it: the kernel does not say that it went."""
    there = tmp_path / "there"
    there.mkdir(mode=0o700)
    one = running(directory=there)
    options = {"env": {**os.environ, "SIGREC_DIR": str(there)}}
    worker(**options)
    wait_until(lambda: one.held() == 1)
    shutil.rmtree(there)
    before = one.fleet._where.watches.copy()
    there.mkdir(mode=0o700)
    wait_until(lambda: one.fleet._where.watches != before)
    worker(**options)
    wait_until(lambda: one.held() == 2)


def test_a_directory_that_others_write_is_not_trusted(running, worker, run_directory):
    each = worker()
    each.send(4)
    run_directory.chmod(0o777)
    one = running()
    assert one.shown().unreadable == {"directory": 1}
    assert any("is writable by others" in text for text in one.told)
    assert one.value(DELIVERED, *USR1) is None


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="needs setpriv(1)")
@pytest.mark.parametrize("name", ["", "below"])
def test_a_directory_that_it_may_not_read_is_said_and_counted(serve, tmp_path, name):
    """Or may not even look at."""
    closed = tmp_path / "closed"
    (closed / "below").mkdir(parents=True)
    closed.chmod(0)
    root = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    one = serve("--dir", closed / name, within=root if os.geteuid() == 0 else [])
    assert one.samples()["sigrec_recordings_unreadable", ("reason", "permission")] == 1
    _, said = one.stop()
    closed.chmod(0o700)
    assert f"not read: {closed / name}: Permission denied" in said


@pytest.mark.parametrize(
    "name, word", [("none", "not there"), ("file", "not a"), ("link", "a symb")]
)
def test_of_a_named_directory_that_is_none_a_word_is_said(
    running, run_directory, tmp_path, name, word
):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(run_directory)
    assert any(name in text and f" is {word}" in text for text in running(tmp_path / name).told)


def test_a_recording_with_a_name_of_its_own(running, worker, tmp_path):
    one = running()
    each = worker(ready=False)
    each.kill()
    (tmp_path / "named.py").write_text(WORKER)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sigrec",
            "run",
            "-o",
            tmp_path / "my.sigrec",
            tmp_path / "named.py",
        ],
        input=b"7\n",
        stdout=subprocess.PIPE,
    )
    assert done.returncode == 0
    wait_until(lambda: one.ends("named.py") == {("exit", ""): 1})
    assert one.value(DELIVERED, "named.py", "SIGUSR1") == 7


def test_whether_somebody_writes_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with open(path, "rb") as reader:
        assert lease.is_written(reader.fileno()) is False
        with open(path, "r+b"):
            assert lease.is_written(reader.fileno()) is True
        assert lease.is_written(reader.fileno()) is False


INSIDE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def two_ends(path, within=()):
    """Of that program: 5 signals each."""
    for code in ("os.kill(os.getpid(), 9)", "sys.exit(3)"):
        command = [sys.executable, "-m", "sigrec", "run", str(path)]
        subprocess.run(
            [*within, "sh", "-c", '"$@"; true', "-", *command],
            input=f"5\n{code}\n".encode(),
            capture_output=True,
        )


only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes PID namespaces here")


def test_one_that_begins_to_end_meanwhile_has_become_no_other_program(monkeypatch):
    """Its recording is unmapped before it has ended."""

    class Process:
        pid = 1
        ends = False

        @property
        def state(self):
            self.ends = True
            return "replaced"

    process = Process()
    watched = SimpleNamespace(recording=lambda: process, bystander=process)
    monkeypatch.setattr(ending, "is_ending", lambda pid: process.ends)
    assert not ending.is_over(watched)


@only_root
def test_of_a_container_as_the_host_sees_it(running, tmp_path):
    (tmp_path / "worker.py").write_text(WORKER)
    one = running()
    two_ends(tmp_path / "worker.py", INSIDE)
    wait_until(lambda: sum(one.ends().values()) == 2)
    assert one.ends() == {("SIGKILL", "itself"): 1, ("error", ""): 1}
    assert one.value(DELIVERED, *USR1) == 10


@only_root
def test_of_a_container_as_another_one_sees_it(serve, tmp_path):
    """Which has no PID for its processes; but that nobody writes a file any more, it can see."""
    (tmp_path / "worker.py").write_text(WORKER)
    one = serve(within=INSIDE)
    two_ends(tmp_path / "worker.py")

    def ends():
        found = one.samples().items()
        return {dict(key[1:])["cause"]: n for key, n in found if "endings" in key[0] and n}

    wait_until(lambda: ends() == {"SIGKILL": 1, "error": 1})
    usr1 = ("program", "worker.py"), ("signal", "SIGUSR1")
    assert one.samples()["sigrec_signals_delivered_total", *usr1] == 10


def test_who_inherits_orphans_is_asked_how_they_ended(running, worker, tmp_path):
    become_one = (
        "import ctypes; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"  # PR_SET_CHILD_SUBREAPER
    )
    (tmp_path / "inherits.py").write_text(become_one + WORKER)
    inherits, other, orphan = worker("inherits.py"), worker(), worker()
    one = running()
    wait_until(lambda: one.held() == 3)
    with sigrec.open_recording(orphan.pid) as recording:
        asked = {told.pid for told in one.fleet._endings._held_parents(recording)}
    assert asked == {inherits.pid} and other.pid not in asked


V1 = "/sys/fs/cgroup/memory"
EAT = "eaten = []\nwhile True: eaten.append(bytearray(b'x' * (1 << 20)))"


@pytest.mark.skipif(
    not os.access(f"{V1}/cgroup.procs", os.W_OK), reason="no memory cgroups to write"
)
def test_an_end_by_the_oom_killer_is_told_from_a_kill_beside_it(running, worker):
    path = f"{V1}/sigrec-serve-{os.getpid()}"
    os.mkdir(path)
    try:
        with open(f"{path}/memory.limit_in_bytes", "w") as file:
            file.write(str(60 << 20))
        eats, killed = worker("eats.py"), worker("killed.py")
        for each in (eats, killed):
            with open(f"{path}/cgroup.procs", "w") as file:
                file.write(str(each.pid))
        one = running()
        wait_until(lambda: one.held() == 2)
        killed.process.kill()
        wait_until(lambda: one.ends("killed.py"))
        eats.tell(f"exec({EAT!r})")
        wait_until(lambda: one.ends("eats.py"))
        assert one.ends("killed.py") == {("SIGKILL", "unknown"): 1}
        assert one.ends("eats.py") == {("oom", "kernel"): 1}
    finally:
        for each in (eats, killed):
            each.kill()
        wait_until(lambda: not open(f"{path}/cgroup.procs").read())
        os.rmdir(path)
