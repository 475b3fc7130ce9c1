"""The kernel as auditor: what it queued for a program, beside what sigrec counted in it.

    python -m tests.proof.audit SCRIPT ARGS... | -m MODULE ARGS... | -c CODE

runs a Python program recorded (sigrec run), with the kernel's tracepoint signal:signal_generate
on, and reconciles, signal by signal:

    generated = delivered + merged + ignored + overflowed + (what the program lost in other ways)

The last term is what the kernel threw away after it had queued it (SIGCONT against stop signals, a
signal that was pending when it was set to SIG_IGN, a thread that ended, a timer that was disarmed,
exec), what the program took by sigwait or signalfd, and what was pending at the end: neither the
tracepoint nor we see that. For a program that does nothing of the sort it must be 0. Then what the
program sent, to whomever, and the ends of children that it waited for, beside what the kernel generated
for these: the same for a program that sends to processes (and not to groups), to those that are there, and that
waits for all of its children. Needs root and perf. Exit status: 0 if all agree, 1 if not, or if perf lost something.
"""

from __future__ import annotations

import collections
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

import sigrec

# The tracepoint's `res`: enum in include/trace/events/signal.h.
SI_USER, SI_TKILL, SI_QUEUE = 0, -6, -1
CLD_EXITED, CLD_KILLED, CLD_DUMPED = 1, 2, 3
KEPT = 256  # ends of children, in a recording
QUEUED, IGNORED, MERGED, OVERFLOWED, WITHOUT_SIGINFO = range(5)


class Failed(Exception):
    """No audit, and why."""


class Generated(NamedTuple):
    """tid: the thread that it was for. sender: the one that ran, which sent it where somebody did."""

    number: int
    tid: int
    result: int
    code: int
    sender: int

    @property
    def is_queued(self) -> bool:
        # Without siginfo: a standard signal survives that, a real-time one does not.
        return self.result == QUEUED or (
            self.result == WITHOUT_SIGINFO and self.number < signal.SIGRTMIN
        )

    @property
    def is_sent(self) -> bool:
        """By a call of somebody's. (Of these two the kernel says the same, and sends them itself.)"""
        return self.code in (SI_USER, SI_TKILL, SI_QUEUE) and self.number not in (
            signal.SIGPIPE, signal.SIGXFSZ,
        )  # fmt: skip

    @property
    def tells_of_an_end(self) -> bool:
        return self.number == signal.SIGCHLD and self.code in (CLD_EXITED, CLD_KILLED, CLD_DUMPED)


def possible() -> bool:
    """Whether signal:signal_generate can be read here."""
    perf = shutil.which("perf")
    if perf is None:
        return False
    command = [perf, "record", "-q", "-e", "signal:signal_generate", "-a", "-o", "/dev/null"]
    return subprocess.run([*command, "true"], capture_output=True).returncode == 0


class Tracer:
    """Has the kernel count for itself, for these signals or for all."""

    def __init__(self, directory: str | Path, numbers: Collection[int] = ()) -> None:
        self.data = os.path.join(directory, "perf.data")
        only = "||".join(f"sig=={number}" for number in numbers)
        self.process = subprocess.Popen(
            ["perf", "record", "-q", "-e", "signal:signal_generate",
             *(["--filter", only] if only else []), "-a", "-m", "8M", "-o", self.data,
             "--", "sh", "-c", "echo tracing; read line"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout
        if self.process.stdout.readline() != "tracing\n":
            raise Failed(f"perf does not trace: {self.process.communicate()[1].strip()}")

    def stop(self) -> str:
        return self.process.communicate("stop\n", timeout=120)[1]

    def _read(self, *options: str) -> str | None:
        """What perf script says; None if the tracer lost some."""
        errors = self.stop()
        perf = ["perf", "report", "-i", self.data, "--stats"]
        # Names of processes can hold anything.
        stats = subprocess.run(perf, capture_output=True, text=True, errors="replace")
        if "lost" in errors.lower() or "LOST" in stats.stdout:
            return None
        perf = ["perf", "script", "-i", self.data, *options]
        self.script = subprocess.run(perf, capture_output=True, text=True, errors="replace").stdout
        return self.script

    def events(self) -> list[Generated] | None:
        """All of them; None if the tracer lost some."""
        script = self._read("-F", "comm,tid,cpu,time,trace")
        return None if script is None else list(generated(script))

    def of_process(self, pid: int) -> tuple[set[int], list[Generated]] | None:
        """Its threads, and all of them; None if the tracer lost some."""
        script = self._read("--show-task-events", "-F", "comm,tid,event,trace")
        if script is None:
            return None
        tids = {pid}
        for match in re.finditer(r"PERF_RECORD_FORK\((\d+):(\d+)\)", script):
            if int(match[1]) == pid:
                tids.add(int(match[2]))
        return tids, list(generated(script))


_LINE = re.compile(
    r"(?m)^.*?(\d+)\s+(?:\[\d+\]\s+)?(?:[\d.]+:\s+)?(?:signal:signal_generate:\s+)?"
    r"sig=(\d+) errno=\d+ code=(-?\d+) .* pid=(\d+) grp=\d+ res=(\d+)"
)


def generated(script: str) -> Iterable[Generated]:
    for match in _LINE.finditer(script):
        sender, number, code, tid, result = map(int, match.groups())
        yield Generated(number, tid, result, code, sender)


def queued(events: Iterable[Generated], tids: Collection[int]) -> collections.Counter[int]:
    """By signal, how many were queued for these threads."""
    return collections.Counter(e.number for e in events if e.is_queued and e.tid in tids)


def sent(events: Iterable[Generated], tids: Collection[int]) -> collections.Counter[int]:
    """By signal, how many these threads sent, to themselves and to others."""
    return collections.Counter(e.number for e in events if e.is_sent and e.sender in tids)


def ends(events: Iterable[Generated], tids: Collection[int]) -> int:
    """How many ends of children these threads were told of, whether they listened or not."""
    return sum(event.tells_of_an_end and event.tid in tids for event in events)


def audit(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "audited.sigrec"
        tracer = Tracer(directory)
        program = subprocess.Popen(
            [sys.executable, "-m", "sigrec", "run", "-o", str(file), *arguments]
        )
        status = program.wait()
        found = tracer.of_process(program.pid)
        if found is None:
            raise Failed("perf lost events: nothing can be said")
        if not file.exists():
            raise Failed(f"the program (exit status {status}) left no recording")
        with sigrec.open_recording(file) as recording:
            ledger = recording.signals
            told = len(recording._sent.children())
    tids, events = found
    status = report([event for event in events if event.tid in tids], ledger)
    return report_sent(events, tids, ledger, told) or status


def report_sent(
    events: list[Generated], tids: set[int], ledger: dict[int, sigrec.SignalStats], told: int
) -> int:
    """What it sent itself, and the ends of its children that it waited for."""
    kernel = sent(events, tids)
    different = 0
    for number in sorted(kernel.keys() | {n for n, stats in ledger.items() if stats.sent}):
        ours = ledger[number].sent if number in ledger else 0
        different += ours != kernel[number]
        name = sigrec.signal_name(number)
        print(f"it sent {ours} {name}, by the kernel {kernel[number]}")
    if ended := ends(events, tids):
        print(f"it was told of {told} ends of children, by the kernel {ended}")
        different += told != min(ended, KEPT)
    return 1 if different else 0


def report(events: Iterable[Generated], ledger: dict[int, sigrec.SignalStats]) -> int:
    by_signal: dict[int, collections.Counter[int]] = collections.defaultdict(collections.Counter)
    for event in events:
        by_signal[event.number][event.result if not event.is_queued else QUEUED] += 1
    row = "{:>14} {:>10} {:>10} {:>8} {:>8} {:>10} {:>6}"
    print(
        row.format("signal", "generated", "delivered", "merged", "ignored", "overflowed", "other")
    )
    different, unrecorded = 0, False
    for number in sorted(by_signal.keys() | ledger.keys()):
        kernel = by_signal[number]
        if not kernel[QUEUED] and (number not in ledger or not ledger[number].delivered):
            continue
        unrecorded |= number not in ledger
        delivered = ledger[number].delivered if number in ledger else None
        other = kernel[QUEUED] - delivered if delivered is not None else None
        different += other not in (0, None)
        print(row.format(
            sigrec.signal_name(number), kernel.total(), "-" if delivered is None else delivered,
            kernel[MERGED], kernel[IGNORED], kernel[OVERFLOWED] + kernel[WITHOUT_SIGINFO],
            "-" if other is None else other,
        ))  # fmt: skip
    if unrecorded:
        print("-: not recorded")
    return 1 if different else 0


def main() -> int:
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print((__doc__ or "").strip())
        return 0 if arguments else 2
    if not possible():
        print("audit: signal:signal_generate cannot be read: needs root and perf", file=sys.stderr)
        return 1
    try:
        return audit(arguments)
    except Failed as error:
        print(f"audit: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
