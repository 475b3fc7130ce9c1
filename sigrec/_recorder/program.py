"""What ``sigrec run`` has to run, a Python program or another one, and whether that can be
recorded."""

from __future__ import annotations

import os
import signal
import stat
import sys
import zipfile

from sigrec import _core
from sigrec._errors import SigrecError
from sigrec._proc.process import executable
from sigrec._proc.status import status
from sigrec._recorder import retention
from sigrec._tuples import NamedTuple

LIBRARY = os.path.join(os.path.dirname(os.path.dirname(__file__)), "libsigrec-preload.so")
_SEPARATORS = " :"  # of LD_PRELOAD


class Program(NamedTuple):
    """kind: "python", run by this interpreter; "script", a Python program that names its own in its
    first line, or a Python of this version; "other". path: what is exec'ed; of "python": None."""

    kind: str
    path: str | None


def give_back_what_python_ignores() -> None:
    """Python ignores SIGPIPE and SIGXFSZ from its start, and what was before cannot be seen any
    more. Ignored they stay where our parent ignores them; but a Python that starts a program gives
    them back (subprocess, restore_signals)."""
    program = os.path.basename(executable(os.getppid()) or "")
    parent = None if program.startswith("python") else status(os.getppid())
    for signum in (signal.SIGPIPE, signal.SIGXFSZ):
        if parent is None or signum not in parent.ignored:
            signal.signal(signum, signal.SIG_DFL)


def find_program(name: str, arguments: list[str]) -> Program:
    """The Program of that name: a file, as for ``python NAME``, or else a program in PATH. Raises
    SigrecError if there is neither."""
    import shutil

    if os.path.exists(name):
        if os.path.isdir(name) or zipfile.is_zipfile(name):
            return Program("python", None)
        found: str | None = name
    elif os.sep in name or name.endswith(".py"):
        return Program("python", None)  # which says what is wrong
    else:
        found = shutil.which(name)
        if found is None:
            raise SigrecError(_no_such_program(name))
    assert found is not None
    head = _first_bytes(found)
    if head.startswith(b"\x7fELF"):
        return Program("script" if _is_this_python(found, arguments) else "other", found)
    if head.startswith(b"#!") and os.access(found, os.X_OK):
        interpreter = head[2:].split(b"\n")[0].split()
        named = [os.path.basename(word) for word in interpreter if not word.startswith(b"-")]
        if named[:1] == [b"env"]:
            named = [word for word in named[1:] if b"=" not in word]
        if named and not named[0].startswith((b"python", b"pypy")):
            return Program("other", found)
        if found != name:  # the program of a package, which may be in another environment
            return Program("script", found)
    elif found != name:
        return Program("other", found)
    return Program("python", None)


def _is_this_python(path: str, arguments: list[str]) -> bool:
    """Whether it is a Python of this version, which runs the site module and heeds PYTHONPATH."""
    if os.path.basename(os.path.realpath(path)) != os.path.basename(
        os.path.realpath(sys.executable)
    ):
        return False
    for word in arguments:
        if not word.startswith("-") or word.startswith("--"):
            break
        letters = next((word[:n] for n, letter in enumerate(word) if letter in "cmWX"), word)
        if not set(letters).isdisjoint("EIS"):
            return False
        if len(letters) < len(word) and word[len(letters)] in "cm":
            break
    return True


def _no_such_program(name: str) -> str:
    import importlib.util

    text = f"{name or repr(name)}: there is no such file, and no program of that name in PATH"
    try:
        module = name.isidentifier() and importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        module = False
    return text + (f". It is a module: sigrec run -m {name}" if module else "")


def _first_bytes(path: str) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return b""
        with open(path, "rb") as file:
            return file.read(256)
    except OSError:
        return b""


def preloaded(environment: dict[str, str], library: str, children: bool) -> dict[str, str]:
    """The environment in which that library, preloaded, records a program from its start."""
    others = environment.get("LD_PRELOAD")
    return {
        **environment,
        # Ours comes last, since another library may have to come first.
        "LD_PRELOAD": f"{others} {library}" if others else library,
        "SIGREC_KEEP": str(os.getpid()),  # exec keeps it
        **({"SIGREC_CHILDREN": "1"} if children else {}),
    }


def library() -> str | None:
    """The library's path, without blanks and colons, as
    LD_PRELOAD needs it. None: there is no library."""
    if not os.path.exists(LIBRARY):
        return None
    if not any(character in LIBRARY for character in _SEPARATORS):
        return LIBRARY
    directory = _core.usable_directory(_SEPARATORS.encode())
    if directory is None:
        return None
    link = os.path.join(os.fsdecode(directory), ".library")
    folder = os.path.dirname(LIBRARY)
    try:
        if os.path.lexists(link) and os.readlink(link) != folder:
            link += str(os.stat(folder).st_ino)  # that link leads to another sigrec
        if not os.path.lexists(link):
            os.symlink(folder, link)
    except OSError:
        return None
    return os.path.join(link, os.path.basename(LIBRARY))


def unrecordable(path: str, library: str | None) -> str | None:
    """Why that program cannot be recorded, for instance "it
    is statically linked"; None: it can be."""
    if library is None:
        return "sigrec has no library for that here"
    reason = _core.unrecordable(os.fsencode(path), os.fsencode(library))
    return None if reason is None else f"it {reason}"


def make_room(output: str | None) -> None:
    """Makes room for the recording of the program, which will have this process's PID."""
    if output is not None:
        retention.make_way(output)
    directory = _core.usable_directory()
    if directory is not None:
        retention.clean(os.fsdecode(directory))
