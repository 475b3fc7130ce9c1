"""libsigrec-preload.so, as it is built: in a C program, through its handler, one instruction after another.

    python -m tests.proof.library [--stride N]

library.c follows each instruction from the delivery of a signal to its end: the functions of the C library
that are called must be async-signal-safe (signal-safety(7)), the system calls among those that csrc/handler/handler.c and
csrc/handler/course.c name, and no other file's code may run: not the dynamic linker's, above all. Then, at each
instruction, another signal comes, or many do, or SIGKILL; the ledger, and what the reader makes of it, must be right.
"""

from __future__ import annotations

import argparse
import collections
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sigrec

from .build import CC, ROOT, STRICT
from .stepper import check_reader

HERE = Path(__file__).parent
LIBRARY = Path(sigrec.__file__).parent / "libsigrec-preload.so"
POSSIBLE = (
    sys.platform == "linux"
    and platform.machine() == "x86_64"
    and platform.libc_ver()[0] == "glibc"
    and CC is not None
)
INJECTIONS = ("nested", "lap", "kill")
# Those of signal-safety(7) that the core has a use for, what only looks at memory, and raw system calls.
SAFE = (
    "__errno_location", "syscall", "memcpy", "memmove", "memset", "memcmp", "memchr", "strlen", "strchr", "strrchr",
    "strcmp", "strncmp", "clock_gettime", "getpid", "getppid", "getpgid", "getsid", "geteuid", "kill", "sigaction",
    "sigprocmask", "pthread_sigmask", "sigpending", "pthread_self", "raise", "read", "write", "open", "openat", "close",
    "fstat", "stat", "rename", "unlink", "nanosleep", "timer_settime", "_exit", "sigemptyset", "sigaddset",
    "sigdelset", "sigismember", "sigfillset", "madvise",
)  # fmt: skip
SIGRETURN = "rt_sigreturn"  # the kernel's, of each handler


def built(directory: Path) -> Path:
    """The tracer and its target, there."""
    for name, options in (("library", []), ("library_target", ["-Wl,-z,now"])):
        subprocess.run(
            [CC or "cc", *STRICT, "-O2", *options, "-o", directory / name,
             HERE / f"{name}.c"],
            check=True,
        )  # fmt: skip
    return directory


def run(programs: Path, *what: str, library: Path = LIBRARY) -> str:
    """What the tracer says; raises AssertionError with what it found wrong."""
    with tempfile.TemporaryDirectory() as directory:
        counts = Path(directory) / "counts"
        counts.touch()
        done = subprocess.run(
            [programs / "library", library, directory, counts, programs / "library_target", *what],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(what)}: {done.stderr}"
        if what[0] == "kill":
            for left in Path(directory).glob("*.sigrec"):
                check_reader(left)
    return done.stdout.strip()


# Without sigrec, which answers dlsym(3) for some of these where it is in the process.
OFFSETS = """
import ctypes, re, sys
libc = ctypes.CDLL("libc.so.6")
place = re.search(r"(\\w+)-\\w+ r-xp (\\w+) .*libc\\.so", open("/proc/self/maps").read())
for name in sys.argv[1:]:
    address = ctypes.cast(getattr(libc, name), ctypes.c_void_p).value
    print(address - int(place[1], 16) + int(place[2], 16), name)
"""


def safe_functions() -> dict[int, str]:
    """By their offset in the C library, of which some choose one of several as they are bound."""
    printed = subprocess.check_output([sys.executable, "-I", "-c", OFFSETS, *SAFE], text=True)
    return {int(offset): name for offset, name in map(str.split, printed.splitlines())}


def named_calls() -> set[str]:
    """The system calls that the sources say the handler makes."""
    heads = [
        (ROOT / "csrc/handler" / name).read_text().partition("*/")[0]
        for name in ("handler.c", "course.c")
    ]
    return set(re.findall(r"\w+", " ".join(heads)))


def call_numbers() -> dict[int, str]:
    header = "#include <sys/syscall.h>\n"
    known = subprocess.run(
        [CC or "cc", "-E", "-dM", "-"], input=header, capture_output=True, text=True
    )
    return {int(n): name for name, n in re.findall(r"#define __NR_(\w+) (\d+)", known.stdout)}


def survey(programs: Path, library: Path = LIBRARY) -> tuple[list[str], list[str]]:
    """What it calls, and what of that it must not."""
    seen = collections.Counter(run(programs, "survey", library=library).splitlines())
    functions, numbers, named = safe_functions(), call_numbers(), named_calls()
    calls, wrong = [], []
    for line in seen:
        kind, _, what = line.partition(" ")
        if kind == "call":
            name = functions.get(int(what, 16))
            calls.append(name or what)
            if name is None:
                wrong.append(
                    f"a function of the C library at {what}, which is not known to be safe"
                )
        elif kind == "system":
            name = numbers[int(what)]
            calls.append(f"{name}(2)")
            if name != SIGRETURN and name not in named:
                wrong.append(f"the system call {name}, which is not among those that are named")
        elif what != "[vdso]" and Path(what).name != "library_target":
            wrong.append(f"code of {what}")
    return sorted(calls), wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stride", type=int, default=1, help="only each so manieth instruction")
    stride = parser.parse_args().stride
    if not POSSIBLE:
        print("needs Linux on x86-64, glibc and a C compiler")
        return 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        programs = built(Path(directory))
        calls, wrong = survey(programs)
        print("calls", *calls)
        print(*wrong or ["and nothing that it must not"], sep="\n", flush=True)
        offset = int.from_bytes(os.urandom(4)) % stride
        print(f"stride {stride}, offset {offset}", flush=True)
        for injection in INJECTIONS:
            print(run(programs, injection, str(stride), str(offset)), flush=True)
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
