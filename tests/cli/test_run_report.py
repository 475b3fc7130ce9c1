"""``sigrec run --report``: one sentence about the end, and nothing that the program could notice."""

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sigrec
from sigrec._proc.process import start_ticks
from sigrec._recorder import beside
from sigrec.cli.run import _with_equals
from tests.cli.terminal import Terminal
from tests.conftest import wait_until

PR_SET_CHILD_SUBREAPER = 36
REPORT = [sys.executable, "-m", "sigrec", "run", "--report"]


@pytest.fixture(autouse=True)
def place(monkeypatch, run_directory):
    monkeypatch.setenv("SIGREC_DIR", str(run_directory))


def children():
    tasks = Path("/proc/self/task").iterdir()
    return {pid for task in tasks for pid in (task / "children").read_text().split()}


def run(code, *options, **more):
    """Until nobody has its stdout and its stderr any more."""
    return subprocess.run([*REPORT, *options, "-c", code], capture_output=True, text=True,
                          timeout=60, **more)  # fmt: skip


@pytest.mark.parametrize(("code", "status", "words"), [
    ("import os; os.kill(os.getpid(), 9)", -9, "was killed by SIGKILL, sent by itself at TIME."),
    ("raise SystemExit(3)", 3, "exited by itself with status 3 at TIME."),
    ("import os; os.killpg(0, 9)", -9, "was killed by SIGKILL, sent by itself at TIME."),
    ("import os, signal; os.kill(os.getpid(), 15)", -15,
     "was terminated by SIGTERM, sent by itself, at TIME."),
])  # fmt: skip
def test_one_sentence(code, status, words):
    done = run(code, start_new_session=True)
    assert (done.returncode, done.stdout) == (status, "")
    assert re.fullmatch(
        rf"sigrec: PID \d+ \(python.*\) {re.escape(words).replace('TIME', '[0-9:]+')}\n",
        done.stderr,
    )


WAITS = """
import os
number = 0
try:
    while True:
        os.wait()
        number += 1
except ChildProcessError:
    print(number, os.getppid(), open("/proc/self/status").read().split("SigPnd:")[1].split()[0])
"""


@pytest.mark.parametrize("before", ["plain", "subreaper", "blocked", "ignored"])
def test_the_program_has_no_child_by_it(before):
    def prepare():
        if before == "subreaper":
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        elif before == "blocked":
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        elif before == "ignored":
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    done = run(WAITS, preexec_fn=prepare)
    assert done.stdout.split() == ["0", str(os.getpid()), "0" * 16], done.stderr
    assert "exited by itself with status 0" in done.stderr


def test_whoever_reads_stderr_has_its_end_when_the_program_closes_it():
    code = "import os; os.close(2); input(); os.kill(os.getpid(), 9)"
    with subprocess.Popen([*REPORT, "-c", code], stdin=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:  # fmt: skip
        assert process.stderr.read() == b""  # it lives, and this is the end of the pipe
        assert process.poll() is None
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.wait(60) == -9
    # There is no sentence on stderr; but the end was noted, and anybody can ask.
    wait_until(lambda: sigrec.open_recording(process.pid)._noted)
    with sigrec.open_recording(process.pid) as recording:
        assert recording._noted.ended.signal == 9


def test_stdout_ends_with_the_program(tmp_path):
    with open(tmp_path / "stderr", "w") as stderr:
        done = subprocess.run([*REPORT, "-c", "print('x')"], stdout=subprocess.PIPE, stderr=stderr,
                              text=True, timeout=60)  # fmt: skip
    assert done.stdout == "x\n"
    wait_until(lambda: "exited by itself" in (tmp_path / "stderr").read_text())


def test_what_was_seen_is_told_later_too(tmp_path, capsys):
    """Nobody but the bystander was told of this SIGKILL: whoever sent it recorded nothing."""
    report = tmp_path / "report"
    command = [
        *REPORT[:-1],
        f"--report={report}",
        "-c",
        "import time; print('x', flush=True); time.sleep(60)",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.kill()
    wait_until(lambda: report.exists() and report.read_text().endswith("\n"))
    said = report.read_text()
    assert "was killed by SIGKILL, as was seen at" in said and not said.startswith("sigrec:")
    for asked in ([str(process.pid)], [], ["--all"]):
        assert sigrec.cli.main(["why", *asked]) == 0
        assert said in capsys.readouterr().out
    assert sigrec.cli.main(["why", "--json", str(process.pid)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["cause"]["signal"] == "SIGKILL"
    assert {one["source"] for one in answer["evidence"]} & {"pidfd", "proc"}
    assert run("pass", f"--report={report}").returncode == 0  # added, and not instead
    wait_until(lambda: len(report.read_text().splitlines()) == 2)


def test_a_file_that_cannot_be_written(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for file in (tmp_path / "nowhere" / "x", tmp_path, tmp_path / "fifo"):
        done = run("print(1)", f"--report={file}")
        assert (done.returncode, done.stdout) == (1, "")
        assert f"sigrec: {file}: cannot be written: " in done.stderr


def test_only_what_follows_an_equals_sign_is_its_file():
    assert _with_equals(["--report", "app.py", "--report"]) == ["--report=", "app.py", "--report"]
    assert _with_equals(["-o", "--report", "--rep", "-m", "x"]) == [
        "-o",
        "--report",
        "--rep=",
        "-m",
        "x",
    ]
    assert _with_equals(["--report=x", "--children", "--", "--report"])[-1] == "--report"


def test_nobody_finds_the_program_twice():
    code = "import os; input(); print(os.getpid())"
    with subprocess.Popen([*REPORT, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:  # fmt: skip
        mine = f"waits for the end of PID {process.pid}".encode()

        def found(text):
            pids = []
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/cmdline", "rb") as file:
                        pids += [int(pid)] if text in file.read() else []
                except OSError:
                    pass
            return pids

        wait_until(lambda: found(mine))
        (waits,) = found(mine)
        assert os.getsid(waits) == waits != os.getsid(process.pid)
        wait_until(lambda: os.readlink(f"/proc/{waits}/cwd") == "/")
        assert os.path.basename(os.readlink(f"/proc/{waits}/exe")) == "sigrec-report"
        process.communicate(b"\n")


def test_where_nobody_can_wait_the_program_runs_all_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(beside, "PROGRAM", str(tmp_path / "sigrec-report"))
    before = children()  # a test before this one may have left some
    for leave in (beside.leave, beside.leave_below_init):
        with pytest.raises(OSError, match="is missing"):
            leave("", "")
    assert children() <= before


@pytest.mark.parametrize(("code", "words"), [
    ("exit 3", "exited with status 3"), ("kill -9 $$", "was ended by signal 9")])  # fmt: skip
def test_where_no_python_can_be_started_at_the_end(code, words):
    """Memory that is full, say, or an upgrade meanwhile: how it ended is said all the same."""
    ended = subprocess.Popen(["sh", "-c", f"read line; {code}"], stdin=subprocess.PIPE)
    fields = (ended.pid, os.pidfd_open(ended.pid), start_ticks(ended.pid), 0, "/nowhere", "", "")
    os.set_inheritable(fields[1], True)
    task = os.memfd_create("task")
    os.write(task, b"".join(f"{field}\0".encode() for field in fields))
    done = subprocess.Popen([beside.PROGRAM], stdin=task, stderr=subprocess.PIPE, close_fds=False)
    ended.stdin.close()
    _, said = done.communicate(timeout=60)
    ended.wait()
    assert said.decode() == (
        f"sigrec: PID {ended.pid} {words}; more cannot be said: /nowhere: No such file or directory\n"
    )
    os.close(fields[1])
    os.close(task)


def test_without_a_stderr():
    done = subprocess.run(["sh", "-c", '"$@" 2>&- 0<&-', "sh", *REPORT, "-c", "print(1)"],
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="a PID namespace needs root")
@pytest.mark.parametrize(("code", "status", "words"), [
    # PID 1 is not ended by what it does not catch, and not by itself at all; and its orphans are reaped.
    ("import os, signal, time\n"
     "signal.signal(15, lambda *_: os._exit(7))\n"
     "os.kill(os.getpid(), 10); os.kill(1, 12)\n"
     "if os.fork() == 0:\n"
     "    if os.fork() == 0:\n"
     "        while os.getppid() != 1: time.sleep(0.01)\n"
     "        os.kill(1, 15)\n"
     "    os._exit(0)\n"
     "os.wait()\n"
     "while True: time.sleep(0.05)", 7, "by _exit(2) with status 7"),
    ("import os; os.kill(os.getpid(), 9)", 137, "was killed by SIGKILL, sent by itself"),
])  # fmt: skip
def test_as_pid_1_of_a_namespace(code, status, words):
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *REPORT, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    assert words in done.stderr


def test_on_a_terminal():
    """Stopped and continued as any other job, and interrupted."""
    code = (
        "import signal, time\nsignal.signal(18, lambda *_: print('goes ' 'on', flush=True))\n"
        "print('it ' 'runs', flush=True)\nwhile True: time.sleep(0.01)"
    )
    terminal = Terminal(command=["bash", "--norc", "-i"], columns=200, env={"PS1": "bash> "})
    try:
        terminal.until(lambda text: "bash>" in text)
        terminal.type(f"{' '.join(REPORT)} -c \"{code.replace(chr(10), ';')}\"\n".replace(
            ";while", "\nwhile").encode())  # fmt: skip
        terminal.until(lambda text: "it runs" in text)
        terminal.type(b"\x1a")
        terminal.until(lambda text: "Stopped" in text and text.rstrip().endswith("bash>"))
        terminal.type(b"fg\n")
        # (bash shows the command before that one has the terminal, and with it the Ctrl-C.)
        terminal.until(lambda text: "goes on" in text)
        terminal.type(b"\x03")
        terminal.until(
            lambda text: "ended by a KeyboardInterrupt that nobody caught: SIGINT, Ctrl-C" in text
        )
        terminal.type(b"echo status $?\n")
        terminal.until(lambda text: "status 130" in text)
    finally:
        terminal.close()
