"""Runs tests of CPython's own where `signal` is compat: NAMES, a fault for each Python that they
start, and SLOWEST, as JSON."""

import json
import subprocess
import sys
import textwrap
import unittest

BEGIN = """
import sys
import sigrec.compat
sys.modules["signal"] = sigrec.compat
sigrec.compat.install()
"""
names, fault, slowest = map(json.loads, sys.argv[1:])
exec(BEGIN)
init = subprocess.Popen.__init__
started = 0


def start(process, command, *args, **options):
    global started
    if command[0] == sys.executable:
        started += 1
        if "-c" in command:
            at = command.index("-c")
            code = textwrap.dedent(command[at + 1])
        else:
            at = next(n for n, word in enumerate(command) if word.endswith(".py"))
            code = f"import runpy; runpy.run_path({command[at]!r}, run_name='__main__')"
            command = [*command[:at], "-c", *command[at:]]
        command = [*command[: at + 1], f"{BEGIN}{fault}\n{code}", *command[at + 2 :]]
    init(process, command, *args, **options)


subprocess.Popen.__init__ = start
import test.test_signal as tests  # noqa: E402

assert tests.signal is sys.modules["sigrec.compat"]
if names == [slowest]:
    tests.support.SHORT_TIMEOUT = 3  # for so long it watches a read that a signal may not end
suite = unittest.defaultTestLoader.loadTestsFromNames(names, tests)
result = unittest.TextTestRunner(stream=sys.stderr).run(suite)
print(result.testsRun, len(result.failures), len(result.errors), started)
