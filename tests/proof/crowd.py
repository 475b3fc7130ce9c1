"""The suite where it is not alone.

    python -m tests.proof crowd [--limit N] [ARGUMENTS OF PYTEST ...]
    python -m tests.proof crowd --loops [ARGUMENTS OF PYTEST ...]

Beside a flooder: how many signals, and timers, may be queued (RLIMIT_SIGPENDING) is counted for all processes of a
user, and the flooder keeps that queue full half of the time, or more. Both are in a user namespace of their own, where
the limit is low (N, 20,000): so the flood costs little, and nobody else on this machine has less room for it.

--loops: instead, at the lowest priority (nice 19), beside a busy loop for each processor.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sigrec import _core

ROOT = Path(__file__).parents[2]
CLONE_NEWUSER = 0x10000000
FLOOD = signal.SIGRTMIN + 9
DRAINED, LOOKS, LOOK_S = 2000, 3, 0.001
LIMIT = 20_000


def fill() -> None:
    """Until one is refused."""
    while not _core.flood(os.getpid(), FLOOD, 1000, True, 1)[1]:
        pass


def flood() -> None:
    """To itself, where it is blocked. What others leave while it is full is taken too."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {FLOOD})
    parent = os.getppid()
    while os.getppid() == parent:  # it may be killed
        for _ in range(LOOKS):
            fill()
            time.sleep(LOOK_S)
        for _ in range(DRAINED):
            signal.sigtimedwait({FLOOD}, 0)


@contextlib.contextmanager
def beside(*commands: list[str]) -> Iterator[None]:
    """While these run, each in a session of its own: where Linux groups processes by session
    (sched(7), autogroup) nobody else has to share with them."""
    others = [subprocess.Popen(command, cwd=ROOT, start_new_session=True) for command in commands]
    try:
        yield
        assert all(other.poll() is None for other in others), "one has ended"
    finally:
        for other in others:
            other.kill()
            other.wait()


def map_ids(pid: int) -> None:
    """In the user namespace that it has just made, each id is what it is here, as far as one may."""
    for kind, own in (("uid", os.geteuid()), ("gid", os.getegid())):
        if os.geteuid():
            Path(f"/proc/{pid}/setgroups").write_text("deny")
        ids = f"{own} {own} 1" if os.geteuid() else "0 0 65536"
        Path(f"/proc/{pid}/{kind}_map").write_text(ids)


def in_namespace(main: Callable[[], int]) -> int:
    """main(), in a child that has a user namespace of its own."""
    made, mapped = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            for end in (made[0], mapped[1]):
                os.close(end)
            if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER):
                raise OSError(ctypes.get_errno(), "no user namespace can be made here")
            os.write(made[1], b".")
            os.read(mapped[0], 1)
            status = main()
        finally:
            os._exit(status)  # it may be a fork of pytest
    os.close(made[1])
    if os.read(made[0], 1):
        map_ids(pid)
        os.write(mapped[1], b".")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def in_a_flood(command: list[str], limit: int = LIMIT) -> int:
    def run() -> int:
        resource.setrlimit(resource.RLIMIT_SIGPENDING, (limit, limit))
        with beside([sys.executable, "-m", "tests.proof.crowd", "flood"]):
            return subprocess.run(command, cwd=ROOT).returncode

    return in_namespace(run)


def among_loops(command: list[str]) -> int:
    loop = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
    loops = [[sys.executable, "-S", "-c", loop]] * (os.cpu_count() or 1)
    with beside(*loops):
        return subprocess.run(command, cwd=ROOT, preexec_fn=lambda: os.nice(19)).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=LIMIT)
    parser.add_argument("--loops", action="store_true")
    options, others = parser.parse_known_args()
    suite = [sys.executable, "-m", "pytest", *others]
    return among_loops(suite) if options.loops else in_a_flood(suite, options.limit)


if __name__ == "__main__":
    if sys.argv[1:] == ["flood"]:
        flood()
    sys.exit(main())
