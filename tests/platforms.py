"""The core elsewhere: other compilers, another C library, other architectures, other systems.

    python -m tests.platforms [KIND ...]
    python -m tests.platforms newest free-threaded   (these two only if named: half an hour)

clang, musl and aarch64 build the C tests and run them, the last in an emulator (qemu-user);
macos compiles and links for both of its architectures, with the headers that `ziglang` brings.
newest runs the suite on the newest CPythons that Debian's sid has, in a folder made by debootstrap;
free-threaded runs it on a CPython that is built without a GIL from Debian's source package. A kind
whose tools are missing is left out, and the output says so. Debian has clang, musl-tools,
gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user; PyPI has ziglang.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from .proof.build import REQUIREMENTS, ROOT, Kind, build, run_c_tests

AARCH64 = "aarch64-linux-gnu-gcc"
KINDS = {
    "clang": Kind(lambda: shutil.which("clang"), "clang", ("-O2",), ("clang",)),
    "musl": Kind(
        lambda: shutil.which("musl-gcc"), "musl-gcc", ("-O2",),
        # musl has no headers of the kernel: those of the host are searched after musl's own.
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
    ("aarch64", "test_sigbus"): NO_DONTFORK,
    ("aarch64", "test_recording"): NO_DONTFORK,
    ("aarch64", "test_passive"): ITS_OWN_SIGNALS,
    ("aarch64", "test_kick"): ITS_OWN_SIGNALS,
    # A process there hangs when its own signal, sent again by our handler, takes its default
    # action.
    ("aarch64", "test_spare"): ITS_OWN_SIGNALS,
    (
        "aarch64",
        "test_asker",
    ): "/proc/PID/cmdline of another process shows the emulator's own command line",
    # tests/core/wiped.c wipes in a fork hook, and there a signal comes before that one.
    ("aarch64", "test_memory"): "the emulator has no MADV_WIPEONFORK",
    ("aarch64", "test_attach"): "the emulator has no ptrace(2)",
    ("aarch64", "test_backlog"): NO_DONTFORK,
    ("aarch64", "test_beside"): "the emulator has no PR_SET_CHILD_SUBREAPER",
    (
        "aarch64",
        "test_ended",
    ): "of another process the emulator shows its own signals: /proc/PID/status",
    ("aarch64", "test_filter"): "the emulator has no seccomp(2)",
    # With another code, as -60, it passes there.
    ("aarch64", "test_intake"): "the emulator sends no signal with the si_code of a kick: E2BIG",
    # Linux clears the rest of each, and so a mark in one cannot be an earlier signal's.
    (
        "aarch64",
        "test_interpose",
    ): "the emulator leaves in a siginfo_t what was there in the one before it",
    ("aarch64", "test_proc"): "the emulator has its own name: /proc/self/comm",
    ("aarch64", "test_send"): "the emulator does not translate the numbers of pidfd_send_signal(2)",
}

# The C tests that need nothing of Linux.
EVERYWHERE = ("action", "sigbus", "ledger", "queue", "ring", "wake")


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


TEST_REQUIREMENTS = shlex.join(REQUIREMENTS)
IN_ROOT = """
set -e
mount --bind "$1" "$1"  # unshare(1), in the tests, wants a mount point for its root
mount --rbind /dev "$1/dev"
mount --rbind /sys "$1/sys"
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/tmp"
cp -L /etc/resolv.conf "$1/etc/"
# What this machine trusts: its way to PyPI may lead through a proxy.
cp -L /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
exec chroot "$1" sh -e -c "$2"
"""


def newest() -> bool:
    """Runs the suite on each CPython of 3.14 and later that sid has."""
    if os.geteuid() or not shutil.which("debootstrap"):
        print("newest: left out, needs root and debootstrap")
        return True
    mirror = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "root"
        subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=gcc,libc6-dev,procps,strace,ca-certificates",
             "sid", root, mirror],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        _copy_tree(root / "src")
        script = f"""
            export DEBIAN_FRONTEND=noninteractive HOME=/root PIP_CONFIG_FILE=/dev/null
            failed=
            versions=$(apt-cache pkgnames | sed -n 's/^python\\(3\\.1[4-9]\\)$/\\1/p' | sort)
            for v in $versions; do
                apt-get install -y -qq python$v python$v-dev python$v-venv > /dev/null
                python$v -m venv /v$v
                /v$v/bin/pip install -q {TEST_REQUIREMENTS}
                cp -r /src /s$v
                cd /s$v
                /v$v/bin/python setup.py -q build_ext --inplace
                PYTHONPATH=/s$v /v$v/bin/python -m pytest -q --ignore=tests/proof tests ||
                failed="$failed $v"
            done
            [ -z "$failed" ] || {{ echo "failed on$failed"; exit 1; }}
        """
        command = ["unshare", "--mount", "sh", "-c", IN_ROOT, "sh", root, script]
        return subprocess.run(command).returncode == 0


def free_threaded() -> bool:
    """Runs the suite on CPython without a GIL, in the version of Debian's source package."""
    if os.geteuid() or not shutil.which("dpkg-source"):
        print("free-threaded: left out, needs root and dpkg-dev")
        return True
    suite = os.environ.get("DEBIAN_SUITE", "trixie")
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        script = f"""
            set -e
            echo "deb-src http://deb.debian.org/debian {suite} main" > sources.list
            mkdir -p lists/partial
            apt="apt-get -q -o Dir::Etc::SourceList=$PWD/sources.list -o Dir::Etc::SourceParts=-"
            apt="$apt -o Dir::State::Lists=$PWD/lists"
            $apt update > /dev/null
            $apt source --download-only --only-source python3.13 > /dev/null 2>&1
            tar xf python3.13_*.orig.tar.xz  # CPython's own, without Debian's patches
            cd Python-3.13*/
            ./configure -q --disable-gil --prefix={here}/python > /dev/null
            make -s -j"$(nproc)" > /dev/null 2>&1
            make -s install > /dev/null 2>&1
            {here}/python/bin/python3 -m venv {here}/v
            {here}/v/bin/pip install -q {TEST_REQUIREMENTS}
        """
        subprocess.run(["sh", "-c", script], cwd=here, check=True)
        _copy_tree(here / "src")
        python = here / "v" / "bin" / "python"
        environment = {**os.environ, "PYTHONPATH": str(here / "src")}
        for command in (["setup.py", "-q", "build_ext", "--inplace"],
                        ["-m", "pytest", "-q", "--ignore=tests/proof", "tests"]):  # fmt: skip
            if subprocess.run([python, *command], cwd=here / "src", env=environment).returncode:
                return False
    return True


def _copy_tree(to: Path) -> None:
    ignore = shutil.ignore_patterns(".*", "build", "*.so", "*.egg-info", "__pycache__", "_core.c")
    shutil.copytree(ROOT, to, ignore=ignore)


ONLY_NAMED = {"newest": newest, "free-threaded": free_threaded}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [*KINDS, "macos"]
    every = ", ".join([*names, *ONLY_NAMED])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {every}")
    fine = True
    for name in parser.parse_args().kinds or names:
        began = time.monotonic()
        if name in KINDS:
            held = run_c_tests(name, KINDS[name], EXCLUDED)
        else:
            held = {"macos": macos, **ONLY_NAMED}[name]()
        verdict = "fine" if held else "FAILED"
        print(f"{name}: {verdict}, {time.monotonic() - began:.0f} s", flush=True)
        fine &= held
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
