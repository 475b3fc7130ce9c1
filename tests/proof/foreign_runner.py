"""Runs a part of somebody else's test suite, and writes down each test's outcome as it comes.

    python foreign_runner.py SPEC

SPEC is a JSON file: `kind` is "unittest" or "pytest", `arguments` are modules or pytest's own, `log`
is the file to append to, one JSON object a line. Tests that this log has already are not run again,
so that a run goes on behind a test that hung or killed it. With `only`, no others are run. Of `mode` it
is made sure that it is in force here.

No file of ours is open while a test runs: some of them count descriptors.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import unittest

BEGIN, END, FINISHED = "begin", "end", "finished"


class Log:
    def __init__(self, path: str, only: list[str] | None) -> None:
        self._path = path
        self._only = only
        self._begun: set[str] = set()
        self._pid = os.getpid()
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self._begun = {json.loads(line)["test"] for line in file}

    def wants(self, test: str) -> bool:
        return test not in self._begun and (self._only is None or test in self._only)

    def write(self, event: str, test: str, outcome: str = "", why: str = "") -> None:
        if os.getpid() != self._pid:
            return  # a forked child of a test that came back to the runner
        line = json.dumps({"event": event, "test": test, "outcome": outcome, "why": why[-4000:]})
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(line + "\n")


class Result(unittest.TextTestResult):
    """The worst outcome of a test, its subtests and its clean-up is the test's."""

    log: Log
    _outcome = _why = ""

    def startTest(self, test):
        self._outcome = self._why = ""
        self.log.write(BEGIN, test.id())
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.log.write(END, test.id(), self._outcome or "passed", self._why)

    def _note(self, test, outcome, why=""):
        if not isinstance(test, unittest.TestCase):  # setUpClass() or setUpModule()
            self.log.write(BEGIN, test.id())
            self.log.write(END, test.id(), outcome, why)
        elif self._outcome not in ("failed", "error"):
            self._outcome, self._why = outcome, why

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._note(test, "failed", self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._note(test, "error", self.errors[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._note(test, "skipped", reason)

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self._note(test, "failed as expected")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._note(test, "passed unexpectedly")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(test, "failed", f"{subtest.id()}: {err[0].__name__}: {err[1]}")


def run_unittest(names: list[str], log: Log) -> None:
    def flat(suite):
        for one in suite:
            if isinstance(one, unittest.TestSuite):
                yield from flat(one)
            else:
                yield one

    found = unittest.defaultTestLoader.loadTestsFromNames(names)
    suite = unittest.TestSuite(test for test in flat(found) if log.wants(test.id()))
    Result.log = log
    unittest.TextTestRunner(resultclass=Result, verbosity=2).run(suite)


class Plugin:
    def __init__(self, log: Log) -> None:
        self._log = log
        self._outcome = self._why = ""

    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if self._log.wants(item.nodeid)]

    def pytest_collectreport(self, report):
        if report.failed:
            self._log.write(BEGIN, report.nodeid)
            self._log.write(END, report.nodeid, "not collected", report.longreprtext)

    def pytest_runtest_logstart(self, nodeid):
        self._outcome = self._why = ""
        self._log.write(BEGIN, nodeid)

    def pytest_runtest_logreport(self, report):
        if report.passed or self._outcome == "failed":
            return
        self._outcome = "failed as expected" if hasattr(report, "wasxfail") else report.outcome
        self._why = report.longreprtext

    def pytest_runtest_logfinish(self, nodeid):
        self._log.write(END, nodeid, self._outcome or "passed", self._why)


def is_in_force(mode: str) -> bool:
    """What a line of a .pth file raises is printed, and the tests would be the same without it."""
    if mode == "compat":
        return signal.signal.__globals__["__name__"] == "sigrec.compat"
    if mode not in ("run", "children", "record", "preload"):
        return True
    names = os.listdir(os.environ["SIGREC_DIR"])
    return any(
        name.endswith(".sigrec") and re.match(r"\d+", name)[0] == str(os.getpid()) for name in names
    )


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    if not is_in_force(spec["mode"]):
        raise SystemExit(f"sigrec is not in this process, which is to be in mode {spec['mode']}")
    log = Log(spec["log"], spec["only"])
    del sys.argv[1:]
    sys.path[0] = os.getcwd()  # as python -m has it, and not the folder of this file
    status = 0
    if spec["kind"] == "unittest":
        run_unittest(spec["arguments"], log)
    else:
        import pytest

        status = pytest.main(spec["arguments"], plugins=[Plugin(log)])
    log.write(FINISHED, "", str(int(status)))


if __name__ == "__main__":
    main()
