"""C programs and libraries that tests compile, where there is a compiler."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CC = os.environ.get("CC") or shutil.which("cc")
needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler (cc) on this machine")


def compiled(source, to, *flags):
    """`to`, made of that file; the test that asks is skipped where nothing can compile it."""
    if CC is None:
        pytest.skip("no C compiler (cc) on this machine")
    subprocess.run([CC, "-O1", *flags, "-pthread", "-o", to, source], check=True)
    return Path(to)


def library(source, to, *flags):
    return compiled(source, to, "-shared", "-fPIC", *flags)
