"""The examples as a person runs them: real processes, and a real terminal where one types."""

import os
import pty
import re
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
        ended = []
        wait_until(lambda: any(ended := os.waitpid(self.pid, os.WNOHANG)))
        self.pid = 0
        return os.waitstatus_to_exitcode(ended[1])

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


def test_server_and_sender():
    server = subprocess.Popen([sys.executable, EXAMPLES / "server.py"], stdout=subprocess.PIPE, text=True)
    try:
        pid = server.stdout.readline().split()[1]
        assert server.stdout.readline() == "Server is running...\n"
        sender = subprocess.run(
            [sys.executable, EXAMPLES / "send_signal.py", pid], capture_output=True, text=True, check=True
        )
        assert sender.stdout == f"Sent SIGTERM to PID {pid}.\n"
        out, _ = server.communicate(timeout=60)
        lines = out.splitlines()
        assert any(line.startswith("Stopping: SIGTERM from PID ") for line in lines)
        assert lines[-1] == "Server has stopped."
        assert server.returncode == 0
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_threads(terminal):
    t = terminal("threads.py")
    t.until("press Ctrl-C to stop.")
    t.type("\x03")
    said = t.until("All stopped.")
    assert "SIGINT handled in MainThread" in said
    for n in range(3):
        assert f"worker {n} stops" in said
    assert t.status() == 0


def test_manager():
    done = subprocess.run([sys.executable, EXAMPLES / "manager.py"], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == f"handler({int(signal.SIGUSR1)}, frame) called"
    assert lines[1] == "ValueError: signum must be an int or signal.Signals, not 'SIGUSR1'"
    assert lines[2] == "ValueError: handler must be callable, not 'handler'"
    assert lines[3].startswith("ValueError: SIGKILL cannot be caught")
    assert lines[4] == "restored: True"
