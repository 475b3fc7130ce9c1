"""What does the preload cost a program that is not Python?

Two times are measured, with the preload and without it, in turns: how long /bin/true runs, from its
start to its end; and how long kill(2) takes, with an empty handler in C, in a process that has nothing
of sigrec's but libsigrec-preload.so.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time

import sigrec
from benchmarks._common import Measured, answer, load_peers, median, pin

NAME = "preload"

LIBRARY = os.path.join(os.path.dirname(sigrec.__file__), "libsigrec-preload.so")
SIGNUM = int(signal.SIGUSR1)
SLICES = 21


def measure() -> None:
    """Runs in a process of its own. Each line that it reads is a number of calls; it answers with the
    time of one of them."""
    pin("sender")
    peers = load_peers(gil=True)
    peers.install_empty(SIGNUM)
    answer()
    for line in sys.stdin:
        peers.kill_loop(os.getpid(), SIGNUM, 100)
        answer(ns=peers.kill_loop(os.getpid(), SIGNUM, int(line)) / int(line))


def lives(preloaded: dict[str, str]) -> float:
    """How long /bin/true runs, in microseconds."""
    environment = {**os.environ, **preloaded}
    began = time.monotonic_ns()
    os.waitpid(os.posix_spawn("/bin/true", ["true"], environment), 0)
    return (time.monotonic_ns() - began) / 1e3


def run(rounds: int, quick: bool) -> dict[str, object]:
    pairs: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        ours = {"LD_PRELOAD": LIBRARY, "SIGREC_DIR": directory, "SIGREC_CHILDREN": "1"}
        starts = [
            (lives({"SIGREC_DIR": directory}), lives(ours))
            for _ in range(rounds * (5 if quick else 100))
        ]
        left = len(os.listdir(directory))
        with Measured("preload") as plain:
            plain.result()
            os.environ.update(ours)
            with Measured("preload") as recorded:
                recorded.result()
                for name in ours:
                    del os.environ[name]
                for _ in range(rounds * (3 if quick else SLICES)):
                    pair = []
                    for process in (plain, recorded):
                        process.tell(str(200 if quick else 5_000))
                        pair.append(process.result()["ns"])
                    pairs.append((pair[0], pair[1]))
    return {
        "start": {
            "plain_us": median([a for a, _ in starts]),
            "preloaded_us": median([b for _, b in starts]),
            "ratio": median([b for _, b in starts]) / median([a for a, _ in starts]),
            "files_left": left,
        },
        "signal": {
            "plain_ns": median([a for a, _ in pairs]),
            "preloaded_ns": median([b for _, b in pairs]),
            "ratio": median([b / a for a, b in pairs]),
        },
    }


def show(result: dict[str, dict[str, float]]) -> str:
    start, kill = result["start"], result["signal"]
    return (
        f"/bin/true: preloaded {start['preloaded_us']:,.0f} us, plain {start['plain_us']:,.0f} us,"
        f" ratio {start['ratio']:.2f}; {start['files_left']} files left\n"
        f"kill() and its handler in C: preloaded {kill['preloaded_ns']:,.0f} ns,"
        f" plain {kill['plain_ns']:,.0f} ns, ratio {kill['ratio']:.2f}\n"
    )


if __name__ == "__main__":
    measure()
