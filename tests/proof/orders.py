"""The core's own lock-free code under the C11 memory model, by Relacy.

    python -m tests.proof.orders [MODEL ...]

Each model of orders/ is run on the sources as they are, and then once for each
memory order stronger than relaxed, with that one weakened: the model must fail,
or a litmus test (litmus.py), or nobody has shown that the order is needed. Needs
Relacy (Debian: relacy-dev) and a C++ compiler.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from .build import ROOT
from .litmus import LITMUS
from .litmus import places as in_litmus

CXX = os.environ.get("CXX") or shutil.which("c++")
HERE = Path(__file__).parent / "orders"
POSSIBLE = CXX is not None and Path("/usr/include/relacy/relacy.hpp").exists()

# What each model has in it, in this order.
MODELS = {
    "history": ["ring.h", "ring.c"],
    "order": ["ring.h", "ring.c", "queue.h", "queue.c"],
    "dispatch": ["ring.h", "ring.c", "queue.h", "queue.c"],
    "trip": ["trip.h", "trip.c"],
    "wake": ["wake.c"],
    "sent": ["ring.h", "ring.c", "sent.c"],
}
ORDER = re.compile(r"memory_order_(acquire|release|acq_rel|seq_cst)\b")


class Place(NamedTuple):
    file: str
    line: int
    at: int  # which of the file's orders
    order: str
    text: str


def text_of(file: str) -> str:
    (path,) = (ROOT / "csrc").glob(f"*/{file}")
    return path.read_text()


def places(file: str) -> list[Place]:
    text = text_of(file)
    found = []
    for n, match in enumerate(ORDER.finditer(text)):
        line = text.count("\n", 0, match.start()) + 1
        found.append(Place(file, line, n, match[1], text.splitlines()[line - 1].strip()))
    return found


def all_places() -> list[Place]:
    """Of the whole core. (What is written without an order is seq_cst: nothing to show.)"""
    return [p for path in sorted((ROOT / "csrc").glob("*/*.c")) for p in places(path.name)]


def shown_by_litmus() -> set[tuple[str, int]]:
    return {(place.file, place.line) for test in LITMUS for place in in_litmus(test)}


def as_cxx(file: str, weakened: Place | None) -> str:
    text = text_of(file)
    if weakened and weakened.file == file:
        match = list(ORDER.finditer(text))[weakened.at]
        text = text[: match.start()] + "memory_order_relaxed" + text[match.end() :]
    text = re.sub(r"(?m)^#include.*$", "", text)
    text = re.sub(r"(?m)^(_Alignas\(64\) )?", "", text)
    text = text.replace("_Alignas(64) ", "")
    text = re.sub(r"_Atomic (uint64_t|uint32_t)", r"rl::atomic<\1>", text)
    # Of trip.c: set once, before anything runs.
    text = text.replace("static _Atomic(void (*)(int, enum trip_from)) trip_function",
                        "static void (*trip_function)(int, enum trip_from)")  # fmt: skip
    text = re.sub(r"atomic_load_explicit\(&trip_function, \w+\)", "trip_function", text)
    text = re.sub(r"atomic_store_explicit\(&trip_function, function, \w+\)", "(void)0", text)
    # Of queue.c: how it is made, and the clock.
    text = re.sub(r"int queue_make\([^;]*?\{.*?\n}\n", "", text, flags=re.S)
    text = text.replace("int saved_errno = errno;", "").replace("errno = saved_errno;", "")
    # Of sent.c: how a call ends, and what is asked at the end; the models make the events themselves.
    text = re.sub(r"static bool ends_or_stops.*?(?=void sent_end)", "", text, flags=re.S)
    text = re.sub(r"bool sent_to_others\(.*?\n}\n", "", text, flags=re.S)
    text = re.sub(r"void sent_child\(.*?\n}\n", "", text, flags=re.S)
    # Of wake.c: what is not Linux, and the system call, which Relacy has;
    # without its timeout, so that a lost wake-up is a deadlock.
    text = re.sub(r"#ifdef __linux__(.*?)#else.*?#endif", r"\1", text, flags=re.S)
    text = re.sub(r"syscall\(SYS_futex, futex_word, FUTEX_(WAKE|WAIT)_PRIVATE, (\w+)[^;]*;",
                  r"futex(futex_word, FUTEX_\1, \2, NULL, NULL, 0);", text)  # fmt: skip
    text = text.replace("rl::atomic<uint32_t> *futex_word", "rl::atomic<int> *futex_word")
    text = text.replace("uint32_t seen", "int seen")
    return f'#line 1 "{file}"\n{text}\n'


BEFORE = '#pragma once\n#include "before.hpp"\n'


def build_all(models: list[str], directory: Path, optimize: str) -> Path:
    """Several in one program, which takes the model's name first: most of the time of a build is
    that of Relacy's headers."""
    files = list(dict.fromkeys(file for model in models for file in MODELS[model]))
    core = BEFORE + "".join(as_cxx(file, None) for file in files)
    (directory / "core.hpp").write_text(core)
    source = directory / "all.cpp"
    source.write_text(
        "".join(f'#define main {m}_main\n#include "{m}.cpp"\n#undef main\n' for m in models)
        + "int main(int argc, char **argv) {\n"
        + "".join(
            f'if (!strcmp(argv[1], "{m}")) return {m}_main(argc - 1, argv + 1);\n' for m in models
        )
        + "return 2;\n}\n"
    )
    return _compile(source, directory / "all", directory, optimize)


def build(
    model: str, directory: Path, weakened: Place | None = None, optimize: str = "-O1"
) -> Path:
    (directory / "core.hpp").write_text(
        BEFORE + "".join(as_cxx(file, weakened) for file in MODELS[model])
    )
    return _compile(HERE / f"{model}.cpp", directory / model, directory, optimize)


def _compile(source: Path, program: Path, directory: Path, optimize: str) -> Path:
    # (-w: Relacy is of 2013.)
    subprocess.run(
        [CXX or "c++", "-std=c++14", optimize, "-w", "-fpermissive", "-I", str(directory),
         "-I", str(HERE), "-o", str(program), str(source)],
        check=True,
    )  # fmt: skip
    return program


def run(
    program: Path, scheduler: str, executions: int, switches: int = 2, model: str | None = None
) -> tuple[bool, str]:
    """model: which one, of a program of several."""
    which = [model] if model else []
    done = subprocess.run(
        [program, *which, scheduler, str(executions), str(switches)], capture_output=True, text=True
    )
    return done.returncode == 0, done.stdout.strip() or done.stderr.strip()[-200:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(MODELS)}")
    parser.add_argument("--executions", type=int, default=1_000_000, help="by chance, at most")
    parser.add_argument("--switches", type=int, default=2, help="preemptions, all of them tried")
    arguments = parser.parse_args()
    if not POSSIBLE:
        print("needs Relacy (Debian: relacy-dev) and a C++ compiler")
        return 1
    models = arguments.models or list(MODELS)
    fine = True
    needed: dict[Place, str] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for model in models:
            program = build(model, directory)
            for scheduler in ("bound", "random"):
                executions = 10**12 if scheduler == "bound" else arguments.executions
                held, said = run(program, scheduler, executions, arguments.switches)
                print(f"{model:10} {scheduler:7} {said}", flush=True)
                fine &= held
        for model in models:
            for place in [p for file in MODELS[model] for p in places(file)]:
                if place in needed:
                    continue
                held, said = run(build(model, directory, place), "random", arguments.executions)
                if not held:
                    needed[place] = f"{model}: {said}"
    litmus = shown_by_litmus()
    for place in all_places():
        by_litmus = "a litmus test" if (place.file, place.line) in litmus else None
        verdict = needed.get(place) or by_litmus or "NOT SHOWN TO BE NEEDED"
        print(f"{place.file}:{place.line} {place.order:8} {verdict}\n    {place.text}")
        fine &= bool(place in needed or by_litmus or arguments.models)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
