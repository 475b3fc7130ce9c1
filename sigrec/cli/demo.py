"""Flood a child process of this command with signals for about two seconds, once
with the standard library's signal module and once with sigrec, and show what
each of them noticed.

No other process receives a signal.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

from sigrec import SigrecError
from sigrec._text import number
from sigrec.cli._progress import Progress
from sigrec.cli._table import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

ROUND_NS = 450_000_000  # four of these, and the receivers' starts, take two seconds
SLICES = 15  # a round has so many: the progress bar moves after each

COMPARED = ("signal", "sigrec")
SIGNALS = (("SIGUSR1", False), ("SIGRTMIN+2", True))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    results = {}
    cpus = _affinity()
    if len(cpus) > 1:
        _pin(0, {cpus[0]})
    try:
        with Progress(len(COMPARED) * len(SIGNALS) * SLICES) as progress:
            for name, queued in SIGNALS:
                for library in COMPARED:
                    progress.note(f"{name} to a process that uses {library}")
                    results[name, library] = _round(library, name, queued, progress, cpus[-1:])
    finally:
        _pin(0, cpus)
    print(_show(results), end="")
    return 0


# Sender and receiver run on a CPU each. If they shared one, or took turns on a loaded machine, the
# sender would fill its whole time slice with signals that merge before the receiver runs at all.


def _affinity() -> list[int]:
    """The CPUs that ``sigrec demo`` may use; an empty list if that is not known. The first and the
    last are mostly not two threads of one core."""
    try:
        return sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return []


def _pin(pid: int, cpus: Iterable[int]) -> None:
    with suppress(AttributeError, OSError, ValueError):  # there is no such call, or it is forbidden
        os.sched_setaffinity(pid, cpus)


def _signum(name: str) -> int:
    return signal.SIGUSR1 if name == "SIGUSR1" else signal.SIGRTMIN + 2


def _round(
    library: str, name: str, queued: bool, progress: Progress, cpus: list[int]
) -> dict[str, int]:
    """Floods one receiver. Returns how many were sent, and what the receiver counted."""
    from sigrec import _core  # the other verbs work without it

    # The receiver begins with SIGINT blocked: Ctrl-C is for this command, which then ends it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        receiver = subprocess.Popen(
            # With -P it is the installed sigrec, and not a source tree that is the current directory.
            [sys.executable, "-P", "-m", "sigrec.cli._demo_receiver", library, str(_signum(name))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    assert receiver.stdin is not None and receiver.stdout is not None
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # here, where the receiver is ended
        _pin(receiver.pid, cpus)
        if receiver.stdout.readline() != "ready\n":
            raise SigrecError("demo: the receiving process did not start")
        sent = 0
        for _ in range(SLICES):
            count, _, _ = _core.flood(
                receiver.pid, _signum(name), 1 << 62, queued, ROUND_NS // SLICES
            )
            sent += count
            progress.step()
        receiver.stdin.write("done\n")
        receiver.stdin.flush()
        answer = receiver.stdout.readline().split()
        if len(answer) != 2:
            raise SigrecError("demo: the receiving process ended too early")
        receiver.wait(timeout=30)  # a clean exit removes its recording
        return {"sent": sent, "delivered": int(answer[0]), "handled": int(answer[1])}
    finally:
        # The receiver is killed before its pipes close, or it would complain that its input ends.
        if receiver.poll() is None:
            receiver.kill()
            receiver.wait()
        receiver.stdin.close()
        receiver.stdout.close()


def _show(results: dict[tuple[str, str], dict[str, int]]) -> str:
    rows = []
    for (name, library), result in results.items():
        known = result["delivered"] >= 0
        share = result["handled"] / result["sent"] if result["sent"] else 0.0
        rows.append(
            [
                name,
                library,
                number(result["sent"]),
                number(result["delivered"]) if known else "unknown",
                number(result["handled"]),
                f"{100 * share:.1f} %",
            ]
        )
    title = ["signal", "receiver uses", "sent>", "delivered>", "handled>", "handled/sent>"]
    standard = results["SIGUSR1", "sigrec"]
    queued = results["SIGRTMIN+2", "sigrec"]
    merged = standard["sent"] - standard["delivered"]
    text = table(title, rows)
    text += f"""
sent       what this command sent to the receiving process, as fast as it could
delivered  what the process took from the kernel; signal does not count it
handled    how often the Python handler was called

SIGRTMIN+2 is a real-time signal: the kernel queues each one.
SIGUSR1 is a standard signal: one that comes while the same is still pending is
merged into it by the kernel, and no program can see it. Here that happened to
{number(merged)} of {number(standard["sent"])}; the rest was delivered.
"""
    exact = all(result["handled"] == result["delivered"] for result in (standard, queued))
    if exact and queued["sent"] == queued["delivered"]:
        text += "sigrec called the handler once for every signal that was delivered.\n"
    else:
        text += "sigrec did NOT handle every signal that was delivered: please report this.\n"
    return text
