"""A command on a terminal of its own, and what a person sees on that terminal."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

import pytest

pyte = pytest.importorskip("pyte")


class Terminal:
    def __init__(self, *args, columns=80, lines=24, env=None, command=None):
        self.leader, follower = pty.openpty()
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.resize(columns, lines)
        self.modes = termios.tcgetattr(self.leader)
        environment = {**os.environ, "TZ": "UTC", "TERM": "xterm-256color", "PYTHONUTF8": "1"}
        for name in ("NO_COLOR", "COLUMNS", "LINES"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            command or [sys.executable, "-m", "sigrec", *map(str, args)],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={**environment, **(env or {})},
            preexec_fn=own_terminal,
        )
        os.close(follower)

    def resize(self, columns, lines):
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, size)
        self.screen.resize(lines, columns)

    def type(self, keys):
        os.write(self.leader, keys)

    def look(self, timeout=0.0):
        """Takes in what was written, waiting for it so long; False: nobody has the terminal."""
        if select.select([self.leader], [], [], timeout)[0]:
            try:
                some = os.read(self.leader, 65536)
            except OSError:  # EIO: the other side is closed
                return False
            self.raw += some
            self.stream.feed(some)
        return True

    def rows(self):
        return [row.rstrip() for row in self.screen.display]

    def text(self):
        return "\n".join(self.rows())

    def until(self, condition, timeout=60):
        """Until the screen shows it."""
        deadline = time.monotonic() + timeout
        while not condition(self.text()):
            assert time.monotonic() < deadline, self.text()
            assert self.look(0.1) or condition(self.text()), self.text()

    def end(self, status=0):
        while self.look(60):
            pass
        assert self.process.wait(60) == status, self.text()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.leader)


def own_terminal():
    """So that Ctrl-C and Ctrl-Z typed at it reach the process."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
