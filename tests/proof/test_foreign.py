"""Somebody else's tests with sigrec and without: that a difference is seen, and a few of CPython's own."""

import sys
import sysconfig
from pathlib import Path

import pytest

from . import foreign

SAMPLE = Path(__file__).with_name("foreign_sample.py").read_text()
HANGS = """
    def test_a_hang(self):
        calls = []
        signal.signal(signal.SIGCHLD, lambda signum, frame: calls.append(signum))
        os.kill(os.getpid(), signal.SIGCHLD)
        while not calls:
            pass
"""


DIES_IN_BETWEEN = """
class Tail(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        once = os.path.join(HERE, "once")
        if not os.path.exists(once):
            os.mkdir(once)
            os.kill(os.getpid(), signal.SIGKILL)

    def test_the_rest(self):
        pass
"""


@pytest.fixture
def compare(tmp_path, monkeypatch):
    """Of a suite, in one mode, with the packages of the Python that runs this."""
    monkeypatch.setattr(foreign, "REPEATS", 1)

    def compare(suite, mode, limit=60.0):
        monkeypatch.setitem(foreign.SUITES, "sample", suite)
        packages = Path(sysconfig.get_path("purelib"))
        workspace = foreign.Workspace(tmp_path / "workspace", sys.executable, packages)
        (row,) = foreign.compare(workspace, "sample", [mode], None, limit)
        return row

    return compare


@pytest.fixture
def planted(compare, tmp_path, monkeypatch):
    """A signal module that sets no handler, in each Python that is started."""
    fault = "import signal; signal.signal = lambda signum, handler: None"
    monkeypatch.setattr(foreign, "AT_START", {"planted": fault})

    def run(code, **options):
        (tmp_path / "sample.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        row = compare(foreign.Suite("unittest", (("sample",),)), "planted", **options)
        return row, {text.split(":")[0].split(".")[-1]: text for text in row.differences}

    return run


def test_a_planted_fault_is_seen(planted):
    row, differences = planted(SAMPLE)
    assert (row.tests, row.same) == (5, 1)
    assert set(differences) == {
        "test_a_child_that_ignores_the_environment", "test_dies", "test_subtests",
    }  # fmt: skip
    assert "plain 2x passed, planted 2x ended the process, status -15" in differences["test_dies"]
    (flake,) = row.flakes
    assert flake.startswith("sample.Sample.test_flakes: plain 1x failed, 1x passed")


@pytest.mark.parametrize("mode", ["record", "compat"])
def test_a_mode_that_is_not_in_force_is_seen(compare, tmp_path, monkeypatch, mode):
    monkeypatch.setattr(foreign, "AT_START", {mode: "raise ImportError('no sigrec')"})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sample.py").write_text(
        "import unittest\nclass Sample(unittest.TestCase):\n    def test(self): pass\n"
    )
    row = compare(foreign.Suite("unittest", (("sample",),)), mode)
    assert (row.tests, row.same) == (2, 0)
    assert row.differences[0].startswith("(the run): plain 2x not run, ")


@pytest.mark.long
def test_a_hang_is_seen_and_the_rest_goes_on(planted):
    row, differences = planted(SAMPLE + HANGS + DIES_IN_BETWEEN, limit=2.0)
    assert row.tests == 8
    assert any("(the run): plain 1x ended the process, status -9" in text for text in row.flakes)
    assert "the_rest" not in str(row.details())
    assert "planted 2x hung for 2 s" in differences["test_a_hang"]
    assert "test_dies" in differences


CPYTHONS = foreign.cpython(
    "test_threading.InterruptMainTests", "test_asyncio.test_runners.RunTests"
)


def test_cpythons_own_tests_that_interrupt_the_main_thread(compare):
    row = compare(CPYTHONS, "compat")
    assert row.tests > 5
    assert not row.differences, row.details()
