import os
import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

if sys.platform == "win32":
    sys.exit("sigrec records POSIX signals; Windows has none.")

CORE = [
    "event",
    "ring",
    "keep",
    "recent",
    "ledger",
    "owner",
    "memory",
    "proc",
    "sender",
    "recording",
    "spare",
    "sent",
    "queue",
    "process",
    "trip",
    "wake",
    "kick",
    "action",
    "filter",
    "registry",
    "handler",
    "install",
    "sigbus",
    "passive",
    "got",
    "interpose_send",
    "interpose",
    "send",
    "timer",
    "flood",
    "unsupported",
]

compile_args = ["-std=c11", "-fvisibility=hidden", "-O2", "-flto"]
if os.environ.get("SIGREC_WERROR"):  # for us, not for a user's compiler
    compile_args += [
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-unused-parameter",
        "-Wno-missing-field-initializers",
    ]

link_args = ["-flto"]
if sys.platform == "linux":
    # A first call would else be bound in a signal handler, which takes 3 KiB of its stack.
    link_args.append("-Wl,-z,now")

setup(
    ext_modules=cythonize(
        Extension(
            "sigrec._core",
            ["sigrec/_core.pyx", *(f"csrc/{name}.c" for name in CORE)],
            include_dirs=["csrc"],
            depends=[
                f"csrc/{name}.h" for name in ({*CORE, "clock", "signals", "text"} - {"unsupported"})
            ],
            extra_compile_args=compile_args,
            extra_link_args=link_args,
        )
    )
)
