"""The OOM killer, without privilege, is an inference: who is convicted, and who is not.

In cgroups of version 1 as they are here, with files that stand in for version 2.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import sigrec
from sigrec._proc import cgroup, host, process
from sigrec._proc.ended import Ended
from sigrec._proc.pidfd import Bystander
from sigrec._recorder.beside import note
from sigrec._why import oom as oom_killer
from sigrec._why import oom_watch
from sigrec._why.answer import Answer
from sigrec._why.cause import cause
from sigrec._why.oom import Oom
from sigrec._why.oom_watch import OomWatch
from sigrec._why.unrecorded import Unrecorded
from sigrec._why.waiting import wait
from tests.conftest import wait_until
from tests.reader.builder import IDENTITY, RecordingBuilder

V1 = "/sys/fs/cgroup/memory"
MB = 1 << 20
EATS = """
import os, sys
for line in sys.stdin:
    if line == "eat\\n":
        eaten = []
        while True:
            eaten.append(bytearray(b"x" * (1 << 20)))
    open(line.strip() + "/cgroup.procs", "w").write(str(os.getpid()))
    print("in", flush=True)
"""


def usable():
    try:
        os.mkdir(f"{V1}/sigrec-probe")
        os.rmdir(f"{V1}/sigrec-probe")
    except OSError:
        return False
    return True


real = pytest.mark.skipif(
    sys.platform != "linux" or not usable(), reason="needs root, and memory cgroups of version 1"
)


@pytest.fixture
def group():
    """Makes cgroups with a limit, and removes them."""
    made = []

    def make(name, within="", limit=40 * MB):
        path = f"{within or V1}/{name if within else f'sigrec-{os.getpid()}-{name}'}"
        os.mkdir(path)
        made.append(path)
        with open(f"{path}/memory.limit_in_bytes", "w") as file:
            file.write(str(limit))
        return path

    yield make
    for path in reversed(made):
        wait_until(lambda path=path: not open(f"{path}/cgroup.procs").read())
        os.rmdir(path)


class Eater:
    def __init__(self, path):
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", EATS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self.process.pid
        self.move(path)

    def tell(self, line):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def move(self, path):
        self.tell(path)
        assert self.process.stdout.readline() == "in\n"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def eater():
    eaters = []

    def start(path):
        eaters.append(Eater(path))
        return eaters[-1]

    yield start
    for one in eaters:
        one.kill()


class Waiting(threading.Thread):
    """Somebody who waits for its end."""

    def __init__(self, pid):
        super().__init__()
        self.bystander = Bystander(pid)
        self.seen = None
        self.looks = 0
        self.start()
        self.await_looks(1)  # what came before is not of the end

    def run(self):
        self.seen = wait(self.bystander, self.look)

    def look(self):
        self.looks += 1

    def await_looks(self, more):
        enough = self.looks + more
        wait_until(lambda: self.looks >= enough or self.seen)

    def result(self):
        self.join(60)
        self.bystander.close()
        return self.seen


@real
def test_a_process_that_eats_its_memory(group, eater):
    path = group("own")
    for _ in range(
        5
    ):  # the last look before the end is a second old at most, but on a busy machine
        victim = eater(path)
        waiting = Waiting(victim.pid)
        victim.tell("eat")
        seen = waiting.result()
        assert seen.ended.signal == signal.SIGKILL and seen.oom.kills == 1
        if seen.oom.probably:
            break
    assert seen.oom.probably
    answer = Unrecorded(victim.pid, ["a"], 0, seen.ended, seen.oom)
    assert "was killed by SIGKILL, as was seen at " in answer.sentence
    assert ", probably by the kernel's OOM killer, which ended a process of its" in answer.sentence
    found = answer.to_dict()
    assert found["cause"]["oom"] is True and found["sender"]["kind"] == "kernel"
    assert [(one["source"], one["certainty"]) for one in found["evidence"]][-1] == (
        "cgroup",
        "inferred",
    )


@real
def test_a_plain_sigkill(group, eater):
    victim = eater(group("plain"))
    waiting = Waiting(victim.pid)
    os.kill(victim.pid, signal.SIGKILL)
    seen = waiting.result()
    assert seen.ended.signal == signal.SIGKILL and seen.oom is None


@real
def test_a_siblings_oom_beside_a_plain_sigkill(group, eater):
    path = group("sibling")
    victim, sibling = eater(path), eater(path)
    waiting = Waiting(victim.pid)
    sibling.tell("eat")
    sibling.process.wait()
    os.kill(victim.pid, signal.SIGKILL)
    seen = waiting.result()
    assert seen.oom is not None and not seen.oom.probably and seen.oom.kills == 1
    sentence = Unrecorded(victim.pid, [], 0, seen.ended, seen.oom).sentence
    assert "the OOM killer was active in its cgroup once since " in sentence
    assert "whether it ended this process is not known" in sentence


@real
def test_an_ancestors_limit(group, eater):
    """What the OOM killer ends elsewhere below that limit is not counted in the victim's cgroup."""
    above = group("above")
    victim, other = eater(group("below", above, 1 << 30)), eater(above)
    waiting = Waiting(victim.pid)
    other.tell("eat")
    other.process.wait()
    os.kill(victim.pid, signal.SIGKILL)
    assert waiting.result().oom is None


@real
def test_a_process_that_moved(group, eater):
    path = group("before")
    victim, sibling = eater(path), eater(path)
    waiting = Waiting(victim.pid)
    victim.move(group("after", limit=1 << 30))
    waiting.await_looks(2)
    sibling.tell("eat")
    sibling.process.wait()
    os.kill(victim.pid, signal.SIGKILL)
    assert waiting.result().oom is None


# --- version 2 --------------------------------------------------------------------------------


class Standing:
    """Files that stand in for a cgroup of version 2, and for what /proc says of its processes."""

    def __init__(self, tmp_path, monkeypatch):
        self.proc, self.mount = tmp_path / "proc", tmp_path / "cgroup"
        monkeypatch.setattr(cgroup, "PROC", str(self.proc))
        monkeypatch.setattr(cgroup, "MOUNT", str(self.mount))
        monkeypatch.setattr(cgroup, "_ends", lambda pid: False)
        self.ending = False
        monkeypatch.setattr(oom_watch, "is_ending", lambda pid: self.ending)

    def process(self, pid, path):
        (self.proc / str(pid)).mkdir(parents=True, exist_ok=True)
        (self.proc / str(pid) / "cgroup").write_text(f"0::{path}\n")

    def group(self, path, kills, *pids):
        directory = self.mount / path.strip("/")
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "memory.events.local").write_text(f"low 0\noom {kills}\noom_kill {kills}\n")
        (directory / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))


@pytest.fixture
def standing(tmp_path, monkeypatch):
    return Standing(tmp_path, monkeypatch)


KILLED = Ended(9, None, False, 0, 0, "proc")


def test_version_2(standing):
    standing.process(7, "/a/b")
    standing.group("/a", 5)
    standing.group("/a/b", 3, 7, 8)
    assert cgroup.of_process(7).path == "/a/b" and cgroup.of_process(7).oom_kills() == 3
    watch = OomWatch(7)
    watch.look()
    standing.group("/a/b", 4, 8)
    found = watch.after(KILLED)
    assert (found.path, found.kills, found.probably) == ("/a/b", 1, True)


@pytest.mark.parametrize(
    "what", ["none", "sibling", "ancestor", "moved", "signal", "earlier", "gone"]
)
def test_version_2_is_not_convicted(standing, what):
    standing.process(7, "/a/b")
    standing.group("/a", 5)
    standing.group("/a/b", 3, 7, 8)
    watch = OomWatch(7)
    watch.look()
    ended = KILLED
    if what == "sibling":
        standing.group("/a/b", 4)  # both are gone, and one was counted
    elif what == "ancestor":
        standing.group("/a", 6)
        standing.group("/a/b", 3, 8)
    elif what == "moved":
        standing.process(7, "/a")
        standing.group("/a/b", 4, 8)
    elif what == "signal":
        standing.group("/a/b", 4, 8)
        ended = KILLED._replace(signal=15)
    elif what == "earlier":  # it was counted when it lived still
        standing.group("/a/b", 4, 7, 8)
        watch.look()
        standing.group("/a/b", 4, 8)
    elif what == "gone":
        (standing.mount / "a/b/memory.events.local").unlink()
    found = watch.after(ended)
    assert found is None or not found.probably
    assert (found is not None) == (what in ("sibling", "moved", "earlier"))


def test_what_a_cgroup_counted_before_it_moved_there(standing):
    standing.process(7, "/a")
    standing.group("/a", 0, 7)
    standing.group("/b", 9)
    watch = OomWatch(7)
    standing.process(7, "/b")
    standing.group("/b", 9, 7)
    watch.look()
    assert watch.after(KILLED) is None


def test_a_cgroup_outside_of_the_namespace_is_not_looked_at(standing):
    standing.process(7, "/../x")
    standing.group("/x", 1, 7)
    assert cgroup.of_process(7) is cgroup.of_process(8) is None
    assert OomWatch(7).after(KILLED) is None


# --- afterwards -------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["/", "/a/b"])
def test_one_that_frees_its_memory_for_long_has_not_moved(standing, monkeypatch, where):
    """On its way out it is in no cgroup of version 1, and that may take seconds: what counts is when it began to."""
    standing.process(7, "/a/b")
    standing.group("/", 0)
    standing.group("/a/b", 3, 7, 8)
    watch = OomWatch(7)
    watch.look()
    now = time.monotonic_ns
    standing.ending = True
    standing.process(7, where)
    standing.group("/a/b", 4, 8)
    watch.look()
    monkeypatch.setattr(time, "monotonic_ns", lambda: now() + 3 * 10**9)
    watch.look()
    found = watch.after(KILLED)
    assert (found.path, found.kills, found.probably) == ("/a/b", 1, True)
    assert watch.cgroup == "/a/b"


def test_a_look_that_is_too_old(standing, monkeypatch):
    standing.process(7, "/a/b")
    standing.group("/a/b", 3, 7)
    watch = OomWatch(7)
    standing.group("/a/b", 4)
    now = time.monotonic_ns
    monkeypatch.setattr(time, "monotonic_ns", lambda: now() + 2 * 10**9)
    assert watch.after(KILLED).probably is False


def test_a_main_thread_that_ended_before_the_others(child):
    """The process lives, and its memory with it."""
    p = child(
        """
        import ctypes, threading
        threading.Thread(target=hear).start()
        say("ready")
        ctypes.CDLL(None).pthread_exit(0)
        """
    )
    p.line()
    wait_until(lambda: process.stat_fields(p.pid)[0] == b"Z")
    assert not process.is_ending(p.pid)
    p.process.kill()
    wait_until(lambda: process.is_ending(p.pid))


@real
def test_the_cgroup_at_its_end_is_written_down(group, child):
    """By the process itself, where it can, and else by a bystander: it may have moved."""
    first, last = group("from"), group("to")
    for signum in (signal.SIGTERM, signal.SIGKILL):
        p = child(
            """
            open(hear() + "/cgroup.procs", "w").write(str(os.getpid()))
            sigrec.record()
            say("ready")
            open(hear() + "/cgroup.procs", "w").write(str(os.getpid()))
            say("moved")
            hear()
            """
        )
        p.tell(first)
        p.line()
        with sigrec.open_recording(p.pid) as recording:
            p.tell(last)
            p.line()
            waiting = Waiting(p.pid)
            os.kill(p.pid, signum)
            seen = waiting.result()
            if signum == signal.SIGKILL:
                note(recording, seen.ended, None, seen.cgroup)
        p.process.wait()
        with sigrec.open_recording(p.pid) as recording:
            found = recording._identity
            assert [found.cgroup, found.cgroup_at_end] == [
                g.removeprefix(V1) for g in (first, last)
            ]


def test_what_counted_where_it_was_before_says_nothing_of_its_end(standing, tmp_path):
    standing.group("/a", 5)
    builder = RecordingBuilder().set(boot_id=host.boot_id().encode())
    space = host.mount_namespace()
    builder.identity(oom_kills=4, mount_namespace=space, cgroup=b"/a", cgroup_at_end=b"/a")
    with sigrec.open_recording(builder.write(tmp_path / "a.sigrec")) as recording:
        assert oom_killer.since_it_began(recording).kills == 1
    builder.identity(oom_kills=4, mount_namespace=space, cgroup=b"/a", cgroup_at_end=b"/b")
    with sigrec.open_recording(builder.write(tmp_path / "a.sigrec")) as recording:
        assert oom_killer.since_it_began(recording) is None
    builder.set(identity_entry=IDENTITY.size)  # of an earlier sigrec
    with sigrec.open_recording(builder.write(tmp_path / "a.sigrec")) as recording:
        assert oom_killer.since_it_began(recording).kills == 1


@real
def test_afterwards_it_is_only_said_that_it_was_active(group, eater, child):
    """No time is known of what was counted: so nobody is convicted."""
    path = group("later")
    p = child(
        """
        open(hear() + "/cgroup.procs", "w").write(str(os.getpid()))
        sigrec.record()
        say("ready")
        hear()
        """
    )
    p.tell(path)
    p.line()
    with sigrec.open_recording(p.pid) as recording:
        sibling = eater(path)
        sibling.tell("eat")
        sibling.process.wait()
        p.process.kill()
        p.process.wait()
        answer = Answer(recording)
        assert answer.cause.oom.kills == 1
        assert "the OOM killer was active in its cgroup once since " in answer.sentence
        assert answer.to_dict()["cause"]["oom"] is False
        # Nor where the sender is known, or the process ended otherwise; nor from another mount namespace.
        oom = Oom("/x", 1, 0, True)
        assert cause(recording, seen=KILLED._replace(signal=15), oom=oom).oom is None
        answer = Answer(recording, cause(recording, seen=KILLED, oom=oom))
        assert "probably by the kernel's OOM killer" in answer.sentence
        host_is = host.mount_namespace
        try:
            host.mount_namespace = lambda: 1
            assert Answer(recording).cause.oom is None
        finally:
            host.mount_namespace = host_is
