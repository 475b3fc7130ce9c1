"""What does one lone signal cost?

End to end: signal.raise_signal in a loop, with an empty Python handler, sigrec beside
signal.signal. The core: raise(3) in a C loop, sigrec's C handler beside an empty one.
"""

from __future__ import annotations

import signal
import sys
import time

from benchmarks._common import Measured, answer, load_peers, median, pin

NAME = "lone"

SIGNUM = int(signal.SIGUSR1)
SLICES = 9  # both are measured so often by turns, in one process


def handler(signum: int, frame: object) -> None:
    pass


def loop(n: int) -> float:
    raise_signal = signal.raise_signal
    start = time.perf_counter_ns()
    for _ in range(n):
        raise_signal(SIGNUM)
    return (time.perf_counter_ns() - start) / n


def measure(n: int) -> None:
    """Runs in a process of its own."""
    import sigrec

    pin("receiver")
    sigrec.configure(queue=65536)
    peers = load_peers(gil=True)
    ours, theirs, core, empty = [], [], [], []
    n_core = min(n, 60_000)  # they all fit the queue, so that each takes the whole path
    for _ in range(SLICES):
        with sigrec.register(SIGNUM, handler):
            ours.append(loop(n))
        before = signal.signal(SIGNUM, handler)
        theirs.append(loop(n))
        signal.signal(SIGNUM, before)
        with sigrec.register(SIGNUM, handler):
            core.append(peers.raise_loop(SIGNUM, n_core) / n_core)
        peers.install_empty(SIGNUM)
        empty.append(peers.raise_loop(SIGNUM, n_core) / n_core)
        signal.signal(SIGNUM, signal.SIG_DFL)
    answer(
        sigrec_ns=median(ours),
        signal_ns=median(theirs),
        ratio=median([a / b for a, b in zip(ours, theirs, strict=True)]),
        core_ns=median(core),
        empty_ns=median(empty),
        core_ratio=median([a / b for a, b in zip(core, empty, strict=True)]),
    )


def run(rounds: int, quick: bool) -> dict[str, object]:
    samples = []
    for _ in range(rounds):
        with Measured("lone", 1_000 if quick else 50_000) as process:
            samples.append(process.result())
    return {key: median([sample[key] for sample in samples]) for key in samples[0]}


def show(result: dict[str, object]) -> str:
    return (
        "raise_signal, Python handler: sigrec {sigrec_ns:,.0f} ns, signal.signal {signal_ns:,.0f} ns, "
        "ratio {ratio:.3f}\n"
        "raise in C: sigrec's handler {core_ns:,.0f} ns, an empty one {empty_ns:,.0f} ns, "
        "ratio {core_ratio:.3f}\n"
    ).format(**result)


if __name__ == "__main__":
    measure(int(sys.argv[1]))
