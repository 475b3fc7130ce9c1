"""What does a handled signal cost when 1,000,000 are waiting, beside a plain loop of calls?"""

from __future__ import annotations

import signal
import sys
import time

from benchmarks._common import Measured, answer, load_peers, median, pin

NAME = "dispatch"

# It is raised again only after it was delivered, so that none is merged. A real-time signal would
# be refused (EAGAIN) while another process of this user fills RLIMIT_SIGPENDING.
SIGNUM = int(signal.SIGUSR1)


def handler(signum: int, frame: object) -> None:
    pass


def bare(n: int) -> float:
    frame = sys._getframe()
    start = time.perf_counter_ns()
    for _ in range(n):
        handler(SIGNUM, frame)
    return (time.perf_counter_ns() - start) / n


def dispatched(n: int) -> float:
    """The C call keeps the GIL, so that all n signals wait when it returns; then they are
    handled."""
    import sigrec
    from sigrec import _core

    peers = load_peers(gil=True)
    handled = sigrec.stats()[SIGNUM].handled
    entered = time.perf_counter_ns()
    in_c = peers.raise_loop(SIGNUM, n)
    _core.drain_now(SIGNUM, None)
    spent = time.perf_counter_ns() - entered - in_c
    assert sigrec.stats()[SIGNUM].handled - handled == n
    return float(spent / n)


def measure(n: int) -> None:
    import sigrec

    pin("receiver")
    sigrec.configure(queue=1 << 20)
    sigrec.register(SIGNUM, handler)
    dispatched(min(n, 1000))  # once to warm up
    bare(n)
    answer(dispatched=dispatched(n), bare=bare(n))


def run(rounds: int, quick: bool) -> dict[str, object]:
    samples = []
    for _ in range(rounds):
        with Measured("dispatch", 10_000 if quick else 1_000_000) as process:
            samples.append(process.result())
    return {
        "dispatched_ns": median([s["dispatched"] for s in samples]),
        "bare_ns": median([s["bare"] for s in samples]),
        "ratio": median([s["dispatched"] / s["bare"] for s in samples]),
    }


def show(result: dict[str, object]) -> str:
    return (
        "dispatch with 1,000,000 waiting: {dispatched_ns:.0f} ns each, a bare loop {bare_ns:.0f} ns, "
        "ratio {ratio:.2f}\n"
    ).format(**result)


if __name__ == "__main__":
    measure(int(sys.argv[1]))
