"""Run a program and record its signals. The program needs no change, and its
behaviour does not change.

  sigrec run server.py --port 8000       a script
  sigrec run -m http.server 8000         a module, as python -m
  sigrec run -c 'import time; ...'       code, as python -c
  sigrec run -o web.sigrec server.py     the recording in a file of your own;
                                         the one before is kept as web.sigrec.1
  sigrec run redis-server --port 7000    any other program that is linked
                                         dynamically
  sigrec run --children make -j4         also what it starts, in any language
  sigrec run --strict ./program          do not run it if it cannot be recorded;
                                         otherwise it runs, and a message says so
  sigrec run --report server.py          say on stderr how it ended, once it
                                         has; --report=FILE: add that to a file

While the program runs, and afterwards, you can ask from any terminal:
sigrec why PID, or sigrec stats PID. The exit status is the program's own. If a
signal ends the program, the same signal ends this command.
"""

from __future__ import annotations

import argparse
import os
import sys

from sigrec._errors import SigrecError
from sigrec._proc.process import of_python
from sigrec._recorder.retention import in_the_way
from sigrec._text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

USAGE = (
    "sigrec run [-o FILE] [--children] [--report[=FILE]] [--strict] "
    "[-m MODULE | -c CODE | SCRIPT | PROGRAM] ARGS..."
)
_ON_STDERR = ""  # --report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = USAGE
    parser.add_argument("-o", "--output", metavar="FILE", help="write the recording here")
    parser.add_argument(
        "--children",
        action="store_true",
        help="record also what it starts or forks, each process in a recording of its own",
    )
    parser.add_argument(
        "--report",
        nargs="?",
        const=_ON_STDERR,
        metavar="FILE",
        help="say in one sentence how it ended, on stderr or at the end of that file",
    )
    parse = parser.parse_known_args
    vars(parser)["parse_known_args"] = lambda args=None, of=None: parse(_with_equals(args), of)
    parser.add_argument("--strict", action="store_true", help="do not run what cannot be recorded")
    # All that comes after one of these belongs to the program.
    rest = argparse.REMAINDER
    parser.add_argument("-m", nargs=rest, metavar="MODULE ARGS", help="run a module, as python -m")
    parser.add_argument("-c", nargs=rest, metavar="CODE ARGS", help="run code, as python -c")
    parser.add_argument(
        "script", nargs=rest, metavar="SCRIPT ARGS", help="run a Python script, or any program"
    )
    parser.set_defaults(usage_error=parser.error)


def _with_equals(args: Sequence[str] | None) -> list[str]:
    """Completes --report by an equals sign:
    what comes after a blank is the program, and no file."""
    options = list(args or ())
    n = 0
    while n < len(options) and options[n].startswith("-") and options[n] not in ("-m", "-c", "--"):
        option = options[n]
        if len(option) > 2 and "--report".startswith(option):  # argparse accepts an abbreviation
            options[n] += "="
        value = option == "-o" or (len(option) > 2 and "--output".startswith(option))
        n += 2 if value else 1
    return options


def run(args: argparse.Namespace) -> int:
    if args.m is not None:
        program = ["-m", *args.m]
    elif args.c is not None:
        program = ["-c", *args.c]
    else:
        program = args.script[1:] if args.script[:1] == ["--"] else args.script
        if program and program[0].startswith("-") and program == args.script:
            args.usage_error(f"not an option of run: {program[0]}")
    if args.output == "":
        args.usage_error("not a path: ''")
    if not program or program in (["-m"], ["-c"]):
        args.usage_error("which program? give a PROGRAM, a SCRIPT, -m MODULE or -c CODE")
    # Where the core cannot be imported, this command says why; the program's process would not.
    from sigrec import _core as _core
    from sigrec._recorder.program import Program, find_program, give_back_what_python_ignores

    found = Program("python", None) if args.script == [] else find_program(program[0], program[1:])
    output = _output(args.output)
    if found.kind == "python":
        path, command = sys.executable, [sys.executable, *_flags(), *program]
    else:
        path, command = str(found.path), program
    # The program runs in this process: nothing of ours is in between.
    environment = _environment(found.kind, path, output, args)
    init = args.report is not None and _leave_report(command, output, args.report)
    sys.stdout.flush()
    sys.stderr.flush()
    environ = environment(init)
    give_back_what_python_ignores()
    os.execve(path, command, environ)


def _environment(
    kind: str, path: str, output: str | None, args: argparse.Namespace
) -> Callable[[bool], dict[str, str]]:
    """What the arguments of ``sigrec run`` make of the environment: a function that returns it. Its
    argument: whether this process is the program of PID 1 of its namespace."""
    from sigrec._recorder import run
    from sigrec._recorder.program import library, make_room, preloaded, unrecordable

    python = kind != "other"
    if kind == "python" and (sys.flags.ignore_environment or sys.flags.no_site):
        raise SigrecError("run works by PYTHONPATH and the site module: not with -E, -I or -S")
    preload = library() if args.children or kind != "python" else None
    reason = None if python and preload is None else unrecordable(path, preload)
    if reason is not None and not python:
        text = f"{path} is not recorded: {reason}"
        if args.strict:
            raise SigrecError(text)
        print(f"sigrec: {printable(text)}", file=sys.stderr)
        return lambda init: dict(os.environ)
    if reason is not None:
        preload = None
    if preload is not None:
        make_room(output)

    def environment(init: bool) -> dict[str, str]:
        made = run.environment(output, args.children, init) if python else dict(os.environ)
        if preload is not None:
            made = preloaded(made, preload, args.children)
            if output is not None:
                made["SIGREC_RECORDING"] = output
        return made

    return environment


def _leave_report(command: list[str], output: str | None, file: str) -> bool:
    """Leaves a process that will say how the program ended.
    Returns whether that is PID 1, in the program's place."""
    from sigrec.cli import _report

    try:
        return _report.leave(command, output, os.path.abspath(file) if file else None)
    except (OSError, AttributeError) as error:  # an old kernel, say: the program runs all the same
        print(f"sigrec: no report: {error}", file=sys.stderr)
    return False


def _flags() -> list[str]:
    """The options that this interpreter was started with, as ``-X dev`` and ``-W error``. What
    follows them has started us: ``-m sigrec``, a script, or ``-m coverage run -m sigrec``."""
    return of_python(sys.orig_argv[1:])[0]


_LEAST_SIZE = 256 << 10  # bytes; no recording is smaller


def _output(path: str | None) -> str | None:
    """Checks where the recording goes:
    an error now is better than a program without a recording."""
    if path is None:
        return None
    output = os.path.abspath(path)
    directory = os.path.dirname(output)
    if not os.path.isdir(directory):
        raise SigrecError(f"{path}: there is no directory {directory}")
    if os.path.isdir(output):
        raise SigrecError(f"{path}: is a directory")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise SigrecError(f"{path}: the directory {directory} is not writable")
    reason = in_the_way(output)
    if reason is not None:
        raise SigrecError(reason)
    import tempfile

    try:
        with tempfile.TemporaryFile(dir=directory) as trial:
            os.posix_fallocate(trial.fileno(), 0, _LEAST_SIZE)
    except OSError as error:
        raise SigrecError(f"{path}: cannot be written: {error.strerror}") from None
    return output
