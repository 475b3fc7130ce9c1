"""Of a process that recorded nothing: what its parent was told, and who sent it what."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest

from sigrec._proc import host
from sigrec._proc.process import start_ticks
from sigrec._reader import places
from sigrec._reader.recording import Recording
from sigrec._reader.source import Source
from sigrec._why.heard import among, later_than, sent_to
from tests.conftest import file_name, unrecorded
from tests.reader.builder import MONOTONIC, RecordingBuilder

KILL, TERM = int(signal.SIGKILL), int(signal.SIGTERM)
EXITED, KILLED, STOPPED = 1, 2, 5
CHILD = 5000
TOLD = "as its parent, PID 7 (p7), was told at T"
SENT = "sent by its parent, PID 7 (p7) at T, as that process recorded"
NONE = "no recording of its own is found"

PARENT = """
import os, signal, subprocess, sys
def start(*command):
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", *command], os.environ)
    print(pid, flush=True)
    return pid
p = start("exec sleep 100")
os.kill(p, signal.SIGKILL)
os.waitpid(p, 0)
os.waitpid(start("exit 4"), 0)
p = start("exec sleep 100")
subprocess.run(["/bin/kill", "-TERM", str(p)], check=True)
os.waitpid(p, 0)
raise SystemExit(3)
"""


def sigrec(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "sigrec", *map(str, arguments)], capture_output=True, text=True
    )


NOT_RETURNED, REFUSED = 2**31 - 1, 1


@pytest.mark.parametrize("result", [0, NOT_RETURNED, REFUSED])
def test_the_victim_may_be_gone_before_the_senders_call_has_returned(run_directory, result):
    with subprocess.Popen(["sleep", "100"]) as victim:
        began, sent_ns = start_ticks(victim.pid), time.monotonic_ns()
        victim.terminate()
    sender = RecordingBuilder().sent(0, TERM, victim.pid, sent_ns, result=result)
    sender.set(boot_id=host.boot_id().encode(), pid_namespace=host.pid_namespace())
    sender.write(run_directory / file_name(4242))
    by = sent_to(victim.pid, began, TERM, time.monotonic_ns())
    assert (by is not None and by.sent.target == victim.pid) is (result != REFUSED)


def test_children_that_were_not_recorded(run_directory):
    for _ in range(20):
        said = sigrec("run", "-c", PARENT)
        assert said.returncode == 3, said.stderr
        killed, exited, asked = said.stdout.split()
        found = [places.find(int(pid)) for pid in (killed, exited, asked)]
        if found == [[], [], []]:
            break  # or earlier programs of this user's, with such PIDs, have left recordings
    assert found == [[], [], []]
    for pid, words in (
        (killed, (f"PID {killed} was killed by SIGKILL, sent by its parent, PID ", "as that process recorded")),
        (exited, (f"PID {exited} exited with status 4, as its parent, PID ", ", was told at ")),
        (asked, (f"PID {asked} was killed by SIGTERM, as its parent, PID ", ", was told at ")),
    ):  # fmt: skip
        sentence = sigrec("why", pid).stdout
        assert all(word in sentence for word in words), sentence
        assert sentence.endswith("; no recording of its own is found.\n")
    for verb in (("stats",), ("tail",), ("export", "--format", "csv")):  # say no less
        said = sigrec(*verb, exited)
        assert (said.returncode, said.stdout) == (1, "")
        assert said.stderr == "sigrec: " + sigrec("why", exited).stdout.replace(".\n", "\n")
    answer = json.loads(sigrec("why", "--json", killed).stdout)
    assert (answer["state"], answer["cause"]["kind"], answer["cause"]["signal"]) == (
        "ended",
        "signal",
        "SIGKILL",
    )
    assert answer["sender"]["kind"] == "process"
    assert [one["source"] for one in answer["evidence"]] == ["parent", "sender"]
    answer = json.loads(sigrec("why", "--json", exited).stdout)
    assert (answer["cause"]["kind"], answer["cause"]["status"], answer["sender"]) == (
        "exit",
        4,
        None,
    )


def test_nobody_is_asked_about_a_process_that_lives(run_directory):
    with unrecorded("sleep", "60") as process:
        code = f"import os\ntry: os.kill({process.pid}, 0)\nfinally: raise SystemExit(3)"
        sigrec("run", "-c", code)
        said = sigrec("why", process.pid)
        process.kill()
    assert said.returncode == 1 and "no recording" in said.stderr


def recording(pid, *steps):
    """steps: ("sent", signum, at), ("meant", signum, at) for who began at tick 5, or ("told", code,
    status, at), at: seconds."""
    builder = RecordingBuilder(pid=pid, argv=(b"/bin/p%d" % pid,))
    sent = told = 0
    for kind, *rest in steps:
        at = MONOTONIC + int(rest[-1] * 1e9)
        if kind in ("sent", "meant"):
            builder.sent(
                sent,
                rest[0],
                CHILD,
                monotonic_ns=at,
                result=rest[1] if len(rest) > 2 else 0,
                start=5 if kind == "meant" else 0,
            )
            sent += 1
        else:
            builder.child(told, CHILD, rest[0], rest[1], monotonic_ns=at)
            told += 1
    return Recording(Source(builder.read))


@pytest.mark.parametrize(
    "others, words",
    [
        # Its parent alone.
        ([(7, ("told", KILLED, KILL, 3))], f"was killed by SIGKILL, {TOLD}"),
        ([(7, ("told", STOPPED, 19, 1), ("told", EXITED, 0, 3))], f"exited with status 0, {TOLD}"),
        # And who sent it; twice told, by SIGCHLD and by wait(2).
        ([(7, ("sent", KILL, 2), ("told", KILLED, KILL, 3))], f"was killed by SIGKILL, {SENT}"),
        ([(7, ("sent", KILL, 2), ("told", KILLED, KILL, 3), ("told", KILLED, KILL, 4))], f"was killed by SIGKILL, {SENT}"),
        ([(7, ("told", KILLED, KILL, 3)), (8, ("sent", KILL, 2))],
         f"was killed by SIGKILL, {TOLD}; PID 8 (p8) had sent SIGKILL to that PID at T, as that process recorded"),
        # Only the sender tells of it: nothing but SIGKILL is sure to have ended it.
        ([(8, ("sent", KILL, 2))], "was sent SIGKILL by PID 8 (p8) at T, as that process recorded"),
        ([(8, ("sent", TERM, 2))], None),
        ([(8, ("sent", KILL, 1, 2))], None),  # EPERM
        ([], None),
        # Not that one: another signal, one sent too late, or one for a process that had the PID before.
        ([(7, ("sent", TERM, 2), ("told", KILLED, KILL, 3))], f"was killed by SIGKILL, {TOLD}"),
        ([(7, ("sent", KILL, 4), ("told", KILLED, KILL, 3))], f"was killed by SIGKILL, {TOLD}"),
        ([(7, ("sent", KILL, 1), ("told", KILLED, KILL, 2), ("told", EXITED, 0, 3))], f"exited with status 0, {TOLD}"),
        ([(8, ("sent", KILL, 1), ("told", KILLED, KILL, 2)), (7, ("told", KILLED, KILL, 3))], f"was killed by SIGKILL, {TOLD}"),
    ],
)  # fmt: skip
def test_who_is_believed(others, words):
    heard = among([recording(pid, *steps) for pid, *steps in others], CHILD)
    assert (heard and re.sub(r" at (\S+ )?[0-9:]{8}", " at T", heard.sentence)) == (
        words and f"PID {CHILD} {words}; {NONE}."
    )
    if heard:
        assert heard.to_dict()["sentence"] == heard.sentence


EXITS, DIES = ("told", EXITED, 3, 3), ("told", KILLED, KILL, 5)


@pytest.mark.parametrize(
    ("steps", "later"),
    [
        # The recorded process: it began at second 2, in tick 4.
        ([EXITS], False),
        ([EXITS, ("told", EXITED, 3, 4)], False),  # twice told
        ([("told", KILLED, KILL, 1), EXITS], False),  # before it
        ([("sent", KILL, 3), DIES], False),
        # And one that had its PID after it, and recorded nothing.
        ([EXITS, DIES], True),
        ([EXITS, ("sent", KILL, 4), DIES], True),
        ([("told", KILLED, KILL, 3), ("meant", KILL, 4), DIES], True),
        ([("meant", KILL, 4)], True),
    ],
)
def test_a_pid_that_was_used_again_since(steps, later):
    began_ns = MONOTONIC + 2 * 10**9
    found = later_than([recording(7, *steps)], CHILD, began_ns, 4)
    assert (found is not None) == later
    assert found is None or found.signal_name == "SIGKILL"
    # What was meant for the recorded process itself was meant for no other.
    assert later_than([recording(7, ("meant", KILL, 4), DIES)], CHILD, began_ns, 5) is None


@pytest.mark.parametrize(
    ("ppid", "told_s", "later"), [(9, 30, True), (9, 6, False), (7, 30, False), (0, 30, False)]
)
def test_a_pid_that_was_used_again_by_a_child_of_another(ppid, told_s, later):
    """The recorded process wrote down its exit at second 5. A tracer is told of it just then, and its
    own parent whenever it reaps it."""
    builder = RecordingBuilder(pid=CHILD).identity(ppid=ppid)
    builder.set(exit_kind=1, exit_status=0, exit_ns=MONOTONIC + 5 * 10**9)
    told = recording(7, ("told", EXITED, 3, told_s))
    earlier = Recording(Source(builder.read))
    found = later_than([told], CHILD, MONOTONIC + 2 * 10**9, 4, earlier)
    assert (found is not None) == later
