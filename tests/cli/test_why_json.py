"""``sigrec why --json``: its shape, and what is in it of real ends."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from sigrec._proc import host
from sigrec._why import joining, parents, senders
from sigrec.cli import main
from tests.conftest import file_name, wait_until
from tests.reader.builder import MONOTONIC, RecordingBuilder, event

SECOND = 10**9
ME = os.getpid()
WAIT = "import signal, os; os.write(1, b'ready\\n')\nwhile True: signal.pause()"

KEYS = {"version", "pid", "host", "argv", "state", "sentence", "time", "cause", "sender", "evidence", "before"}  # fmt: skip
CAUSE = {"kind", "signal", "status", "exception", "oom", "program"}
SENDER = {"kind", "pid", "uid", "user", "comm", "argv", "vouched", "parent"}


@pytest.fixture
def ask(capsys):
    def of(what, *options):
        assert main(["why", "--json", *options, *([] if what is None else [str(what)])]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert set(answer) == KEYS and set(answer["cause"]) == CAUSE
        assert answer["sender"] is None or set(answer["sender"]) == SENDER
        assert all(set(one) == {"source", "certainty", "says"} for one in answer["evidence"])
        return answer

    return of


def ended(code, *after):
    """The PID of a process that ran this code under `sigrec run`; after: signals sent to it."""
    with subprocess.Popen(
        [sys.executable, "-m", "sigrec", "run", "-c", code],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        for signum in after:
            assert process.stdout.readline() == b"ready\n"
            process.send_signal(signum)
        process.communicate(timeout=60)
    return process.pid


def sources(answer):
    return [(one["source"], one["certainty"]) for one in answer["evidence"]]


def test_a_signal_from_somebody(ask):
    answer = ask(ended(WAIT, signal.SIGTERM))
    assert answer["version"] == 1 and answer["state"] == "ended"
    assert answer["host"] == os.uname().nodename
    assert answer["argv"][1:] == ["-c", WAIT]
    assert answer["cause"]["kind"] == "signal" and answer["cause"]["signal"] == "SIGTERM"
    assert answer["cause"]["status"] is answer["cause"]["exception"] is None
    sender = answer["sender"]
    assert (sender["kind"], sender["pid"], sender["uid"]) == ("process", ME, os.getuid())
    assert sender["argv"] == open("/proc/self/cmdline").read().split("\0")[:-1]
    assert sender["parent"]["pid"] == os.getppid()
    assert sender["parent"]["comm"] == open(f"/proc/{os.getppid()}/comm").read().strip()
    assert answer["time"].endswith("Z") and answer["time"][:19].replace("T", " ")[11:] != ""
    assert set(sources(answer)) == {("recording", "seen")}
    assert "was terminated by SIGTERM, sent by PID" in answer["sentence"]


def test_before_is_what_came_before(ask):
    code = (
        "import os, signal\nfor n in (1, 10): signal.signal(n, lambda *a: os.write(1, b'ready\\n'))\n"
        + WAIT
    )
    answer = ask(ended(code, signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM))
    assert [one["signal"] for one in answer["before"]] == ["SIGHUP", "SIGUSR1"]
    first = answer["before"][0]
    assert first["version"] == 1 and first["sender"]["pid"] == ME and first["si_signo"] == 1


@pytest.mark.parametrize(("code", "state", "cause"), [
    ("pass", "exited", {"kind": "exit", "status": 0}),
    ("import sys; sys.exit(3)", "exited", {"kind": "exit", "status": 3}),
    ("import os; os._exit(7)", "ended", {"kind": "exit", "status": 7}),
    ("raise ValueError", "exited", {"kind": "exception", "status": 1, "exception": "ValueError"}),
    ("import os; os.execv('/bin/true', ['true'])", "replaced",
     {"kind": "exec", "program": "/bin/true"}),
])  # fmt: skip
def test_without_a_signal(ask, code, state, cause):
    answer = ask(ended(code))
    expected = dict.fromkeys(CAUSE) | {"oom": False} | cause
    assert (answer["state"], answer["cause"], answer["sender"]) == (state, expected, None)
    assert answer["time"] is not None and answer["before"] == []
    assert sources(answer)[0] == ("recording", "seen")


@pytest.mark.parametrize(("code", "signame", "kind"), [
    ("import ctypes; ctypes.string_at(0)", "SIGSEGV", "kernel"),
    ("import os; os.abort()", "SIGABRT", "itself"),
    ("import signal; signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()", "SIGALRM", "timer"),
])  # fmt: skip
def test_who_sends_besides_processes(ask, code, signame, kind):
    for _ in range(100):
        answer = ask(ended(code))
        if answer["sender"]["kind"] != "unknown":
            break  # else the kernel had no room for what it is told by: RLIMIT_SIGPENDING
    assert answer["cause"]["signal"] == signame
    assert answer["sender"]["kind"] == kind


def test_a_keyboard_interrupt(ask):
    answer = ask(ended("import os; os.write(1, b'ready\\n')\nwhile True: pass", signal.SIGINT))
    assert answer["cause"]["signal"] == "SIGINT"
    assert answer["cause"]["exception"] == "KeyboardInterrupt"
    assert answer["sender"]["pid"] == ME


def test_alive(ask, child):
    p = child("sigrec.record(); say('ready'); hear()")
    p.line()
    answer = ask(p.pid)
    assert (answer["state"], answer["cause"]["kind"]) == ("alive", "alive")
    assert answer["time"] is answer["sender"] is None
    assert sources(answer) == [("proc", "seen")]


def test_the_senders_own_word_is_no_proof(ask, tmp_path):
    last = event(15, MONOTONIC, code=-1, pid=1, uid=0)
    builder = RecordingBuilder().set(fatal_signal=15).ledger(15, 3, delivered=1, last=last)
    answer = ask(builder.write(tmp_path / "a.sigrec"))
    assert (answer["sender"]["kind"], answer["sender"]["pid"]) == ("process", 1)
    assert sources(answer) == [("recording", "seen"), ("recording", "told")]
    assert answer["sender"]["argv"] is answer["sender"]["parent"] is None  # of another machine


def test_what_a_parent_was_told(ask, tmp_path):
    child = RecordingBuilder(pid=7).write(tmp_path / "7.sigrec")
    end = event(17, MONOTONIC + SECOND, code=2, pid=7, detail=9)
    RecordingBuilder(pid=8).ledger(17, delivered=1).slot(0, end).write(tmp_path / "8.sigrec")
    answer = ask(child)
    assert answer["cause"]["signal"] == "SIGKILL"
    assert answer["sender"] == {**dict.fromkeys(SENDER), "kind": "unknown"}
    assert sources(answer) == [("recording", "seen"), ("parent", "told")]
    assert answer["time"] == "2026-01-02T03:04:06.000006Z"


def test_nothing_is_known(ask, tmp_path):
    answer = ask(RecordingBuilder().write(tmp_path / "a.sigrec"))
    assert answer["cause"] == {**dict.fromkeys(CAUSE), "kind": "unknown", "oom": False}
    assert answer["host"] is answer["time"] is answer["sender"] is None


def test_hostile_text(ask, tmp_path):
    builder = RecordingBuilder(argv=(b"\x1b[31m\xff", b"\xed\xa0\x80"))
    answer = ask(builder.write(tmp_path / "a.sigrec"))
    assert answer["argv"] == ["\x1b[31m\ufffd", "\ufffd" * 3]
    assert "\x1b" not in answer["sentence"]


def test_of_the_last_one(ask, run_directory):
    pid = ended("import sys; sys.exit(3)")
    wait_until(lambda: os.listdir(run_directory))
    assert ask(None)["pid"] == pid


def test_all_that_ended_the_newest_first(child, run_directory, capsys):
    pids = [ended(f"import sys; sys.exit({n})") for n in (3, 4)]
    p = child("sigrec.record(); say('ready'); hear()")
    p.line()
    assert main(["why", "--all"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [int(line.split()[1]) for line in lines] == pids[::-1]  # and none that runs
    assert main(["why", "--all", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == 1
    assert [one["sentence"] for one in document["processes"]] == lines
    assert set(document["processes"][0]) == KEYS


def test_a_recording_that_cannot_be_read_is_named(child, run_directory, capsys):
    child("import sigrec; sigrec.register(10, print); os.kill(os.getpid(), 9)").process.wait()
    bad = run_directory / "4194305.sigrec"
    bad.write_bytes(b"no recording")
    for options, status in ((), 0), (["--all"], 1), (["--all", "--json"], 1):
        assert main(["why", *options]) == status
        out, err = capsys.readouterr()
        assert "SIGKILL" in out and err.startswith(f"sigrec why: {bad}: is not a recording")
        assert err.count("\n") == 1


def test_all_of_none(run_directory, capsys):
    assert main(["why", "--all"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    where = f" in {run_directory} (SIGREC_DIR)"
    assert said.err == f"sigrec why: of 0 recorded processes{where} none has ended\n"
    assert main(["why", "--all", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["processes"] == [] and said.err == ""
    with pytest.raises(SystemExit) as error:
        main(["why", "--all", "42"])
    assert error.value.code == 2


def test_each_recording_is_opened_once(tmp_path, run_directory, monkeypatch, capsys):
    """However many are asked about; and each knows of its neighbour's end."""
    from sigrec._reader import opening, places

    monkeypatch.setattr(places, "directories", lambda: [str(run_directory)])
    monkeypatch.setattr(places, "of_others", list)
    for pid in range(100, 120):
        end = event(17, MONOTONIC + SECOND, code=2, pid=pid + 1, detail=9)
        RecordingBuilder(pid=pid).ledger(17, delivered=1).slot(0, end).write(
            run_directory / f"{pid}.sigrec"
        )
    opened = []
    really = opening.open_file
    monkeypatch.setattr(
        opening, "open_file", lambda path, *a: opened.append(path) or really(path, *a)
    )
    assert main(["why", "--all"]) == 0
    assert capsys.readouterr().out.count("was killed by SIGKILL, as its parent, PID") == 19
    assert len(opened) == len(set(opened)) == 20


def test_what_it_sent_itself(ask, run_directory, tmp_path):
    """A copy of the recording, too, is of the same process."""
    pid = ended("import os; os.kill(os.getpid(), 9)")
    for asked in (pid, shutil.copy(run_directory / file_name(pid), tmp_path / "copy.sigrec")):
        answer = ask(asked)
        assert "was killed by SIGKILL, sent by itself at" in answer["sentence"]
        assert answer["cause"]["signal"] == "SIGKILL"
        assert answer["sender"]["kind"] == "itself" and answer["sender"]["pid"] == answer["pid"]
        assert sources(answer) == [("recording", "seen"), ("sender", "seen")]


SENDS = """
import os, subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-c", "print(1, flush=True); input()"], stdin=-1, stdout=-1
)
child.stdout.readline()
os.kill(child.pid, 9)
child.wait()
print(child.pid, flush=True)
input()
"""


def test_what_its_sender_recorded(ask):
    with subprocess.Popen(
        [sys.executable, "-m", "sigrec", "run", "--children", "-c", SENDS],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        answer = ask(int(process.stdout.readline()))
        comm = open(f"/proc/{process.pid}/comm").read().strip()
        process.communicate("end\n")
    assert answer["cause"]["signal"] == "SIGKILL"
    sender = answer["sender"]
    assert (sender["kind"], sender["pid"], sender["uid"]) == ("process", process.pid, os.getuid())
    assert sender["comm"] == comm and sender["argv"][-1] == SENDS
    mine = open("/proc/self/comm").read().strip()
    assert sender["parent"] == {"pid": ME, "comm": mine}
    assert sources(answer) == [("recording", "seen"), ("parent", "told"), ("sender", "seen")]


def test_each_recording_is_compared_with_few_others(run_directory, capsys, monkeypatch):
    """However many there are: with those of its PID, and with those who sent or were told something."""
    from sigrec._reader import places

    monkeypatch.setattr(places, "directories", lambda: [str(run_directory)])
    monkeypatch.setattr(places, "of_others", list)
    pairs = []
    real = joining.may_speak_of
    for module in (joining, parents, senders):
        monkeypatch.setattr(module, "may_speak_of", lambda a, b: pairs.append(a) or real(a, b))
    for n in range(40):
        built = RecordingBuilder(pid=4_000_000 + n)
        built.set(boot_id=host.boot_id().encode(), pid_namespace=host.pid_namespace())
        built.write(run_directory / file_name(4_000_000 + n))
    assert main(["why", "--all"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 40
    assert len(pairs) <= 4 * 40
