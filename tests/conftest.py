"""What the tests share: child processes that they start, talk to, and flood."""

import contextlib
import itertools
import os
import select
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from sigrec import _core
from sigrec._proc import host
from sigrec._reader import index, places
from tests.distributions import built  # noqa: F401
from tests.prelude import RT, sigqueue, with_room  # noqa: F401

ROOT = Path(__file__).parents[1]
BEGAN = pytest.StashKey[int]()


def send(*values, signum=RT):
    """Sends them to this process, in order: to its main thread. A signal to the process as a whole
    may be taken by another thread (of execnet, of NumPy) while the main thread runs a handler, and
    a later one is then recorded first."""
    for value in values:
        sigqueue(os.getpid(), signum, value, thread=os.getpid())


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="run the long tests too (minutes)")


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "long: too long for every run; with --all, or alone with -m long"
    )
    config.stash[BEGAN] = time.time_ns()


def wants_long(config):
    """Whether the long tests run: an option says so, or a test is named."""
    asked = config.getoption("--all") or "long" in config.getoption("markexpr")
    return asked or any("::" in argument for argument in config.args)


def pytest_xdist_auto_num_workers(config):
    """Two workers are worth their start where there are several files. More would not be faster on
    two processors, and tests that only wait take as long on more."""
    alone = config.getoption("capture") == "no" or any("::" in a for a in config.args)
    few = all(a.endswith(".py") for a in config.args) and len(config.args) == 1
    return 0 if alone or few else 2


def pytest_report_header(config):
    return None if wants_long(config) else "long tests: left out; --all runs them too"


# The files whose long tests take longest, from 70 seconds to 20. All tests of a file run in one
# process, so these files begin first; otherwise one process would run them alone at the end
# (.ci/run).
LONGEST = [
    "test_benchmarks.py",
    "proof/test_packages.py",
    "docs/test_docs.py",
    "proof/test_models.py",
    "proof/test_endings.py",
    "proof/test_attach.py",
    "proof/test_orders.py",
    "serve/test_http.py",
    "proof/test_programs.py",
    "test_packaging.py",
    "reader/test_fuzz.py",
]


def place(item):
    name = os.path.relpath(item.path, ROOT / "tests")
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def pytest_collection_modifyitems(config, items):
    if wants_long(config):
        items.sort(key=place)
        return
    out = [item for item in items if item.get_closest_marker("long")]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def open_to_others(path):
    """Whether a user whose process root starts may enter it and read there."""
    path = Path(path).resolve()
    enter = all(one.stat().st_mode & 0o001 for one in path.parents)
    return enter and path.stat().st_mode & 0o005 == 0o005


def left_behind(since_ns):
    """Recordings that tests have left where those of all of this user's programs are: a later test
    whose program happens to have such a PID again would meet them. Those are of our session."""
    found = index.opened(places.recordings())
    left = [r for r in found if r.started_ns >= since_ns and r.state in ("ended", "exited")]
    return [r.path for r in left if r._here and r._identity.sid == os.getsid(0)]


def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        return  # the other worker still runs tests
    try:
        wait_until(lambda: not left_behind(session.config.stash[BEGAN]), 5)
    except AssertionError:
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
        paths = " ".join(left_behind(session.config.stash[BEGAN]))
        session.config.get_terminal_writer().line(
            f"\ntests have left recordings: {paths}", red=True
        )


# For tests in which root starts processes as another user, who has to be able to read this
# checkout.
as_others = pytest.mark.skipif(
    os.geteuid() == 0 and not open_to_others(Path(__file__).parent),
    reason="other users cannot enter this checkout",
)

PRELUDE = (ROOT / "tests/prelude.py").read_text()


class Child:
    """A Python program under test, a file or text, with pipes through which a test talks with it
    line by line."""

    def __init__(self, program, *args, env=None, prelude=PRELUDE, **options):
        if isinstance(program, Path):
            command, env = [program], {"PYTHONPATH": str(ROOT), **(env or {})}
        else:
            command = ["-c", prelude + textwrap.dedent(program)]
        self.process = subprocess.Popen(
            [sys.executable, *command, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
            **options,
        )
        self.pid = self.process.pid
        self.read = b""  # the part of its output that is not a whole line yet

    def line(self, timeout=60):
        """The next line of its output; fails, with its stderr, if there is none."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self.read:
            ready, _, _ = select.select(
                [self.process.stdout], [], [], max(0, deadline - time.monotonic())
            )
            # This does not read through the file object's buffer, which select does not see.
            more = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not more:
                if not ready:
                    self.process.kill()
                raise self.failed(f"no line from the child, after {self.read!r}")
            self.read += more
        line, _, self.read = self.read.partition(b"\n")
        return line.decode()

    def failed(self, what):
        status = self.process.wait(60)
        os.set_blocking(self.process.stderr.fileno(), False)  # its own child may have it
        errors = (self.process.stderr.read() or b"").decode()
        return AssertionError(f"{what} (status {status}): {errors}")

    def tell(self, text="go"):
        try:
            self.process.stdin.write(text.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self.failed(f"the child ended before it was told {text!r}") from None

    def end(self, status=0, timeout=60):
        """Waits for its end; returns what else it printed, and its stderr."""
        out, err = self.process.communicate(timeout=timeout)
        assert self.process.returncode == status, err.decode()
        out, self.read = self.read + out, b""
        return out.decode(), err.decode()

    def flood(self, signum, count, queue=True):
        sent, _, _ = _core.flood(self.pid, signum, count, queue, 300_000_000_000)
        assert sent == count

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):  # what it was told and did not read
                pipe.close()


@pytest.fixture
def child():
    """Starts children, and kills those that are left when the test ends."""
    children = []

    def start(code, *args, **options):
        children.append(Child(code, *args, **options))
        return children[-1]

    yield start
    for one in children:
        one.kill()


def unrecorded(*command):
    """Starts it, and no recording is found under its PID: an earlier program of this user's may have
    had that one, and left a recording."""
    for _ in range(20):
        process = subprocess.Popen(command)
        if not places.find(process.pid):
            return process
        process.kill()
        process.wait()
    raise AssertionError(f"a recording of {command} is found: {places.find(process.pid)}")


_numbers = itertools.count()


@pytest.fixture(autouse=True)
def run_directory(tmp_path_factory, monkeypatch):
    """Each test's processes publish in a place of their own."""
    # (Not by mktemp(): it lists all that is there each time, which are thousands in the end.)
    directory = tmp_path_factory.getbasetemp() / f"of-test-{next(_numbers)}"
    directory.mkdir(mode=0o700)
    monkeypatch.setenv("SIGREC_DIR", str(directory))
    return directory


def file_name(pid, number=1):
    """The file name of the recording of a process of this PID namespace, which may not be the first
    namespace."""
    return str(places.Name(pid, host.pid_namespace(), number))


def wait_until(condition, timeout=60):
    """Looks again until the condition holds, for conditions that no event announces."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.002)
