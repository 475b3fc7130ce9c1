"""Steps through the real handler, and does the worst at each of its instructions: stepper.c. And
through what a forked child does for its recording: settler.c.

    python -m tests.proof.stepper [--stride N] [PATH ...]

Without a stride at every instruction, which takes about a quarter of an hour.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from signal import SIGTERM

import sigrec

from .build import CC, build, objects

HERE = Path(__file__).parent
PATHS = (
    "alone",
    "batch",
    "full",
    "lends",
    "masks",
    "recorded",
    "sends",
    "sets",
    "blocks",
    "adopts",
    "asks",
    "settles",
)
INJECTIONS = ("nested", "lap", "others", "late", "fork", "gone", "kill")
CASES = [(path, injection) for path in PATHS for injection in INJECTIONS]
CASES += [(path, how) for path in ("lends", "masks") for how in ("held", "ends")]

POSSIBLE = sys.platform == "linux" and platform.machine() == "x86_64" and CC is not None


def built(directory: Path, optimize: str = "-O2") -> Path:
    """Both programs, there."""
    # At fixed addresses and bound at once: the path has no instructions of the dynamic linker.
    how = optimize, "-no-pie", "-fno-pie", "-Wl,-z,now"
    core = objects(directory / "core", *how)
    for name in ("stepper", "settler"):
        build(HERE / f"{name}.c", directory / name, *how, core=core)
    return directory


def step(programs: Path, path: str, injection: str, stride: int = 1, offset: int = 0) -> str:
    """What the stepper says; raises AssertionError with what it found wrong."""
    program = programs / ("settler" if path == "settles" else "stepper")
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            [program, directory, path, injection, str(stride), str(offset)],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{path} {injection}: {done.stderr}"
        if injection == "kill":
            for left in Path(directory).glob("*.sigrec"):
                check_reader(left)
    return done.stdout.strip()


def check_reader(left: Path) -> None:
    """Of one that was killed somewhere in the handler, all that is there can be read."""
    with sigrec.open_recording(left) as recording:
        signals = {
            n: stats for n, stats in recording.signals.items() if stats.delivered or stats.sent
        }
        # What the path "sends" sends; the path "asks" has no other.
        sending = signals.pop(SIGTERM, None) if len(signals) > 1 else None
        if not signals:
            return  # it was killed before it had counted one
        (signal,) = signals.values()
        assert 0 <= signal.delivered - signal.recorded - signal.dropped <= 1
        events = list(recording.events())
        history = recording._history
        head = history.head()
        in_the_ring = list(history.slots(max(0, head - recording.capacity), head, True))
        # An event may be there that is not counted yet, or one may be half written over another.
        assert -1 <= signal.recorded - signal.overwritten - len(in_the_ring) <= 1
        assert {event[1] for event in in_the_ring} <= {event.ordinal for event in events}
        assert len({event.ordinal for event in events}) == len(events)
        if SIGTERM in signals:
            askers = filter(None, map(recording._asker, events))
            assert all(asker.argv for asker in askers)
        sent, told = recording.sent(), recording._sent.children()
        count = sending.sent if sending else 0
        assert all(one.value == one.target << 32 and one.error in (0, None) for one in sent)
        assert sum(one.error is None for one in sent) <= 1
        assert 0 <= count - len({one.ordinal for one in sent}) <= 1 and len(sent) <= 256
        assert all(one.status == one.pid for one in told) and 0 <= count - len(told) <= 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", metavar="PATH", help=f"of {', '.join(PATHS)}")
    parser.add_argument("--stride", type=int, default=1, help="only each so manieth instruction")
    arguments = parser.parse_args()
    if not POSSIBLE:
        print("needs Linux on x86-64 and a C compiler")
        return 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        programs = built(Path(directory))
        offset = int.from_bytes(os.urandom(4)) % arguments.stride
        print(f"stride {arguments.stride}, offset {offset}", flush=True)
        for path, injection in CASES:
            if path in (arguments.paths or PATHS):
                print(step(programs, path, injection, arguments.stride, offset), flush=True)
    print(f"{time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
