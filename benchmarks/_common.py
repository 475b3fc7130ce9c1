"""What the benchmarks share: processes to measure, a C library of peers, medians, tables."""

from __future__ import annotations

import ctypes
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent

LIMIT = 60  # seconds for one case: a run never hangs

median = statistics.median


def compile_peers(directory: str) -> str:
    """Compiles native/peers.c, and returns the path of the library."""
    library = os.path.join(directory, "peers.so")
    subprocess.run(
        [
            "cc",
            "-std=c11",
            "-O2",
            "-shared",
            "-fPIC",
            "-o",
            library,
            str(HERE / "native" / "peers.c"),
        ],
        check=True,
    )
    return library


_directory: tempfile.TemporaryDirectory[str] | None = None


def peers_path() -> str:
    """Returns the path of the compiled peers. They are made once, and the environment tells the
    measured processes where they are."""
    global _directory
    if "SIGREC_BENCH_PEERS" not in os.environ:
        _directory = tempfile.TemporaryDirectory()
        os.environ["SIGREC_BENCH_PEERS"] = compile_peers(_directory.name)
    return os.environ["SIGREC_BENCH_PEERS"]


def load_peers(*, gil: bool) -> ctypes.CDLL:
    """gil: whether a call keeps the GIL, so that no Python handler runs before the call ends."""
    library = (ctypes.PyDLL if gil else ctypes.CDLL)(peers_path())
    library.get_counted.restype = library.raise_loop.restype = ctypes.c_uint64
    library.raise_loop.argtypes = [ctypes.c_int, ctypes.c_uint64]
    library.kill_loop.restype = ctypes.c_uint64
    library.kill_loop.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_uint64]
    return library


def pin(role: str) -> None:
    """Gives the sender and the receiver a CPU each, where there are two."""
    # A child inherits the one CPU of its parent: which CPUs there were before is in the
    # environment.
    known = os.environ.setdefault(
        "SIGREC_BENCH_CPUS", ",".join(map(str, sorted(os.sched_getaffinity(0))))
    )
    cpus = [int(cpu) for cpu in known.split(",")]
    if len(cpus) > 1:
        os.sched_setaffinity(0, {cpus[0] if role == "receiver" else cpus[1]})


class Measured:
    """A process of its own for one measurement: ``python -m benchmarks.MODULE ARGS``, which
    talks by lines on its stdin and stdout."""

    def __init__(self, module: str, *args: object) -> None:
        peers_path()
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{module}", *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            encoding="utf-8",
        )
        self.pid = self.process.pid

    def line(self) -> str:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], LIMIT)
        if not ready:
            self.process.kill()
            raise RuntimeError(f"no answer in {LIMIT} s: {self.process.args}")
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the measured process ended: {self.process.args}")
        return line.strip()

    def tell(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def result(self) -> dict[str, float]:
        result: dict[str, float] = json.loads(self.line())
        return result

    def __enter__(self) -> Measured:
        return self

    def __exit__(self, *exc: object) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def compared(pairs: list[tuple[float, float]], with_us: str) -> dict[str, float]:
    """The medians of pairs of times in nanoseconds, without sigrec and with it, and of their ratios.
    with_us: what the second is called."""
    return {
        "plain_ns": median([a for a, _ in pairs]),
        f"{with_us}_ns": median([b for _, b in pairs]),
        "ratio": median([b / a for a, b in pairs]),
    }


def answer(**result: float | None) -> None:
    print(json.dumps(result), flush=True)


def table(title: list[str], rows: list[list[str]]) -> str:
    from sigrec.cli._table import table as text_table

    return text_table(title, rows)
