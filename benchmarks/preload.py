"""What does the preload cost a program that is not Python?

Two times are measured, with the preload and without it, in turns: how long /bin/true runs, from its
start to its end; and how long kill(2) takes, with an empty handler in C, in a process that has nothing
of sigrec's but libsigrec-preload.so. One such handler blocks no other signal while it runs, as most
handlers; the other blocks all, so that the preload has to block SIGBUS for it by a system call.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from typing import Any

import sigrec
from benchmarks._common import Measured, answer, compared, load_peers, median, pin

NAME = "preload"

LIBRARY = os.path.join(os.path.dirname(sigrec.__file__), "libsigrec-preload.so")
HANDLERS = {"blocks nothing": int(signal.SIGUSR1), "blocks all": int(signal.SIGUSR2)}
SLICES = 21


def measure() -> None:
    """Runs in a process of its own. Each line that it reads is a number of calls; it answers with the
    time of one of them, with each handler."""
    pin("sender")
    peers = load_peers(gil=True)
    peers.install_usual(HANDLERS["blocks nothing"])
    peers.install_empty(HANDLERS["blocks all"])
    answer()
    for line in sys.stdin:
        times = {}
        for handler, signum in HANDLERS.items():
            peers.kill_loop(os.getpid(), signum, 100)
            times[handler] = peers.kill_loop(os.getpid(), signum, int(line)) / int(line)
        answer(ns=times)


def lives(preloaded: dict[str, str]) -> float:
    """How long /bin/true runs, in microseconds."""
    environment = {**os.environ, **preloaded}
    began = time.monotonic_ns()
    os.waitpid(os.posix_spawn("/bin/true", ["true"], environment), 0)
    return (time.monotonic_ns() - began) / 1e3


def run(rounds: int, quick: bool) -> dict[str, object]:
    pairs: dict[str, list[tuple[float, float]]] = {handler: [] for handler in HANDLERS}
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
                    times = []
                    for process in (plain, recorded):
                        process.tell("200" if quick else "5000")
                        times.append(process.result()["ns"])
                    for handler, of_handler in pairs.items():
                        of_handler.append((times[0][handler], times[1][handler]))
    return {
        "start": {
            "plain_us": median([a for a, _ in starts]),
            "preloaded_us": median([b for _, b in starts]),
            "ratio": median([b for _, b in starts]) / median([a for a, _ in starts]),
            "files_left": left,
        },
        "signal": {
            handler: compared(of_handler, "preloaded") for handler, of_handler in pairs.items()
        },
    }


def show(result: dict[str, dict[str, Any]]) -> str:
    start = result["start"]
    return (
        f"/bin/true: preloaded {start['preloaded_us']:,.0f} us, plain {start['plain_us']:,.0f} us,"
        f" ratio {start['ratio']:.2f}; {start['files_left']} files left\n"
        + "".join(
            f"kill() and its handler in C, which {handler}: preloaded {kill['preloaded_ns']:,.0f} ns,"
            f" plain {kill['plain_ns']:,.0f} ns, ratio {kill['ratio']:.3f}\n"
            for handler, kill in result["signal"].items()
        )
    )


if __name__ == "__main__":
    measure()
