"""A Fleet in this process, over a directory of its own, and `sigrec serve` as a process of its own."""

import http.client
import os
import signal
import subprocess
import sys
import threading

import pytest

from sigrec._serve import fleet as module
from sigrec._serve.directories import Directories
from sigrec._serve.fleet import Fleet
from sigrec._serve.state import StateFile
from tests.conftest import Child, wait_until

prometheus_client = pytest.importorskip("prometheus_client")

# Registers SIGUSR1 and records SIGTERM, says so, and does what it is told: "N" signals to itself, or
# code.
WORKER = """
import os, signal, sys
import sigrec
sigrec.register(signal.SIGUSR1, lambda *a: None)
recorder = sigrec.record(signal.SIGTERM)
print("ready", flush=True)
for line in sys.stdin:
    if line.strip().isdigit():
        for _ in range(int(line)):
            os.kill(os.getpid(), signal.SIGUSR1)
        print("sent", flush=True)
    else:
        exec(line)
        print("done", flush=True)
"""


class Worker(Child):
    """A program file of that name, as a process that is recorded."""

    def __init__(self, path, *args, **options):
        self.process = subprocess.Popen(
            [sys.executable, str(path), *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )
        self.pid = self.process.pid
        self.read = b""

    def do(self, code):
        self.tell(code)
        assert self.line() == "done"

    def send(self, count):
        self.tell(str(count))
        assert self.line() == "sent"


@pytest.fixture
def fleets():
    """Those of `running` that look where workers record, unless they have another `env`."""
    return []


@pytest.fixture
def worker(tmp_path, fleets):
    """Starts workers, by default of the program worker.py, and leaves none behind. A fleet that runs
    has seen one that is ready."""
    started = []

    def start(name="worker.py", *args, ready=True, **options):
        path = tmp_path / name
        if not path.exists():
            path.write_text(WORKER)
        started.append(Worker(path, *args, **options))
        if ready:
            assert started[-1].line() == "ready"
            for one in fleets if "env" not in options else ():
                wait_until(lambda one=one: one.holds(started[-1].pid) or not one.thread.is_alive())
        return started[-1]

    yield start
    for one in started:
        one.kill()


class Running:
    """A Fleet and the thread that it runs in."""

    def __init__(self, directory, state, **options):
        self.told = []
        self.fleet = Fleet(
            Directories([str(directory)]), StateFile(str(state)), tell=self.told.append,
            **{"settle": 0.0, **options},
        )  # fmt: skip
        self.fleet.begin()
        self.failed = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            self.fleet.run()
        except BaseException as error:
            self.failed = error

    def shown(self):
        assert self.failed is None
        return self.fleet.shown()

    def value(self, name, *labels):
        return self.shown().counters[name].get(labels)

    def ends(self, program="worker.py"):
        """By cause and sender, those that there were."""
        of = self.shown().counters["sigrec_process_endings"]
        return {key[1:]: n for key, n in of.items() if key[0] == program and n}

    def holds(self, pid):
        with self.fleet._lock:
            return pid in (watched.pid for watched in self.fleet._by_key.values())

    def held(self):
        """How many recordings of processes that live it holds."""
        with self.fleet._lock:  # it is in there before all of it is read
            return len(self.fleet._by_key)

    def end(self):
        self.fleet.stop()
        self.thread.join()
        assert self.failed is None


@pytest.fixture
def running(run_directory, tmp_path, monkeypatch, fleets):
    """Starts fleets; each look is a fresh one."""
    monkeypatch.setattr(module, "FRESH_S", 0.0)
    started = []

    def start(directory=run_directory, state=tmp_path / "state", **options):
        started.append(Running(directory, state, **options))
        if directory == run_directory:
            fleets.append(started[-1])
        return started[-1]

    yield start
    for one in started:
        one.end()


class Served(Child):
    """`sigrec serve`, on a port of its own."""

    def __init__(self, *args, env=None, listen="127.0.0.1:0", within=()):
        where = ["--listen", listen] if listen else []
        self.process = subprocess.Popen(
            [*within, sys.executable, "-m", "sigrec", "serve", *where, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
        )
        self.pid = self.process.pid
        self.read = b""
        self.address = self.line() if listen else None

    @property
    def port(self):
        return int(self.address.removeprefix("http://").partition("/")[0].rpartition(":")[2])

    def get(self, path="/metrics", method="GET", **headers):
        """(status, headers, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host="Host" in headers)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def samples(self):
        """By name and labels, as Prometheus would read them."""
        from prometheus_client.parser import text_string_to_metric_families

        status, _, body = self.get()
        assert status == 200
        return {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
        }

    def stop(self, signum=signal.SIGTERM):
        self.process.send_signal(signum)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err.decode()


@pytest.fixture
def serve(run_directory, tmp_path):
    """Starts them, over this test's recordings, and leaves none behind."""
    pytest.importorskip("waitress")
    started = []

    def start(*args, **options):
        where = ["--dir", run_directory, "--state", tmp_path / "state", "--settle", "0"]
        started.append(Served(*where, *args, **options))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def until(condition):
    wait_until(condition, timeout=60)
