"""The C tests and the Python suite under sanitizers, valgrind and a debug build of Python.

    python -m tests.proof.sanitizers [KIND ...]

asan and tsan run the C tests with AddressSanitizer and UBSan, and with ThreadSanitizer; memcheck
runs them in valgrind. library-asan and library-tsan build libsigrec-preload.so so, and have the storms of native.py on
a C program under it. python-asan runs the suite on an
extension built with ASan and UBSan, and python-debug on one built without optimization, in the
debug build of CPython (python3-dbg). What is not there is left out, and said.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from . import native
from .build import CC, CORE, REQUIREMENTS, ROOT, Kind, run_c_tests

# What a tool makes of signals is its own: these C tests ask for what it does not give.
LATE_SIGNALS = "it delivers signals later than the kernel does"
EXCLUDED = {
    **{
        (kind, "test_stack"): "its code needs more of the stack"
        for kind in ("asan", "tsan", "memcheck")
    },
    ("tsan", "test_flood"): LATE_SIGNALS,
    ("tsan", "test_sigbus"): "its sigaction(2) blocks faults in every handler",
    ("tsan", "test_handler"): "its sigaction(2) changes the mask",
    ("tsan", "test_passive"): LATE_SIGNALS,
    ("tsan", "test_attach"): "a thread that it runs does not go on with its read(2) after a stop",
    (
        "memcheck",
        "test_attach",
    ): "it makes the system calls itself, on a stack and with a mask of its own",
    ("memcheck", "test_flood"): LATE_SIGNALS,
    ("memcheck", "test_passive"): "signals in vfork children break it (an assertion of its own)",
    ("memcheck", "test_handler"): "its vfork(2) is a fork",
    ("memcheck", "test_interpose"): "it complains of the bad arguments that are passed on purpose",
}

SIGNALS = ("segv", "sigbus", "abort", "sigfpe", "sigill", "sigtrap")
OPTIONS = ":".join([*(f"handle_{name}=0" for name in SIGNALS), "use_sigaltstack=0"])
ASAN = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]


C_KINDS = {
    "asan": Kind(
        lambda: CC, "a C compiler", ("-O1", *ASAN),
        # The recording is reachable from memory that LeakSanitizer does not look into.
        environment=(("ASAN_OPTIONS", OPTIONS), ("LSAN_OPTIONS", "suppressions={lsan}")),
    ),
    "tsan": Kind(
        # -Wno-tsan: it does not know fences; but all that they order here is atomic itself.
        lambda: CC, "a C compiler", ("-O1", "-fsanitize=thread", "-Wno-tsan"),
        environment=(("TSAN_OPTIONS", OPTIONS),),
    ),
    "memcheck": Kind(
        lambda: shutil.which("valgrind"), "valgrind", ("-O1",),
        under=("valgrind", "-q", "--error-exitcode=9"),
    ),
}  # fmt: skip


# In ASan's memory nothing is given back soon; it takes address space without end; and its library
# would be loaded into other people's programs (a browser, man).
NOT_UNDER_ASAN = [
    "--ignore=tests/export/test_browser.py",
    "--ignore=tests/docs",
    "--deselect=tests/handling/test_start_and_stop.py::test_nothing_is_left_behind",
    "--deselect=tests/handling/test_streams.py::test_opening_and_closing_leaves_nothing",
    "--deselect=tests/test_security.py::test_a_flood_makes_nothing_grow",
    "--deselect=tests/recorder/test_faults.py::test_a_limit_that_is_reached_while_it_runs[AS-1]",
    "--deselect=tests/core/test_system_calls.py",
]


# CPython 3.11's: _xxsubinterpreters.get_current() fails an assertion in a forked child, whose
# reference count begins at -1. (A release build counts on.)
NOT_IN_A_DEBUG_BUILD = [
    "--deselect=tests/recorder/test_fork.py::test_multiprocessing_under_a_flood[forkserver]"
]
# A debug build shows all.
WARNINGS_OF_A_RELEASE = ",".join(
    [
        f"ignore::{kind}Warning"
        for kind in ("Resource", "Import", "PendingDeprecation", "Deprecation")
    ]
    + ["default::DeprecationWarning:__main__"]
)


def suite(
    python: str,
    directory: Path,
    cflags: str,
    ldflags: str = "",
    without: Sequence[str] = (),
    **variables: str,
) -> bool:
    """The Python suite, in a copy of the tree with an extension built so."""
    ignore = shutil.ignore_patterns(".*", "build", "*.so", "*.egg-info", "__pycache__", "_core.c")
    shutil.copytree(ROOT, directory / "tree", ignore=ignore)
    environment = {**os.environ, "CFLAGS": cflags, "LDFLAGS": ldflags}
    subprocess.run(
        [python, "setup.py", "-q", "build_ext", "--inplace"], cwd=directory / "tree",
        env=environment, check=True,
    )  # fmt: skip
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests",
         # They build the core in their own way; and benchmarks compare speeds.
         "--ignore=tests/core", "--ignore=tests/proof", "--ignore=tests/test_benchmarks.py", *without],
        cwd=directory / "tree", env={**os.environ, **variables, "PYTHONPATH": directory / "tree"},
    )  # fmt: skip
    return done.returncode == 0


def python_asan() -> bool:
    with tempfile.TemporaryDirectory() as directory:
        logs = Path(directory) / "log"
        logs.mkdir()
        fine = suite(
            sys.executable, Path(directory), f"-g -O1 {' '.join(ASAN)}", "-fsanitize=address,undefined",
            NOT_UNDER_ASAN,
            LD_PRELOAD=runtime("libasan.so", "libubsan.so"), PYTHONMALLOC="malloc",
            # CPython itself leaves much behind at its end.
            ASAN_OPTIONS=f"{OPTIONS}:detect_leaks=0:log_path={logs}/asan",
            UBSAN_OPTIONS=f"print_stacktrace=1:log_path={logs}/ubsan",
        )  # fmt: skip
        for log in logs.iterdir():
            fine = False
            print(log.read_text()[:3000])
    return fine


def python_debug() -> bool:
    python = shutil.which("python3-dbg")
    if not python:
        print("python-debug: left out, needs python3-dbg")
        return True
    with tempfile.TemporaryDirectory() as directory:
        environment = Path(directory) / "venv"
        subprocess.run([python, "-m", "venv", environment], check=True)
        debug = str(environment / "bin" / "python")
        subprocess.run([debug, "-m", "pip", "install", "-q", *REQUIREMENTS], check=True)
        return suite(
            debug, Path(directory), "-g -O0 -UNDEBUG", without=NOT_IN_A_DEBUG_BUILD,
            PYTHONWARNINGS=WARNINGS_OF_A_RELEASE,
        )  # fmt: skip


def runtime(*names: str) -> str:
    """The paths of these libraries of the compiler's."""
    paths = [
        subprocess.run([CC or "cc", f"-print-file-name={name}"], capture_output=True, text=True)
        for name in names
    ]
    return " ".join(path.stdout.strip() for path in paths)


STORMS = 12


def library(flags: Sequence[str], first: str, program_too: Sequence[str], **options: str) -> bool:
    """libsigrec-preload.so, built with these flags: storms on a C program under it. first: what must
    be loaded before it; program_too: flags that its program must have as well."""
    fine = True
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        preload = directory / "libsigrec-preload.so"
        subprocess.run(
            [CC or "cc", "-std=c11", "-O1", "-g", *flags, "-fvisibility=hidden", "-fPIC", "-shared", "-pthread",
             "-Wl,-z,now", "-Wl,-z,nodelete", f"-Wl,--version-script={ROOT}/csrc/libsigrec.map",
             "-I", ROOT / "csrc", "-o", preload, *CORE, ROOT / "csrc/preload.c", "-ldl"],
            check=True,
        )  # fmt: skip
        program = native.built(directory, *program_too)
        for seed in range(1, STORMS + 1):
            said, wrong = native.play(
                # (TSan keeps one of each signal that it delivers later.)
                seed, program, False, merged="-fsanitize=thread" in flags,
                LD_PRELOAD=f"{first} {preload}".strip(), **options,
            )  # fmt: skip
            print(f"seed {seed}: {said}", *wrong, sep="\n  FAILED ", flush=True)
            fine &= not wrong
    return fine


def library_asan() -> bool:
    first = runtime("libasan.so", "libubsan.so")
    return library(ASAN, first, [], ASAN_OPTIONS=OPTIONS, UBSAN_OPTIONS="print_stacktrace=1")


def library_tsan() -> bool:
    flags = ["-fsanitize=thread", "-Wno-tsan"]
    return library(flags, "", flags, TSAN_OPTIONS=OPTIONS)


KINDS: dict[str, Callable[[], bool]] = {
    **{
        name: lambda name=name, kind=kind: run_c_tests(name, kind, EXCLUDED)
        for name, kind in C_KINDS.items()
    },
    "library-asan": library_asan,
    "library-tsan": library_tsan,
    "python-asan": python_asan,
    "python-debug": python_debug,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}")
    fine = True
    for name in parser.parse_args().kinds or KINDS:
        began = time.monotonic()
        held = KINDS[name]()
        print(
            f"{name}: {'fine' if held else 'FAILED'}, {time.monotonic() - began:.0f} s", flush=True
        )
        fine &= held
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
