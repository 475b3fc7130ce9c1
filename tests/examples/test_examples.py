"""The examples as a person runs them: real processes, and a real terminal where one types."""

import os
import pty
import re
import runpy
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import wait_until

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def asleep(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "S"


class Terminal:
    """A program on a terminal of its own, which is its controlling one."""

    def __init__(self, program):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(sys.executable, [sys.executable, str(EXAMPLES / program)])
        self.seen = ""

    def until(self, text, timeout=60):
        deadline = time.monotonic() + timeout
        while text not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{text!r} did not come: {self.seen!r}"
            try:
                self.seen += os.read(self.fd, 4096).decode()
            except OSError:  # the program has ended
                assert text in self.seen, f"{text!r} did not come: {self.seen!r}"
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def until_it_waits(self, text):
        """Until it has said that and is asleep in its input(). A signal that comes between the
        two finds nobody to interrupt: a race that every Python program has (signal(7))."""
        said = self.until(text)
        wait_until(lambda: asleep(self.pid))
        return said

    def type(self, text):
        os.write(self.fd, text.encode())

    def hang_up(self):
        os.close(self.fd)
        self.fd = -1

    def status(self):
        wait_until(lambda: os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self.fd >= 0:
            os.close(self.fd)


@pytest.fixture
def terminal():
    terminals = []

    def start(program):
        terminals.append(Terminal(program))
        return terminals[-1]

    yield start
    for one in terminals:
        one.close()


def test_ctrl_c(terminal):
    t = terminal("ctrl_c.py")
    t.until_it_waits("Ctrl-C: ")
    t.type("\x03")
    t.until("You pressed Ctrl-C. Tidying up...")
    t.until("Done.")
    assert t.status() == 0


def test_a_second_ctrl_c(terminal):
    t = terminal("ctrl_c.py")
    t.until_it_waits("Ctrl-C: ")
    t.type("\x03")
    t.until_it_waits("Tidying up...")  # in its sleep()
    t.type("\x03")
    t.until("Again? Leaving at once.")
    assert t.status() == 1


def test_no_ctrl_c(terminal):
    t = terminal("ctrl_c.py")
    t.until_it_waits("Ctrl-C: ")
    t.type("Ada\n")
    t.until("Hello, Ada!")
    assert t.status() == 0


def test_sighup_from_another_process(terminal):
    t = terminal("sighup.py")
    text = t.until_it_waits("to end: ")
    scratch = re.search(r"working in (\S+)", text)[1]
    assert os.path.exists(scratch)
    os.kill(t.pid, signal.SIGHUP)
    said = t.until("is removed.")
    assert f"Hung up by PID {os.getpid()}" in said
    assert t.status() == 0
    assert not os.path.exists(scratch)


def test_sighup_by_hanging_up(terminal):
    t = terminal("sighup.py")
    scratch = re.search(r"working in (\S+)", t.until_it_waits("to end: "))[1]
    t.hang_up()
    assert t.status() == 0
    assert not os.path.exists(scratch)


def run_with(code, program, **options):
    """The example with a signal sent at the one moment that a real one hardly ever hits."""
    code += f"\nimport runpy; runpy.run_path({str(EXAMPLES / program)!r}, run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, **options
    )


def test_sighup_while_it_cleans_up():
    code = """
import os, signal, sys
def hook(event, args):
    if event == "os.remove" and "sigrec-example-" in str(args[0]):
        print("now", file=sys.stderr)
        os.kill(os.getpid(), signal.SIGHUP)
sys.addaudithook(hook)
"""
    done = run_with(code, "sighup.py", input="\n")
    assert (done.returncode, done.stderr) == (0, "now\n")
    assert not os.path.exists(re.search(r"working in (\S+)", done.stdout)[1])


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_server_and_sender(terminal, name):
    server = terminal("server.py")
    pid = re.search(r"PID (\d+)", server.until("Server is running..."))[1]
    sender = subprocess.Popen(
        [sys.executable, EXAMPLES / "send_signal.py", pid, *([name] if name != "SIGTERM" else [])],
        stdout=subprocess.PIPE,
        text=True,
    )
    out, _ = sender.communicate(timeout=60)
    assert out == f"Sent {name} to PID {pid}.\n"
    assert sender.returncode == 0
    said = server.until("Server has stopped.")
    assert f"Stopping: {name} from PID {sender.pid} (" in said
    assert server.status() == 0


@pytest.mark.parametrize(
    "arguments", [[], ["abc"], ["-1"], ["0"], ["1", "SIGNONE"], ["1", "SIGTERM", "x"]]
)
def test_a_sender_that_is_not_told_to_whom(arguments, monkeypatch):
    """In this process, where nothing can be sent: kill(2) takes -1 for every process there is."""
    sent = []
    monkeypatch.setattr(os, "kill", lambda *to: sent.append(to))
    monkeypatch.setattr(sys, "argv", ["send_signal.py", *arguments])
    with pytest.raises(SystemExit, match="^Send a signal to another process: "):
        runpy.run_path(str(EXAMPLES / "send_signal.py"))
    assert sent == []


def test_a_sender_to_nobody(monkeypatch):
    def kill(pid, signum):
        raise ProcessLookupError(3, "No such process")

    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr(sys, "argv", ["send_signal.py", "4242"])
    with pytest.raises(SystemExit, match=r"^PID 4242: \[Errno 3\] No such process$"):
        runpy.run_path(str(EXAMPLES / "send_signal.py"))


def test_threads(terminal):
    t = terminal("threads.py")
    t.until("press Ctrl-C to stop.")
    t.type("\x03")
    said = t.until("All stopped.")
    assert "SIGINT handled in MainThread" in said
    for n in range(3):
        assert f"worker {n} stops" in said
    assert t.status() == 0


def test_every_thread_sees_ctrl_c(terminal):
    t = terminal("threads_all.py")
    t.until("press Ctrl-C to stop.")
    t.type("\x03")
    said = t.until("All stopped.")
    for who in ("worker 0", "worker 1", "worker 2", "the main thread"):
        assert said.count(f"{who} was interrupted") == 1
    assert "Traceback" not in said
    assert t.status() == 0


def test_asyncio_stream():
    server = subprocess.Popen(
        [sys.executable, EXAMPLES / "asyncio_stream.py"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout.readline() == f"PID {server.pid}\n"
    for _ in range(2):
        server.send_signal(signal.SIGHUP)
        assert server.stdout.readline().startswith(f"SIGHUP from PID {os.getpid()} (")
        assert server.stdout.readline() == "Reloading.\n"
    server.terminate()
    out, _ = server.communicate(timeout=60)
    assert out.startswith(f"SIGTERM from PID {os.getpid()} (") and out.endswith("Stopped.\n")
    assert server.returncode == 0


def test_threads_and_a_second_ctrl_c_while_the_event_is_locked():
    code = """
import signal, threading
join, notify_all = threading.Thread.join, threading.Condition.notify_all
def first(worker, timeout=None):
    threading.Thread.join = join
    threading.Condition.notify_all = second
    signal.raise_signal(signal.SIGINT)
    join(worker, timeout)
def second(condition):
    if threading.current_thread() is threading.main_thread():
        threading.Condition.notify_all = notify_all
        signal.raise_signal(signal.SIGINT)
    notify_all(condition)
threading.Thread.join = first
"""
    done = run_with(code, "threads.py")
    assert done.stdout.count("SIGINT handled in MainThread") == 2
    assert done.stdout.endswith("All stopped.\n")
    assert done.returncode == 0, done.stderr


def test_manager():
    done = subprocess.run(
        [sys.executable, EXAMPLES / "manager.py"], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[0] == f"handler({int(signal.SIGUSR1)}, frame) called"
    assert lines[1] == "ValueError: signum must be an int or signal.Signals, not 'SIGUSR1'"
    assert lines[2] == "ValueError: handler must be callable, not 'handler'"
    assert lines[3].startswith("ValueError: SIGKILL cannot be caught")
    assert lines[4] == "restored: True"
