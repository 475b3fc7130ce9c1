"""Hostile recordings, led by what they make the reader do (atheris: libFuzzer for Python).

    pip install atheris
    python -m tests.reader.fuzz_coverage tests/reader/corpus -max_total_time=600
    python -m tests.reader.fuzz_coverage -merge=1 tests/reader/corpus NEW    (keeps the corpus small)

An input is not a file but the changes to a valid one: a byte that chooses it, and then, for each
change, where (2 bytes, in steps of 4 bytes), how many bytes (1) and which. So the corpus is small, and
each of it gets past the first checks. The checks are those of fuzz.py.
"""

import os
import random
import sys
import tempfile
from pathlib import Path

from tests.reader import fuzz

CORPUS = Path(__file__).parent / "corpus"
BASES = [bytes(fuzz.base(random.Random(seed)).raw) for seed in range(8)]
CUT = 255  # as a length: the file ends there


def apply(data):
    """The file that an input stands for."""
    raw = bytearray(BASES[data[0] % len(BASES)] if data else BASES[0])
    at = 1
    while at + 3 <= len(data):
        offset, length = 4 * int.from_bytes(data[at : at + 2], "little"), data[at + 2]
        at += 3
        if length == CUT:
            del raw[offset:]
            continue
        length %= 65
        patch = data[at : at + length]
        at += length
        if offset + len(patch) <= len(raw):
            raw[offset : offset + len(patch)] = patch
    return bytes(raw)


def main():
    import atheris

    for name, module in list(sys.modules.items()):
        if name.startswith("sigrec.") and hasattr(module, "__dict__"):
            for value in list(vars(module).values()):
                instrument(atheris, value, name)
    directory = tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    path = Path(directory.name) / "hostile.sigrec"

    def one(data):
        path.write_bytes(apply(data))
        fuzz.check(path)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


def instrument(atheris, value, module):
    """Functions of the module, and those of its classes."""
    if getattr(value, "__module__", None) != module:
        return
    if isinstance(value, type):
        for member in list(vars(value).values()):
            for function in (
                member,
                getattr(member, "fget", None),
                getattr(member, "__func__", None),
            ):
                if hasattr(function, "__code__"):
                    atheris.instrument_func(function)
    elif hasattr(value, "__code__"):
        atheris.instrument_func(value)


if __name__ == "__main__":
    main()
