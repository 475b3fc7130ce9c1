"""A suite of somebody else's, in which each thing happens that a suite can do."""

import os
import signal
import subprocess
import sys
import unittest

HERE = os.path.dirname(__file__)
CHILD = """
import os, signal
calls = []
signal.signal(signal.SIGCHLD, lambda signum, frame: calls.append(signum))
os.kill(os.getpid(), signal.SIGCHLD)
assert calls
"""


class Sample(unittest.TestCase):
    def test_a_child_that_ignores_the_environment(self):
        self.assertEqual(subprocess.run([sys.executable, "-I", "-c", CHILD]).returncode, 0)

    def test_dies(self):
        signal.signal(signal.SIGTERM, lambda signum, frame: None)
        os.kill(os.getpid(), signal.SIGTERM)

    def test_flakes(self):
        with open(os.path.join(HERE, "runs"), "a+b") as file:
            file.write(b"x")
            self.assertGreater(file.tell(), 1)  # not the first time

    def test_skipped(self):
        self.skipTest("always")

    def test_subtests(self):
        for n in range(3):
            with self.subTest(n=n):
                signal.signal(signal.SIGUSR1, lambda signum, frame: n)
                self.assertTrue(n != 1 or callable(signal.getsignal(signal.SIGUSR1)))
