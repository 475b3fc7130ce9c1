"""Programs that nobody here wrote, as they are and under ``sigrec run``, driven through the signals
that their documentation names: they do the same, and the ledger has what was sent to them."""

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import sigrec
from tests.conftest import wait_until

HERE = Path(__file__).parent


class Program:
    """A server in its own process, with its log in a file."""

    def __init__(self, directory, *command, recorded=False, children=False):
        self.directory, self.recorded = directory, recorded
        self.log = directory / ("log.recorded" if recorded else "log")
        under = ["-m", "sigrec", "run", *(["--children"] if children else [])] if recorded else []
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *under, *command],
                cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"}, process_group=0,
            )  # fmt: skip
        self.pid = self.process.pid

    def text(self):
        return self.log.read_text()

    def said(self, pattern, times=1):
        """Waits until it said so, so many times."""
        wait_until(lambda: self._count(pattern) >= times)

    def _count(self, pattern):
        assert self.process.poll() is None or re.search(pattern, self.text()), self.text()
        return len(re.findall(pattern, self.text()))

    def waits(self):
        """Waits until its only thread waits for the next request. Where it runs, KeyboardInterrupt
        may come within a weakref callback (of a WeakSet, as a thread ends), and is only printed."""
        status = Path(f"/proc/{self.pid}/status")
        wait_until(lambda: re.search(r"State:\tS.*Threads:\t1\n", status.read_text(), re.DOTALL))

    def send(self, signum):
        os.kill(self.pid, signum)

    def end(self):
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it does not end: {self.text()}")
        return status, sorted(set(re.sub(r"\d+", "N", self.text()).splitlines()))

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture
def both(tmp_path):
    """Drives a program as it is, and recorded: returns the second, when they did the same. On a
    busy machine a program does not do the same each time (gunicorn tells a worker to end more
    than once, if it is slow, and may say of what it died): then it has more turns."""
    started = []

    def drive(course, *command, children=False):
        results = {False: [], True: []}
        for _ in range(4):
            for recorded in (False, True):
                program = Program(tmp_path, *command, recorded=recorded, children=children)
                started.append(program)
                found = course(program)
                results[recorded].append((found, *program.end()))
            if results[True][-1] in results[False]:
                return program
        plain, recorded = results[False][-1], results[True][-1]
        assert recorded[:2] == plain[:2]
        assert set(recorded[2]) ^ set(plain[2]) == set()

    yield drive
    for program in started:
        program.kill()


def delivered(pid, but=()):
    with sigrec.open_recording(pid) as recording:
        counts = {}
        for number, stats in recording.signals.items():
            assert stats.delivered == stats.recorded + stats.dropped
            assert stats.delivered == sum(count for _, count in stats.senders)
            if stats.delivered and number not in but:
                counts[number] = stats.delivered
        return counts


def get(address, path="/"):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(60)
        client.connect(address)
        client.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        answer = b""
        while more := client.recv(65536):
            answer += more
    return answer.partition(b"\r\n")[0], answer.partition(b"\r\n\r\n")[2]


def port(program, pattern):
    program.said(pattern)
    return "127.0.0.1", int(re.search(pattern, program.text())[1])


def test_http_server_and_ctrl_c(both, tmp_path):
    (tmp_path / "index.html").write_text("hello")

    def course(program):
        answer = get(port(program, r"port (\d+)"))
        program.waits()
        program.send(signal.SIGINT)
        return answer

    program = both(course, "-m", "http.server", "0", "--bind", "127.0.0.1")
    assert "Keyboard interrupt received, exiting." in program.text()
    assert delivered(program.pid) == {signal.SIGINT: 1}


def test_http_server_terminated(both, tmp_path):
    def course(program):
        address = port(program, r"port (\d+)")
        program.send(signal.SIGTERM)
        return address[0]

    program = both(course, "-m", "http.server", "0", "--bind", "127.0.0.1")
    assert program.process.returncode == -signal.SIGTERM
    assert delivered(program.pid) == {signal.SIGTERM: 1}


def test_asyncio_server(both, tmp_path):
    shutil.copy(HERE / "asyncio_server.py", tmp_path / "server.py")

    def course(program):
        answer = get(port(program, r"port (\d+)"))
        program.said("child 7")
        for n in range(3):
            program.send(signal.SIGHUP)
            program.said("reload", n + 1)
        program.send(signal.SIGTERM)
        return answer

    program = both(course, "server.py")
    assert program.process.returncode == 0
    assert delivered(program.pid, but={signal.SIGCHLD}) == {signal.SIGHUP: 3, signal.SIGTERM: 1}


def test_a_pool_of_processes(both, tmp_path, run_directory):
    shutil.copy(HERE / "process_pool.py", tmp_path / "pool.py")
    for method in ("fork", "spawn"):
        program = both(lambda program: None, "pool.py", method, children=True)
        assert program.process.returncode == 0
        assert program.text() == "328350\n-15\n"
        assert delivered(program.pid) == {}
        workers = []
        for path in run_directory.glob("*.sigrec"):
            with sigrec.open_recording(path) as recording:
                if recording.signals.get(15) and recording.signals[15].delivered:
                    ((sender, count),) = recording.signals[15].senders
                    assert (sender.pid, count) == (program.pid, 1)
                    workers.append(recording.pid)
            path.unlink()
        assert workers  # the thread that sleeps, and those of the pool that had begun by then


APP = """
import sys
print("ready", file=sys.stderr, flush=True)  # imported once the worker has set its handlers

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""


@pytest.mark.skipif(not importlib.util.find_spec("gunicorn"), reason="gunicorn is not installed")
def test_gunicorn(both, tmp_path):
    """Its signals: https://docs.gunicorn.org/en/stable/signals.html"""
    (tmp_path / "web.py").write_text(APP)
    address = str(tmp_path / "socket")
    found = {}

    def course(program):
        ready = r"ready"  # (at "Booting worker" a signal would still kill it, recorded or not)
        program.said(ready, 2)
        answers = [get(address)]
        program.send(signal.SIGTTIN)  # a worker more
        program.said(ready, 3)
        program.send(signal.SIGTTOU)  # a worker less
        program.said(r"Worker exiting", 1)
        program.send(signal.SIGHUP)  # new workers
        program.said(ready, 5)
        program.said(r"Worker exiting", 3)
        answers.append(get(address))
        program.send(signal.SIGUSR1)  # reopens its logs
        program.said(r"Handling signal: usr1")
        answers.append(get(address))
        program.send(signal.SIGTERM)  # graceful shutdown
        found[program.log] = program.pid
        return answers

    command = [
        "-m",
        "gunicorn",
        "-w",
        "2",
        "-b",
        f"unix:{address}",
        "--no-control-socket",
        "web:app",
    ]
    if (
        "--no-control-socket"
        not in subprocess.run(
            [sys.executable, "-m", "gunicorn", "--help"], capture_output=True, text=True
        ).stdout
    ):
        command.remove("--no-control-socket")
    program = both(course, *command, children=True)
    assert program.process.returncode == 0
    master = program.pid
    assert delivered(master, but={signal.SIGCHLD}) == {
        signal.SIGTTIN: 1, signal.SIGTTOU: 1, signal.SIGHUP: 1, signal.SIGUSR1: 1, signal.SIGTERM: 1,
    }  # fmt: skip
    booted = {int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", program.text())}
    assert len(booted) == 5
    for worker in booted:
        with sigrec.open_recording(worker) as recording:
            senders = [s for stats in recording.signals.values() for s, _ in stats.senders]
            assert senders and {sender.pid for sender in senders} == {master}
        delivered(worker)


@pytest.mark.skipif(not importlib.util.find_spec("uvicorn"), reason="uvicorn is not installed")
def test_uvicorn(both, tmp_path):
    (tmp_path / "web.py").write_text(
        textwrap.dedent(
            """
            async def app(scope, receive, send):
                if scope["type"] == "http":
                    await send({"type": "http.response.start", "status": 200})
                    await send({"type": "http.response.body", "body": b"hello"})
            """
        )
    )

    def course(program):
        answer = get(port(program, r"http://127.0.0.1:(\d+)"))
        program.send(signal.SIGTERM)
        return answer

    program = both(course, "-m", "uvicorn", "--port", "0", "--lifespan", "off", "web:app")
    # It handles SIGTERM, shuts down, and then sends it to itself once more.
    assert delivered(program.pid)[signal.SIGTERM] in (1, 2)
    assert "Shutting down" in program.text()
