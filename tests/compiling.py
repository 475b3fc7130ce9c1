"""C programs and libraries that tests compile, where there is a compiler."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CC = os.environ.get("CC") or shutil.which("cc")
needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler (cc) on this machine")


def compiled(source, to, *flags):
    """Compiles that file to `to`, and returns `to`. Skips the test where there is no compiler."""
    if CC is None:
        pytest.skip("no C compiler (cc) on this machine")
    subprocess.run([CC, "-O1", *flags, "-pthread", "-o", to, source], check=True)
    return Path(to)


def library(source, to, *flags):
    return compiled(source, to, "-shared", "-fPIC", *flags)
