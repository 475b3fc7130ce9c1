import os
import re
import sys
import zlib
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

if sys.platform == "win32":
    sys.exit("sigrec records POSIX signals; Windows has none.")

HEADERS = sorted(Path("csrc").rglob("*.h"))
# What is in the binding itself: it looks for the rest, which is libsigrec.so.
BINDING = ["csrc/found.c"]
PRELOAD = ["csrc/preload.c"]
# What `sigrec run --report` leaves beside a program: a program of its own, and small.
REPORT = ["csrc/report.c", "csrc/ground/filter.c", "csrc/ground/proc.c",
          *(f"csrc/host/{name}.c" for name in ("beside", "cgroup", "ended", "oom"))]  # fmt: skip
# In the order of their names: so what a short program touches stands on one page of .bss less.
CORE = sorted(map(str, Path("csrc").glob("*/*.c")), key=os.path.basename)
# What runs for each signal. All else in the core is compiled for size: a sixth of its library.
FOR_SPEED = {
    "backlog", "event", "handler", "keep", "ledger", "passive", "process", "queue", "recent", "recording",
    "registry", "ring", "sender", "sigbus", "trip",
}  # fmt: skip


def abi() -> int:
    """Another for each change of the headers, but for comments: csrc/library/core.h."""
    text = "".join(path.read_text(encoding="utf-8") for path in HEADERS)
    return zlib.crc32(re.sub(r"/\*.*?\*/|\s+", " ", text, flags=re.DOTALL).encode())


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
only_the_core = []
if sys.platform == "linux":
    # A first call would else be bound in a signal handler, which takes 3 KiB of its stack.
    link_args.append("-Wl,-z,now")
    compile_args.append("-fno-plt")  # nor does it take a jump more
    # Else each part has a .bss of its own, and a short program touches more pages; and what Cython
    # makes is larger.
    link_args.append("-flto-partition=one")
    only_the_core += [
        "-Wl,-soname,libsigrec.so",
        "-Wl,--version-script=csrc/libsigrec.map",
        # Its handlers stay in place when whoever loaded it has gone.
        "-Wl,-z,nodelete",
    ]

depends = [*map(str, HEADERS), "csrc/libsigrec.map"]
compiled = {
    "include_dirs": ["csrc"],
    "depends": depends,
    "define_macros": [("SIGREC_ABI", f"UINT32_C({abi()})")],
    "extra_compile_args": compile_args,
}
library = Extension(
    "sigrec.libsigrec", CORE, **compiled, extra_link_args=[*link_args, *only_the_core]
)
# For LD_PRELOAD, which Linux's dynamic linker has. It has the whole core in it: one file more to
# look for and to map would be a third of what a short program costs.
preload = Extension(
    "sigrec.libsigrec-preload",
    [*CORE, *PRELOAD],
    **compiled,
    # In as few segments as can be: each is mapped for each program that starts.
    extra_link_args=[
        *link_args,
        *only_the_core,
        "-Wl,-soname,libsigrec-preload.so",
        "-Wl,-z,noseparate-code",
    ],
)
# What Cython makes is half as large with -Os, and calls a handler as fast.
# It needs no tables for unwinding: no exception of C++ passes through it, and pthread_exit(3) does
# without them.
compiled["extra_compile_args"] = [*compile_args, "-Os", "-fno-asynchronous-unwind-tables"]
binding = Extension(
    "sigrec._core", ["sigrec/_core.pyx", *BINDING], **compiled, extra_link_args=link_args
)
report = Extension(
    "sigrec.sigrec-report", REPORT, **compiled, extra_link_args=["-flto", "-Wl,-z,noseparate-code"]
)
libraries = [library, preload, report] if sys.platform == "linux" else [library]


class BuildLibrary(build_ext):
    """Some of them are no extension modules, but libraries for any program; one is a program."""

    def get_ext_filename(self, fullname):
        if "sigrec-report" in fullname:
            return os.path.join(*fullname.split("."))
        if "libsigrec" in fullname:
            return os.path.join(*fullname.split(".")) + ".so"
        return super().get_ext_filename(fullname)

    def build_extensions(self):
        # A Python that was built with an rpath hands it on to what is built for it.
        linker = self.compiler.linker_so
        self.compiler.linker_so = [one for one in linker if not one.startswith("-Wl,-rpath")]
        compile_one = self.compiler._compile
        made = set()  # the core is in two libraries, and parts of it in the program: compiled once

        def by_use(object_file, source, extension, arguments, more, macros):
            if (object_file, *more) in made:
                return
            made.add((object_file, *more))
            path = Path(source)
            if path.parts[0] == "csrc" and path.stem not in FOR_SPEED:
                more = [*more, "-Os"]
            compile_one(object_file, source, extension, arguments, more, macros)

        self.compiler._compile = by_use
        super().build_extensions()

    def build_extension(self, ext):
        link = self.compiler.linker_so
        if ext is report:
            self.compiler.linker_so = [one for one in link if one != "-shared"]
        super().build_extension(ext)
        self.compiler.linker_so = link

    def get_export_symbols(self, ext):
        return [] if ext in libraries else super().get_export_symbols(ext)


setup(ext_modules=[*libraries, *cythonize(binding)], cmdclass={"build_ext": BuildLibrary})
