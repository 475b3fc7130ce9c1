"""Where the recording of this process went, and whether it can be read from there."""

from __future__ import annotations

import contextlib
import os
import warnings

from sigrec import _core
from sigrec._doctor.finding import Finding
from sigrec._errors import SigrecError
from sigrec._proc import host
from sigrec._reader.opening import open_recording
from sigrec._recorder import publishing
from sigrec._text import number, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def place() -> Iterator[Finding]:
    """Where the recording of this process went, and whether it can be read from there."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(None):  # it is said below
        warnings.simplefilter("ignore")
        try:
            publishing.start()
        except OSError as error:
            yield Finding(
                "recording", "problem", f"the core cannot be started: {error.strerror}",
                "see the checks above, and report it with this output",
            )  # fmt: skip
            return
    path = os.fsdecode(_core.path())
    passed_over = printable(publishing.passed_over())
    if not path:
        if publishing.publishing_off():
            yield Finding(
                "recording", "note", "SIGREC_DIR is set and empty: nothing is published, and only the "
                "process itself can read its counters",
                "unset SIGREC_DIR",
            )  # fmt: skip
        else:
            yield Finding(
                "recording", "problem", f"no file can be made: {passed_over}. Only the process itself "
                "can read its counters, and they end with it",
                "set SIGREC_DIR to a directory of your own, on a tmpfs, writable by nobody else; in a "
                "container: --tmpfs /dev/shm",
            )  # fmt: skip
        return
    directory = os.path.dirname(path)
    on, free = host.filesystem(directory), ""
    try:
        space = os.statvfs(directory)
        free = f", {number(space.f_bavail * space.f_frsize >> 20)} MiB free"
    except OSError:
        pass
    where = f"{directory} ({on or 'file system unknown'}{free})"
    slow = "" if on in (None, "tmpfs", "ramfs") else (
        ": not memory, so that write-back can make a handler wait"
    )  # fmt: skip
    named = os.environ.get("SIGREC_DIR")
    if named and os.path.abspath(named) != directory:
        yield Finding(
            "recording", "problem",
            f"not in SIGREC_DIR: {passed_over}. It goes to {printable(where)}{slow}",
            "make SIGREC_DIR a directory of this user's that nobody else can write to: mkdir -m 700; "
            "or unset it",
        )  # fmt: skip
    elif passed_over:
        yield Finding(
            "recording", "note", f"in {printable(where)}{slow}; refused were: {passed_over}",
            "nothing, if this is intended: a reader searches all of these places; else set SIGREC_DIR to "
            "a directory of this user's, on a tmpfs",
        )  # fmt: skip
    elif slow:
        yield Finding(
            "recording", "note", f"in {printable(where)}{slow}",
            "set SIGREC_DIR to a directory on a tmpfs, as /dev/shm mostly is",
        )  # fmt: skip
    else:
        yield Finding("recording", "ok", f"in {printable(where)}")
    yield _check_reading(os.getpid())


def _check_reading(pid: int) -> Finding:
    try:
        with open_recording(pid) as recording:
            state = recording.state
    except (SigrecError, OSError) as error:
        return Finding("reading", "problem", printable(str(error)), "report it, with this output")
    if state == "alive":
        return Finding(
            "reading", "ok", "a recording is found by its PID, and its process seen to be alive"
        )
    return Finding(
        "reading", "problem", f"the state of a process that is alive reads as {state!r}",
        "/proc/PID/maps must be readable: no hidepid= for /proc, the same user, the same namespace",
    )  # fmt: skip
