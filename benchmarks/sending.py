"""What does it cost a recorded process to send a signal?

kill(2) is called in a C loop, by a process whose signals sigrec records, and which therefore writes
down what it sends, and by one without sigrec. The signals go to a process that ignores them, and to
one that has an empty handler in C. The two senders take turns, on one CPU.
"""

from __future__ import annotations

import os
import signal
import sys
from time import sleep

from benchmarks._common import Measured, answer, compared, load_peers, pin

NAME = "sending"

SIGNUM = int(signal.SIGUSR1)
SLICES = 21


def target(how: str) -> int:
    """Starts a process that gets the signals, and returns its PID."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        pin("receiver")
        if how == "ignored":
            signal.signal(SIGNUM, signal.SIG_IGN)
        else:
            load_peers(gil=True).install_empty(SIGNUM)
        os.write(write, b".")
        while os.getppid() != 1:
            sleep(60)
        os._exit(0)
    os.read(read, 1)
    return pid


def measure(kind: str) -> None:
    """Runs in a process of its own. Each line that it reads names a target and a number of calls; it
    answers with the time of one of them."""
    pin("sender")
    peers = load_peers(gil=True)
    targets = {how: target(how) for how in ("ignored", "handled")}
    if kind == "recorded":
        import sigrec

        sigrec.record()
    try:
        answer()
        for line in sys.stdin:
            how, n = line.split()
            peers.kill_loop(targets[how], SIGNUM, 100)
            answer(ns=peers.kill_loop(targets[how], SIGNUM, int(n)) / int(n))
    finally:
        for pid in targets.values():
            os.kill(pid, signal.SIGKILL)


def run(rounds: int, quick: bool) -> dict[str, object]:
    n = 200 if quick else 5_000
    times: dict[str, list[tuple[float, float]]] = {"ignored": [], "handled": []}
    for _ in range(rounds):
        with Measured("sending", "plain") as plain, Measured("sending", "recorded") as recorded:
            plain.result(), recorded.result()
            for _ in range(3 if quick else SLICES):
                for how, pairs in times.items():
                    pair = []
                    for process in (plain, recorded):
                        process.tell(f"{how} {n}")
                        pair.append(process.result()["ns"])
                    pairs.append((pair[0], pair[1]))
    return {how: compared(pairs, "recorded") for how, pairs in times.items()}


def show(result: dict[str, dict[str, float]]) -> str:
    return "".join(
        f"kill() of a signal that is {how}: recorded {row['recorded_ns']:,.0f} ns, "
        f"plain {row['plain_ns']:,.0f} ns, ratio {row['ratio']:.2f}\n"
        for how, row in result.items()
    )


if __name__ == "__main__":
    measure(sys.argv[1])
