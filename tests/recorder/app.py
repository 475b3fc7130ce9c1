"""A program of which each line matters: it is run, recorded, and its recording opened."""

import os
import signal
import subprocess
import sys

from sigrec._reader.opening import open_recording
from tests.conftest import file_name


def line(text, what):
    return next(n for n, one in enumerate(text.splitlines(), 1) if what in one)


def ignoring(*signums):
    """Where a program begins. Who started us may ignore Ctrl-C; and serve and export, which other
    tests call in this process, ignore SIGIO."""

    def begin():
        for signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGIO, *signums):
            signal.signal(signum, signal.SIG_IGN if signum in signums else signal.SIG_DFL)

    return begin


def run(
    code, directory, *, before=None, run_directory, name="app.py", command=("-m", "sigrec", "run")
):
    """The program's own recording, ended."""
    (directory / name).write_text(code)
    process = subprocess.Popen(
        [sys.executable, *command, name], cwd=directory, preexec_fn=before or ignoring(),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(directory), os.getcwd()])},
    )  # fmt: skip
    assert process.wait(60) == 0
    return open_recording(run_directory / file_name(process.pid))
