"""The core elsewhere: other compilers, another C library, other architectures, other systems.

    python -m tests.platforms [KIND ...]

clang, musl and aarch64 build the C tests and run them, the last in an emulator (qemu-user);
macos compiles and links for both of its architectures, with the headers that `ziglang` brings.
What is not there is left out, and said. Debian has clang, musl-tools, gcc-aarch64-linux-gnu,
libc6-dev-arm64-cross and qemu-user; PyPI has ziglang.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from .proof.build import ROOT, Kind, build, run_c_tests

AARCH64 = "aarch64-linux-gnu-gcc"
KINDS = {
    "clang": Kind(lambda: shutil.which("clang"), "clang", ("-O2",), ("clang",)),
    "musl": Kind(
        lambda: shutil.which("musl-gcc"), "musl-gcc", ("-O2",),
        # musl brings no headers of the kernel's: after its own, those of the host.
        ("musl-gcc", "-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"),
    ),
    "aarch64": Kind(
        lambda: shutil.which(AARCH64) and shutil.which("qemu-aarch64"),
        f"{AARCH64} and qemu-user", ("-O2", "-Wl,--wrap=madvise,--wrap=munmap"), (AARCH64,),
        under=("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"), more=("tests/core/wiped.c",),
    ),
}  # fmt: skip
NO_DONTFORK = "the emulator has no MADV_DONTFORK"
ITS_OWN_SIGNALS = "the emulator handles signals in its own way"
EXCLUDED = {
    ("aarch64", "test_guard"): NO_DONTFORK,
    ("aarch64", "test_recording"): NO_DONTFORK,
    ("aarch64", "test_passive"): ITS_OWN_SIGNALS,
    ("aarch64", "test_rouse"): ITS_OWN_SIGNALS,
    ("aarch64", "test_send"): "the emulator does not translate the numbers of pidfd_send_signal(2)",
}

# Of the C tests those that ask for nothing of Linux.
EVERYWHERE = ("action", "guard", "ledger", "queue", "ring", "wake")


def macos() -> bool:
    if not find_spec("ziglang"):
        print("macos: left out, needs ziglang (pip)")
        return True
    fine = True
    with tempfile.TemporaryDirectory() as directory:
        for target in ("aarch64-macos", "x86_64-macos"):
            zig = (sys.executable, "-m", "ziglang", "cc", "-target", target)
            for name in EVERYWHERE:
                program = Path(directory) / f"{target}-{name}"
                try:
                    build(ROOT / f"tests/core/test_{name}.c", program, "-O2", cc=zig)
                    said = "compiles and links"
                except subprocess.CalledProcessError:
                    fine, said = False, "FAILED"
                print(f"{target} test_{name} and the core: {said}")
    return fine


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [*KINDS, "macos"]
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(names)}")
    fine = True
    for name in parser.parse_args().kinds or names:
        began = time.monotonic()
        held = run_c_tests(name, KINDS[name], EXCLUDED) if name in KINDS else macos()
        verdict = "fine" if held else "FAILED"
        print(f"{name}: {verdict}, {time.monotonic() - began:.0f} s", flush=True)
        fine &= held
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
