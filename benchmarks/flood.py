"""How many signals of a flood does a program notice, and what does the flood cost its sender?

500,000 signals from another process, by kill(SIGUSR1) and by sigqueue(SIGRTMIN+2), to a receiver
that is busy in Python, asleep, or inside a long C call.
"""

from __future__ import annotations

import signal
from collections import defaultdict

from benchmarks._common import Measured, median, pin, table
from sigrec import _core

NAME = "flood"

KINDS = ("sigrec", "signal", "wakeup_fd", "sigwaitinfo", "C counter")
STATES = ("busy", "asleep", "in C")
SIGNALS = {"SIGUSR1": int(signal.SIGUSR1), "SIGRTMIN+2": signal.SIGRTMIN + 2}
LIMIT_NS = 60 * 10**9


def once(kind: str, state: str, name: str, count: int) -> dict[str, float]:
    signum = SIGNALS[name]
    with Measured("_receiver", kind, state, signum) as receiver:
        assert receiver.line() == "ready"
        sent, refused, ns = _core.flood(receiver.pid, signum, count, name != "SIGUSR1", LIMIT_NS)
        receiver.tell("done")
        got = receiver.result()
    return {"sent": sent, "eagain": refused, "us_each": ns / 1000 / max(sent, 1), **got}


def run(rounds: int, quick: bool) -> dict[str, object]:
    pin("sender")
    count = 5_000 if quick else 500_000
    samples: dict[tuple[str, str, str], list[dict[str, float]]] = defaultdict(list)
    for _ in range(rounds):
        for name in SIGNALS:
            for state in STATES:
                for kind in KINDS:
                    samples[name, state, kind].append(once(kind, state, name, count))
    results = []
    for (name, state, kind), runs in samples.items():
        row: dict[str, object] = {"signal": name, "receiver": state, "kind": kind}
        for key in ("sent", "delivered", "handled", "us_each", "eagain"):
            values = [run[key] for run in runs if run[key] is not None]
            row[key] = median(values) if values else None
        if kind == "sigrec":
            row["exact_in_every_run"] = all(
                run["handled"] == run["delivered"]
                and (name == "SIGUSR1" or run["delivered"] == run["sent"])
                for run in runs
            )
            counters = samples[name, state, "C counter"]
            row["sender_cost_vs_C_counter"] = median(
                [a["us_each"] / b["us_each"] for a, b in zip(runs, counters, strict=True)]
            )
            row["delivered_of_sent"] = median([run["delivered"] / run["sent"] for run in runs])
        results.append(row)
    return {"count": count, "rounds": rounds, "rows": results}


def show(result: dict[str, object]) -> str:
    rows = result["rows"]
    assert isinstance(rows, list)
    cells = [
        [
            row["signal"],
            row["receiver"],
            row["kind"],
            *(
                ("-" if row[key] is None else f"{row[key]:,.0f}")
                for key in ("sent", "delivered", "handled")
            ),
            f"{row['us_each']:.2f}",
            f"{row['eagain']:,.0f}",
        ]
        for row in rows
    ]
    title = [
        "signal",
        "receiver",
        "uses",
        "sent>",
        "delivered>",
        "handled>",
        "sender µs>",
        "EAGAIN>",
    ]
    text = table(title, cells)
    for row in rows:
        if row["kind"] == "sigrec":
            text += (
                f"sigrec, {row['signal']}, {row['receiver']}: delivered/sent {row['delivered_of_sent']:.4f}, "
                f"sender's cost {row['sender_cost_vs_C_counter']:.2f} of the C counter's, "
                f"exact in every run: {row['exact_in_every_run']}\n"
            )
    return text
