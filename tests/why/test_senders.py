"""Who sent a SIGKILL: as the sender wrote it down, and joined only where that is certain."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sigrec
from sigrec._proc.host import boot_id, pid_namespace
from sigrec._reader import places
from sigrec._serve.ending import end_of
from sigrec._why.answer import Answer
from sigrec._why.cause import cause
from sigrec._why.sentence import why
from tests.conftest import wait_until
from tests.reader.builder import MONOTONIC, REALTIME, RecordingBuilder, event

HERE = Path(__file__).parent
KILL, TERM = int(signal.SIGKILL), int(signal.SIGTERM)
SECOND = 10**9

# --- real processes ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        "kill",
        "killpg",
        "killpg of its own",
        "pidfd",
        "subprocess",
        "multiprocessing",
        "not waited for",
    ],
)
def test_a_recorded_parent_that_kills_its_child(how, tmp_path):
    shutil.copy(HERE / "kills_its_child.py", tmp_path / "master.py")
    parent = subprocess.Popen(
        [sys.executable, "-m", "sigrec", "run", "--children", "master.py", how],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
    )
    pid = int(parent.communicate(timeout=60)[0])
    done = subprocess.run(
        [sys.executable, "-m", "sigrec", "why", str(pid)], capture_output=True, text=True
    )
    assert re.match(
        rf"PID {pid} \(.*\) was killed by SIGKILL, sent by its parent, PID {parent.pid} "
        r"\(python\S* master\.py .*\) at \d\d:\d\d:\d\d, as that process recorded",
        done.stdout,
    ), done
    stats = subprocess.run(
        [sys.executable, "-m", "sigrec", "stats", "--json", str(parent.pid)], capture_output=True
    )
    if stats.returncode == 0:  # a parent that exits with 0 leaves no recording, else this is there
        (process,) = json.loads(stats.stdout)["processes"]
        assert {s["signal"]: s["sent"] for s in process["signals"]}.get("SIGKILL", 1) == 1


def test_the_sender_was_told_to(child):
    """Its own reason is followed one step."""
    victim = child("sigrec.record(); say('up'); hear()")
    victim.line()
    sender = child(
        """
        signal.signal(signal.SIGINT, lambda s, f: os.kill(int(sys.argv[1]), signal.SIGKILL))
        sigrec.record()
        say("up")
        hear()
        """,
        victim.pid,
    )
    sender.line()
    os.kill(sender.pid, signal.SIGINT)
    victim.process.wait(60)
    with sigrec.open_recording(victim.pid) as recording:
        wait_until(lambda: cause(recording).sent_by is not None)
        text = why(recording)
    assert re.search(
        rf"sent by PID {sender.pid} \(.*\) at \d\d:\d\d:\d\d, as that process recorded, .* after "
        rf"that process had received SIGINT from PID {os.getpid()} ",
        text,
    ), text


def test_what_it_sent(child):
    p = child(
        """
        recorder = sigrec.record()
        try:
            os.kill(1 << 22, signal.SIGKILL)
        except ProcessLookupError:
            pass
        pid = os.posix_spawn("/bin/sleep", ["sleep", "60"], os.environ)
        began = open(f"/proc/{pid}/stat").read().split()[21]
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        signal.signal(RT, lambda s, f: None)
        sigqueue(os.getpid(), RT, 4711)
        with_room(signal.raise_signal, RT)
        say(began)
        hear()
        """
    )
    began = p.line()
    with sigrec.open_recording(p.pid) as recording:
        sent = recording.sent()
        counts = {number: stats.sent for number, stats in recording.signals.items() if stats.sent}
    # (What the kernel had no room for was sent again.)
    kill, killed, ours, raised = [one for one in sent if one.error != errno.EAGAIN]
    assert (kill.signal_name, kill.how, kill.target, kill.error) == ("SIGKILL", "kill", 1 << 22, 3)
    assert (ours.how, ours.target, ours.value, ours.error) == ("sigqueue", p.pid, 4711, 0)
    assert (raised.how, raised.target, raised.error, raised.tid) == ("raise", p.pid, 0, p.pid)
    assert (killed.target_start_ticks, killed.value) == (int(began), 0)
    assert kill.target_start_ticks is None and raised.target_start_ticks is None
    assert raised.time_ns > kill.time_ns and counts[KILL] == 2
    assert "ESRCH" in repr(kill)


def test_which_group_it_is_in(child):
    """As it is now: a group is killed by its number, and after its end nobody can ask."""
    p = child(
        """
        sigrec.record(children=True)
        for change in (lambda: os.setpgid(0, 0), os.setpgrp, os.setsid, lambda: None):
            if os.fork() == 0:
                change()
                say(os.getpid(), os.getpgrp(), os.getsid(0))
                time.sleep(100)
        say(os.getpid(), os.getpgrp(), os.getsid(0))
        hear()
        """
    )
    pids = []
    for _ in range(5):
        pid, *group = map(int, p.line().split())
        pids.append(pid)
        with sigrec.open_recording(pid) as recording:
            assert [recording._identity.pgid, recording._identity.sid] == group
    for pid in set(pids) - {p.pid}:
        os.kill(pid, signal.SIGKILL)


def test_a_process_that_only_registers_is_left_alone(child):
    p = child(
        """
        sigrec.register(RT, lambda s, f: None)
        with_room(signal.raise_signal, RT)
        os.kill(os.getpid(), RT)
        say("sent")
        hear()
        """
    )
    p.line()
    with sigrec.open_recording(p.pid) as recording:
        assert recording.sent() == []


# --- joining -----------------------------------------------------------------------------


@pytest.fixture
def joined(tmp_path, monkeypatch):
    """Who is found to have sent a SIGKILL to the victim; the victim began at MONOTONIC."""
    monkeypatch.setenv("SIGREC_DIR", str(tmp_path))

    def join(*others, victim=None):
        victim = victim or RecordingBuilder(pid=4242).identity(pgid=4200)
        path = victim.write(tmp_path / "4242.sigrec")
        for n, other in enumerate(others):
            other.write(tmp_path / f"{70 + n}.sigrec")
        with sigrec.open_recording(path) as recording:
            found = cause(recording)
            assert why(recording)
        return None if found.sent_by is None else found.sent_by.sender.path.rpartition("/")[2]

    return join


def sender(pid=70, **fields):
    return RecordingBuilder(pid=pid).set(**fields)


LATER = MONOTONIC + SECOND


@pytest.mark.parametrize(
    ("target", "how", "group", "reaches"),
    [
        (4242, 1, 1, True), (4243, 1, 1, False), (-4200, 1, 1, True), (-4200, 2, 1, True),
        (-4242, 1, 1, True), (0, 1, 4200, True), (0, 1, 4201, False), (0, 2, 4200, True), (0, 6, 4200, False),
        (-1, 1, 1, True), (4242, 6, 1, True),
    ],
)  # fmt: skip
def test_whom_it_was_for(joined, target, how, group, reaches):
    other = sender().identity(pgid=group).sent(0, KILL, target, LATER, how)
    assert joined(other) == ("70.sigrec" if reaches else None)


def test_no_group_is_known_of_version_2(joined):
    other = sender().identity(pgid=0).sent(0, KILL, 0, LATER)
    assert joined(other, victim=RecordingBuilder(pid=4242, version=2)) is None


@pytest.mark.parametrize(
    ("result", "reaches"), [(0, True), (3, False), (1, False), ((1 << 31) - 1, True)]
)
def test_what_was_refused_ended_nobody(joined, result, reaches):
    other = sender().sent(0, KILL, 4242, LATER, result=result)
    assert joined(other) == ("70.sigrec" if reaches else None)


def test_another_signal_is_not_it(joined):
    assert joined(sender().sent(0, TERM, 4242, LATER)) is None


def test_before_it_began_it_was_another_process(joined):
    assert joined(sender().sent(0, KILL, 4242, MONOTONIC - 1)) is None


def test_the_first_is_the_one(joined):
    late, early = sender(70).sent(0, KILL, 4242, LATER + 1), sender(71).sent(0, KILL, 4242, LATER)
    assert joined(late, early) == "71.sigrec"


def test_a_pid_that_was_used_again(joined):
    """What was sent after another process had the PID was for that."""
    again = RecordingBuilder(pid=4242).anchors((LATER, 1))
    assert joined(sender().sent(0, KILL, 4242, LATER + 1), again) is None
    assert joined(sender().sent(0, KILL, 4242, LATER - 1), again) == "70.sigrec"


@pytest.mark.parametrize(("start", "reaches"), [(1, True), (0, True), (2, False)])
def test_a_pid_that_was_used_again_by_who_is_not_recorded(joined, start, reaches):
    """The sender wrote down when its target began; 0: it could not."""
    other = sender().sent(0, KILL, 4242, LATER, start=start)
    assert joined(other) == ("70.sigrec" if reaches else None)


@pytest.mark.parametrize(
    "fields", [{"boot_id": b"another boot"}, {"pid_namespace": 2}], ids=lambda f: next(iter(f))
)
def test_pids_of_elsewhere_mean_others(joined, fields):
    assert joined(sender(**fields).sent(0, KILL, 4242, LATER)) is None


def test_times_of_another_time_namespace_mean_others(joined):
    assert joined(sender().identity(time_namespace=7).sent(0, KILL, 4242, LATER)) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_another_user_says_is_not_believed(joined, tmp_path):
    other = sender().sent(0, KILL, 4242, LATER)
    assert joined(other) == "70.sigrec"
    os.chown(tmp_path / "4242.sigrec", 65534, 65534)
    with sigrec.open_recording(tmp_path / "4242.sigrec") as recording:
        assert cause(recording).sent_by is not None  # root may signal anyone
    os.chown(tmp_path / "70.sigrec", 65533, 65533)
    with sigrec.open_recording(tmp_path / "4242.sigrec") as recording:
        assert cause(recording).sent_by is None


# --- what only the sender knows ----------------------------------------------------------------


def answer_of(tmp_path, monkeypatch, *builders):
    monkeypatch.setenv("SIGREC_DIR", str(tmp_path))
    paths = [one.write(tmp_path / f"{n}.sigrec") for n, one in enumerate(builders)]
    with sigrec.open_recording(paths[0]) as recording:
        return Answer(recording, cause(recording))


def said(answer):
    return [(one.source, one.certainty) for one in answer.evidence]


def ended():  # and its end is known to be one: this user's
    return RecordingBuilder(pid=4242).set(boot_id=boot_id().encode(), pid_namespace=pid_namespace())


@pytest.mark.parametrize(("mode", "told"), [(None, True), (3, False), (1, False)])
def test_another_signal_that_may_have_ended_it(tmp_path, monkeypatch, mode, told):
    """Where the victim would not have recorded it. How it ended is unknown all the same."""
    victim = ended().set(pid=1 << 22)
    if mode is not None:
        victim.ledger(TERM, mode)
    other = sender(boot_id=boot_id().encode(), pid_namespace=pid_namespace())
    answer = answer_of(tmp_path, monkeypatch, victim, other.sent(0, TERM, 1 << 22, LATER))
    assert answer.cause.kind == "unknown"
    assert (("sender", "seen") in said(answer)) is told
    words = "; it was sent SIGTERM by PID 70 (python3 worker.py) at "
    assert (words in answer.sentence) is told


# --- what a parent is told by wait(2) ----------------------------------------------------------


@pytest.fixture
def told(joined, tmp_path):
    """Whether a parent was told of the victim's end."""

    def told(*others, victim=None):
        joined(*others, victim=victim)
        with sigrec.open_recording(tmp_path / "4242.sigrec") as recording:
            return cause(recording).heard is not None

    return told


def test_the_end_that_wait_told(joined):
    parent = sender().child(0, 4242, 2, TERM, LATER)  # CLD_KILLED
    other = sender(71).sent(0, KILL, 4242, LATER - 2).sent(1, TERM, 4242, LATER - 1)
    assert joined(parent, other) == "71.sigrec"


@pytest.mark.parametrize(
    ("handling", "later", "who"),
    [
        (0, True, "72.sigrec"),
        (0, False, None),
        (TERM, False, "71.sigrec"),
        (TERM, True, "72.sigrec"),
    ],
)
def test_what_the_victim_had_taken_did_not_end_it(joined, handling, later, who):
    """Unless its handler passes the same signal on to itself; what it took last came from PID 71."""
    taken = event(TERM, LATER, pid=71)
    victim = RecordingBuilder(pid=4242).set(handling=handling)
    victim.ledger(TERM, 2, last=taken, recorded=1, delivered=1)
    parent = sender().child(0, 4242, 2, TERM, LATER + 9)
    early, again = (sender(71).sent(0, TERM, 4242, LATER - 1), sender(72))
    if later:
        again.sent(0, TERM, 4242, LATER + 1)
    first = sender(73).sent(0, TERM, 4242, LATER - 2)
    assert joined(parent, early, again, first, victim=victim) == who


def test_no_process_of_its_own_namespace_ends_pid_1(joined):
    """It is only told that the kernel has sent the signal (pid_namespaces(7))."""
    victim = RecordingBuilder(pid=1)
    assert joined(sender().sent(0, KILL, 1, LATER), victim=victim) is None


def test_what_was_sent_after_the_end_is_not_it(joined):
    parent = sender().child(0, 4242, 2, KILL, LATER)
    assert joined(parent, sender(71).sent(0, KILL, 4242, LATER + 1)) is None


def test_a_child_that_exited_was_killed_by_nobody(joined):
    parent = sender().child(0, 4242, 1, 3, LATER)  # CLD_EXITED
    assert joined(parent, sender(71).sent(0, KILL, 4242, LATER - 1)) is None


@pytest.mark.parametrize(
    ("ppid", "pid", "is_told"),
    [(0, 70, True), (70, 70, True), (71, 70, False), (71, 1, True)],
)
def test_who_was_its_parent(told, ppid, pid, is_told):
    """Another's child had that PID later; PID 1 inherits orphans."""
    victim = RecordingBuilder(pid=4242).identity(ppid=ppid)
    assert told(sender(pid).child(0, 4242, 1, 3, LATER), victim=victim) is is_told


def test_a_child_that_had_its_pid_later(told):
    again = RecordingBuilder(pid=4242).anchors((LATER, 1))
    assert told(sender().child(0, 4242, 1, 3, LATER + 1), again) is False
    assert told(sender().child(0, 4242, 1, 3, LATER - 1), again) is True


def test_the_end_of_what_it_had_become_is_told_too(tmp_path, monkeypatch):
    """Where that is not recorded. In metrics it is another program."""
    here = {"boot_id": boot_id().encode(), "pid_namespace": pid_namespace()}
    victim = ended().set(pid=1 << 22, exit_kind=3, exit_ns=LATER)
    parent = sender(**here).child(0, 1 << 22, 2, KILL, LATER + 3600 * SECOND)
    answer = answer_of(tmp_path, monkeypatch, victim, parent)
    assert (
        "was killed by SIGKILL, as its parent, PID 70 (python3 worker.py), was" in answer.sentence
    )
    assert answer.sentence.endswith("; by its own record, it had become another program by exec.")
    zero, one = tmp_path / "0.sigrec", tmp_path / "1.sigrec"
    with sigrec.open_recording(zero) as recording, sigrec.open_recording(one) as told:
        assert end_of(recording, None, [told], list)[:2] == ("exec", "")


@pytest.mark.parametrize("step", [-3600 * SECOND, 3600 * SECOND], ids=["back", "forward"])
def test_a_clock_that_is_set_and_a_suspend_join_nobody_else(told, joined, step):
    """The parent looked at the wall clock after it was set (or after a suspend, in which CLOCK_MONOTONIC
    stands still), its child before."""
    set_clock = sender().anchors((MONOTONIC, REALTIME), (MONOTONIC + 1, REALTIME + step))
    assert told(set_clock.child(0, 4242, 1, 3, LATER)) is True
    assert told(set_clock.child(0, 4242, 1, 3, MONOTONIC - 1)) is False
    assert joined(set_clock.sent(0, KILL, 4242, LATER).child(0, 1, 1, 0)) == "70.sigrec"
    assert joined(set_clock.sent(0, KILL, 4242, MONOTONIC - 1).child(0, 1, 1, 0)) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_may_be_anybodys_parent_and_others_may_not(told, tmp_path):
    parent = sender().child(0, 4242, 1, 3, LATER)
    assert told(parent) is True
    path = tmp_path / "4242.sigrec"
    os.chown(path, 65534, 65534)
    with sigrec.open_recording(path) as recording:
        assert cause(recording).heard is not None
    os.chown(tmp_path / "70.sigrec", 65533, 65533)
    with sigrec.open_recording(path) as recording:
        assert cause(recording).heard is None


# --- what the system says ------------------------------------------------------------------------


def test_of_a_zombie_the_system_knows(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-m", "sigrec", "run", "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdout.readline()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with sigrec.open_recording(process.pid) as recording:
            zombie = Answer(recording, cause(recording))
            process.wait()
            gone = Answer(recording, cause(recording))
    assert (zombie.cause.signal, zombie.time_ns) == (KILL, None)
    assert said(zombie) == [("recording", "seen"), ("proc", "seen")]
    assert "was killed by SIGKILL, as /proc says: its parent has not waited" in zombie.sentence
    assert gone.cause.kind == "unknown"


def test_a_keyboard_interrupt_where_sigint_is_not_recorded(child):
    p = child("sigrec.register(RT, lambda s, f: None); say('up'); hear()")
    p.line()
    os.kill(p.pid, signal.SIGINT)
    p.end(-signal.SIGINT)
    with sigrec.open_recording(p.pid) as recording:
        answer = Answer(recording, cause(recording))
        found = answer.to_dict()["cause"]
    assert (found["signal"], found["exception"]) == ("SIGINT", "KeyboardInterrupt")
    assert answer.sentence.endswith("was ended by a KeyboardInterrupt that nobody caught.")


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, and setpriv(1)"
)
def test_root_without_capabilities_is_told_what_it_may_not_read(tmp_path, monkeypatch):
    """As in many containers."""
    victim = ended().set(pid=1 << 22).write(tmp_path / "victim.sigrec")
    closed = tmp_path / "sigrec-65534"
    closed.mkdir(mode=0o700)
    os.chown(closed, 65534, 65534)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    root = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    sigrec = [*root, sys.executable, "-m", "sigrec", "why", victim]
    done = subprocess.run(sigrec, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "root may not read here: it has no CAP_DAC_READ_SEARCH" in done.stdout


def test_who_may_not_read_what_root_recorded_is_told_so(tmp_path, monkeypatch):
    victim = ended().set(pid=1 << 22)
    monkeypatch.setattr(places, "directories_closed_to_us", lambda: True)
    answer = answer_of(tmp_path, monkeypatch, victim)
    assert (
        "; nothing more is known; root has recordings that only root can read: ask as root"
        in answer.sentence
    )
