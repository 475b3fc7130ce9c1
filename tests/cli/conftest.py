import os
import subprocess
import sys

import pytest

from tests.conftest import Child


class Command(Child):
    """The command line, running, with pipes for a conversation by lines."""

    def __init__(self, *args, env=None, **options):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sigrec", *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "TZ": "UTC", "PYTHONUTF8": "1", **(env or {})},
            **options,
        )
        self.pid = self.process.pid
        self.read = b""


@pytest.fixture
def command():
    """Starts commands, and leaves none behind."""
    commands = []

    def start(*args, **options):
        commands.append(Command(*args, **options))
        return commands[-1]

    yield start
    for one in commands:
        one.kill()
