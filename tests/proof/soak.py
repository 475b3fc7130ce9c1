"""At full rate for a long time: memory stays, and nothing is missing.

    python -m tests.proof.soak [--seconds 3600]

Two processes flood a third with a standard and a real-time signal, as fast as they can. It has a
handler with siginfo for each, which looks at the ordinals: they must rise, and leave out exactly as
many as were handled without detail. Each minute its memory and its recording are looked at from
outside (it is too busy to answer); at the end the ledger must add up.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import sigrec

RT = signal.SIGRTMIN + 20
NUMBERS = (signal.SIGXFSZ, RT)  # not those of chaos: both can run at once


TARGET = Path(__file__).with_name("soak_target.py")
SENDER = """
import sys
from sigrec import _core
pid, number, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
sent, _, _ = _core.flood(pid, number, 1 << 62, number >= 32, int(seconds * 1e9))
print(sent)
"""


def resident_kb(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def soak(seconds: float, every: float, settling: int = 256) -> list[str]:
    """What was wrong, in words; ``settling``: KB that the allocators may still take after warm-up."""
    wrong = []
    target = subprocess.Popen(
        [sys.executable, TARGET, *(str(int(n)) for n in NUMBERS)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert target.stdin and target.stdout
    target.stdout.readline()

    began = time.monotonic()
    senders = [
        subprocess.Popen(
            [sys.executable, "-c", SENDER, str(target.pid), str(int(n)), str(seconds)],
            stdout=subprocess.PIPE, text=True,
        )
        for n in NUMBERS
    ]  # fmt: skip
    rss = []
    try:
        while any(sender.poll() is None for sender in senders):
            time.sleep(min(every, 1 + seconds / 10))
            rss.append(resident_kb(target.pid))
            with sigrec.open_recording(target.pid) as recording:
                total = sum(stats.delivered for stats in recording.signals.values())
            print(f"{time.monotonic() - began:6.0f} s  {total:>13,} delivered  {rss[-1]:,} KB",
                  flush=True)  # fmt: skip
        sent = [int(sender.communicate()[0]) for sender in senders]
        target.stdin.write("settle\n")
        target.stdin.flush()
        report = json.loads(target.stdout.readline())
        rss.append(resident_kb(target.pid))
    finally:
        for process in (target, *senders):
            process.kill()
            process.wait()
    for number, count in zip(NUMBERS, sent, strict=True):
        delivered, kept, handled, pending, calls, without, left_out, bad, next_ = report[
            str(int(number))
        ]
        print(f"{sigrec.signal_name(number)}: {count:,} sent, {delivered:,} delivered, "
              f"{without:,} of them handled without detail")  # fmt: skip
        name = str(number)
        if number == RT and delivered != count:
            wrong.append(f"{name}: {count} sent, {delivered} delivered")
        if not delivered == kept == handled == calls or pending:
            wrong.append(f"{name}: the ledger: {report}")
        # Those at the very end have no successor that would show the gap.
        if bad or left_out + (delivered - next_) != without:
            wrong.append(f"{name}: ordinals: {report}")
    # Counted from when everything was touched once: after a tenth of the time, or ten looks.
    steady = rss[min(10, len(rss) // 2) :]
    if max(steady) > steady[0] * 1.02 + settling:
        wrong.append(f"memory grows: {steady[0]} KB to {max(steady)} KB")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3600)
    seconds = parser.parse_args().seconds
    wrong = soak(seconds, 60)
    print("\n".join(wrong) or "nothing is missing, and memory stays")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
