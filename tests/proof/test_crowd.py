"""The short form of python -m tests.proof crowd; and that what needs room waits for it."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.proof import crowd

TESTS = Path(__file__).parents[1]
IN_A_FLOOD = """
import os, signal, time, sigrec
from sigrec import _core
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMIN})
for _ in range(3):
    while not _core.send_process(os.getpid(), signal.SIGRTMIN, 0):  # until there is no room
        signal.sigwait({signal.SIGRTMIN})
    sigrec.timer(60).cancel()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="user namespaces")
def test_another_process_of_the_user_has_filled_the_queue(capfd):
    """The flood is taken, the masks are given back, and it is said, although nothing can be queued."""
    program = [sys.executable, "-m", "tests.proof.takes_where_the_queue_is_full"]

    def run() -> int:
        resource.setrlimit(resource.RLIMIT_SIGPENDING, (500, 500))
        return subprocess.run(program, cwd=crowd.ROOT).returncode

    status = crowd.in_namespace(run)
    said = capfd.readouterr().err
    if "no user namespace" in said:
        pytest.skip("no user namespace can be made here")
    assert status == 0, said


@pytest.mark.skipif(sys.platform != "linux", reason="user namespaces")
def test_a_timer_finds_room(capfd):
    status = crowd.in_a_flood([sys.executable, "-c", IN_A_FLOOD])
    if "no user namespace" in capfd.readouterr().err:
        pytest.skip("no user namespace can be made here")
    assert status == 0


# What the kernel refuses where the queue is full, and where it may stand.
NEEDS_ROOM = re.compile(
    r"raise_signal\((RT|signal\.SIGRT)|(?<!_)\bsigqueue\(getpid|timer_create\(CLOCK"
)
WAITS = re.compile(r"WITH_ROOM|while")


def test_what_needs_room_waits_for_it():
    sources = [*TESTS.rglob("*.py"), *TESTS.rglob("*.c")]
    found = {
        f"{source.relative_to(TESTS)}: {line.strip()}"
        for source in sources
        if "proof" not in source.parts
        for line in source.read_text().splitlines()
        if NEEDS_ROOM.search(line) and not WAITS.search(line)
    }
    assert found == set(), "with_room(), or in C WITH_ROOM: see check.h and conftest.py"
