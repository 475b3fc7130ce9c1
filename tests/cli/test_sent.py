"""What a recorded process sends, and what wait(2) tells it of its children: in `tail` and `export`."""

import csv
import io
import json
import signal

import pytest

from sigrec.cli import main
from tests.conftest import wait_until
from tests.reader.builder import MONOTONIC, RecordingBuilder, event

USR1, KILL, TERM, CHLD = (int(n) for n in (signal.SIGUSR1, signal.SIGKILL, signal.SIGTERM, 17))


@pytest.fixture
def path(tmp_path):
    """One of what it received before, and one after, what it sent and was told."""
    built = RecordingBuilder(capacity=16)
    for n, at in enumerate((0, 9)):
        built.slot(n, event(USR1, MONOTONIC + at, ordinal=n, pid=77))
    built.ledger(USR1, mode=3, delivered=2, recorded=2)
    built.sent(0, KILL, 4243, MONOTONIC + 1)
    built.sent(1, TERM, -50, MONOTONIC + 2, how=2, result=3)
    for n, (pid, code, status) in enumerate(
        ((4243, 2, 9), (4244, 3, 11), (4245, 5, 19), (4245, 6, 18), (4245, 1, 3))
    ):
        built.child(n, pid, code, status, MONOTONIC + 3 + n)
    return built.write(tmp_path / "a.sigrec")


WORDS = [
    "SIGKILL    #0 sent to PID 4243 by kill",
    "SIGTERM    #1 sent to process group 50 by killpg: ESRCH",
    "child 4243 was killed by SIGKILL",
    "child 4244 was killed by SIGSEGV, and dumped core",
    "child 4245 was stopped by SIGSTOP",
    "child 4245 was continued",
    "child 4245 exited with status 3",
]


def output(capsys, *args):
    assert main([str(arg) for arg in args]) == 0
    return capsys.readouterr().out


def test_tail(path, capsys):
    lines = output(capsys, "tail", path).splitlines()
    assert ["SIGUSR1" in line and "PID 77" in line for line in (lines[0], lines[-1])] == [True] * 2
    assert [" ".join(line.split()[2 if line[:4].isdigit() else 1 :]) for line in lines[1:-1]] == [
        " ".join(w.split()) for w in WORDS
    ]
    assert len(output(capsys, "tail", "-n", "3", path).splitlines()) == 3
    assert output(capsys, "tail", "-n", "0", path) == ""
    assert len(output(capsys, "tail", "--signal", "TERM", path).splitlines()) == 1
    assert len(output(capsys, "tail", "--signal", "CHLD", path).splitlines()) == 5


def test_jsonl(path, capsys):
    lines = [
        json.loads(line)
        for line in output(capsys, "export", "--format", "jsonl", path).splitlines()
    ]
    assert [set(line) - {"version"} for line in lines[1:8]] == [{"sent"}] * 2 + [{"child"}] * 5
    killed, refused = (line["sent"] for line in lines[1:3])
    assert (killed["signal"], killed["target"], killed["how"], killed["result"]) == (
        "SIGKILL",
        4243,
        "kill",
        "sent",
    )
    assert (refused["target"], refused["result"]) == (-50, "ESRCH")
    changes = [
        (line["child"]["change"], line["child"]["signal"], line["child"]["status"])
        for line in lines[3:8]
    ]
    assert changes == [("killed", "SIGKILL", None), ("dumped", "SIGSEGV", None), ("stopped", "SIGSTOP", None),
                       ("continued", "SIGCONT", None), ("exited", None, 3)]  # fmt: skip
    assert lines[-1]["end"]["sentence"] == output(capsys, "why", path).rstrip("\n")
    assert output(capsys, "tail", "--json", path).splitlines() == [
        json.dumps(line) for line in lines[:-1]
    ]


def test_csv(path, capsys):
    rows = list(csv.DictReader(io.StringIO(output(capsys, "export", "--format", "csv", path))))
    assert [row["event"] for row in rows] == [
        "received",
        "sent",
        "sent",
        *["child"] * 5,
        "received",
    ]
    assert (rows[1]["signal"], rows[1]["target"], rows[2]["result"]) == ("SIGKILL", "4243", "ESRCH")
    assert [row["change"] for row in rows[3:8]] == [
        "killed",
        "dumped",
        "stopped",
        "continued",
        "exited",
    ]


def test_chrome_and_the_page(path, capsys):
    trace = json.loads(output(capsys, "export", "--format", "chrome", path))
    named = [one["name"] for one in trace["traceEvents"] if one.get("cat") in ("sent", "child")]
    assert named[0] == "SIGKILL sent to PID 4243 by kill"
    assert named[3] == "child 4244 was killed by SIGSEGV, and dumped core"
    assert len(named) == 7
    assert trace["otherData"]["sentence"] == output(capsys, "why", path).rstrip("\n")
    page = output(capsys, "export", "--format", "html", path)
    assert page.index("child 4245") < page.index("sent to process group 50 by killpg: ESRCH")
    assert "What the process sent, and what it was told of its children, the newest first" in page


def test_followed(child, command):
    """Each once, with its result, as it comes."""
    p = child("""
        import subprocess
        sigrec.record()
        say("ready")
        while hear():
            q = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
            os.kill(q.pid, 9)
            q.wait()
            say(q.pid)
    """)  # fmt: skip
    p.line()
    tail = command("tail", "-f", p.pid)
    for _ in range(2):
        wait_until(lambda: "State:\tS" in open(f"/proc/{tail.pid}/status").read())
        p.tell()
        q = p.line()
        assert tail.line().endswith(f"sent to PID {q} by kill")
        assert f"child {q}" in (line := tail.line()) and line.endswith("was killed by SIGKILL")
    p.process.kill()
    p.process.wait()
    assert "killed by SIGKILL" in tail.line()
