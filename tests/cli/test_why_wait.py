"""``sigrec why --wait``: of a process that has a recording, and of one that has none."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

import sigrec
from sigrec.cli import main
from tests.cli.conftest import Command
from tests.conftest import unrecorded, wait_until
from tests.reader.builder import MONOTONIC, RecordingBuilder


def waits(command):
    """Until it sleeps, and has a pidfd: then it knows all that it must know before the end."""

    def there():
        try:
            links = [
                os.readlink(f"/proc/{command.pid}/fd/{fd}")
                for fd in os.listdir(f"/proc/{command.pid}/fd")
            ]
            sleeps = "State:\tS" in open(f"/proc/{command.pid}/status").read()
        except OSError:
            return False
        return sleeps and any("pidfd" in link for link in links)

    wait_until(there)
    return command


@pytest.mark.parametrize(("code", "words", "cause"), [
    ("input(); raise SystemExit(3)", "exited with status 3, as was seen at TIME.",
     {"kind": "exit", "status": 3}),
    ("import os; input(); os.kill(os.getpid(), 15)",
     "was killed by SIGTERM, as was seen at TIME; who sent the signal is not known: no recording of the process is found.",
     {"kind": "signal", "signal": "SIGTERM"}),
    ("import os; input(); os.kill(os.getpid(), 11)",
     "was killed by SIGSEGV, as was seen at TIME; whether it was a fault of its own (as when a stack overflows) or was sent "
     "is not known: no recording of the process is found.",
     {"kind": "signal", "signal": "SIGSEGV"}),
])  # fmt: skip
def test_of_a_process_without_a_recording(command, code, words, cause):
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        plain = waits(command("why", "--wait", process.pid))
        as_json = waits(command("why", "--wait", "--json", process.pid))
        process.stdin.write(b"\n")
        process.stdin.flush()
        sentence = plain.line()
        answer = json.loads(as_json.end()[0])
    assert sentence.startswith(f"PID {process.pid} (python")
    assert re.sub(r"\d\d:\d\d:\d\d", "TIME", sentence).endswith(f") {words}")
    assert {k: v for k, v in answer["cause"].items() if v} == cause
    assert [one["certainty"] for one in answer["evidence"]] == ["seen"]
    assert answer["argv"] == [sys.executable, "-c", code]


@pytest.mark.parametrize("signum", [9, 15])
def test_of_a_process_without_a_recording_whose_sender_recorded_it(child, command, signum):
    with subprocess.Popen(["sleep", "100"]) as process, subprocess.Popen(["sleep", "100"]) as other:
        wait = waits(command("why", "--wait", "--json", process.pid))
        sender = child(f"""sigrec.record(); os.kill({other.pid}, 9); os.kill({process.pid}, 0)
os.kill({process.pid}, {signum}); say('done'); hear()""")
        sender.line()
        process.wait()
        answer = json.loads(wait.end()[0])
        other.wait()
    assert f") had sent {signal.Signals(signum).name} to it at " in answer["sentence"], answer[
        "sentence"
    ]
    assert "not known" not in answer["sentence"]
    assert (answer["sender"]["kind"], answer["sender"]["pid"]) == ("process", sender.pid)
    assert [one["source"] for one in answer["evidence"]][1:] == ["sender"]


def test_of_a_recorded_process_that_is_killed(child, command):
    p = child("sigrec.record(); say('ready'); hear()")
    p.line()
    wait = waits(command("why", "--wait", "--json", p.pid))
    os.kill(p.pid, signal.SIGKILL)
    p.process.wait()
    answer = json.loads(wait.end()[0])
    assert answer["cause"]["signal"] == "SIGKILL" and answer["state"] == "ended"
    assert answer["sender"]["kind"] == "unknown"
    said = [(one["source"], one["certainty"]) for one in answer["evidence"]]
    assert said[0] == ("recording", "seen") and said[1][0] in ("pidfd", "proc")
    assert "was killed by SIGKILL, as was seen at" in answer["sentence"]


def test_of_a_recorded_process_that_leaves_no_recording(child, command):
    """A clean end removes the file; whoever waits has it open."""
    p = child("sigrec.record(); say('ready'); hear()")
    p.line()
    wait = waits(command("why", "--wait", p.pid))
    p.tell()
    p.end()
    assert "exited by itself with status 0 at" in wait.line()


def test_its_own_record_and_the_kernels_word(tmp_path):
    """It was about to exit, and then a SIGKILL came: both are said."""
    from sigrec._proc.ended import Ended
    from sigrec._why.answer import Answer
    from sigrec._why.cause import cause

    builder = RecordingBuilder().set(exit_kind=1, exit_status=0, exit_ns=MONOTONIC)
    path = builder.write(tmp_path / "a.sigrec")
    with sigrec.open_recording(path) as recording:
        agrees = Answer(recording, cause(recording, seen=Ended(None, 0, False, 0, 0, "proc")))
        other = Answer(recording, cause(recording, seen=Ended(9, None, False, 0, 0, "proc")))
        assert [one.source for one in other.evidence] == ["recording", "proc"]
    assert agrees.cause.kind == "exit" and "exited by itself with status 0" in agrees.sentence
    assert other.cause.signal == signal.SIGKILL
    assert "was killed by SIGKILL, as was seen at" in other.sentence
    assert "; by its own record, it was about to exit with status 0" in other.sentence


def test_of_none(capsys):
    with unrecorded("true") as process:
        pass
    assert main(["why", "--wait", str(process.pid)]) == 1
    assert f"there is no process {process.pid}" in capsys.readouterr().err
    for args in (["--wait"], ["--wait", "x.sigrec"], ["--wait", "--all"]):
        with pytest.raises(SystemExit) as error:
            main(["why", *args])
        assert error.value.code == 2


def test_ctrl_c(command):
    with subprocess.Popen(["sleep", "600"]) as process:
        wait: Command = waits(command("why", "--wait", process.pid))
        wait.process.send_signal(signal.SIGINT)
        assert wait.end(130) == ("", "")
        process.kill()
