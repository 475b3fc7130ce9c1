"""The command line: ``sigrec``, ``python -m sigrec``. Each verb has a module.

A verb's module has a docstring that is its --help, ``add_arguments(parser)`` and
``run(args) -> int``. Exit codes: 0 fine, 1 could not do it (message on stderr, no traceback), 2
usage, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from importlib import import_module

from sigrec import SigrecError, __version__
from sigrec._text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from _typeshed import SupportsWrite

# A verb's module is imported when it is used: `sigrec stats` need not wait for the others.
VERBS = {
    "stats": "counters and senders of a process, a file, or all processes of this user",
    "why": "one sentence: what ended a process, who sent that, when",
    "tail": "events as they come, one line each",
    "run": "run a program, unchanged, and record its signals",
    "attach": "record a program that already runs, from now on",
    "export": "a recording as JSON Lines, CSV, a trace for Perfetto, or a page",
    "serve": "metrics for Prometheus, and a live page, of every recorded process of this host",
    "doctor": "what works on this machine, and what to do about what does not",
    "demo": "flood a process of its own for two seconds, and show sigrec beside `signal`",
}


class _Parser(argparse.ArgumentParser):
    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        # argparse keeps it to itself if --help or --version cannot be written.
        if file is not None and file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))  # argparse repeats arguments as they are


class _Completion(argparse.Action):
    """``--completion SHELL``: prints a script made by shtab, which sigrec[cli] installs."""

    def __call__(
        self,
        of: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option: str | None = None,
    ) -> None:
        try:
            import shtab
        except ImportError:
            of.exit(1, "sigrec: completion needs shtab: pip install 'sigrec[cli]'\n")
        shell = str(values)
        if shell not in shtab.SUPPORTED_SHELLS:
            of.exit(1, f"sigrec: this shtab knows nothing of {shell}: pip install -U shtab\n")
        every = parser()
        verbs = next(a for a in every._actions if isinstance(a, argparse._SubParsersAction))
        for action in (action for verb in verbs.choices.values() for action in verb._actions):
            kinds = str(action.metavar).partition(" ")[0].split("|")  # "PID|FILE", "FILE|DIR"
            if "FILE" in kinds or "SCRIPT" in kinds:
                vars(action)["complete"] = shtab.FILE
            elif "DIR" in kinds:
                vars(action)["complete"] = shtab.DIRECTORY
        print(shtab.complete(every, shell), end="")
        of.exit()


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Makes --help as wide as the terminal.
    argparse would ask shutil for the width, for each argument, and that is slow to import."""
    try:
        columns = int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size().columns
    except (ValueError, OSError):
        columns = 80
    return argparse.RawDescriptionHelpFormatter(prog, width=columns - 2)


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """The parser with the arguments of every verb, or only of one;
    ``""``: of none, to list the verbs."""
    top = _Parser(
        prog="sigrec",
        description="A flight recorder for POSIX signals in Python.",
        formatter_class=_formatter,
    )
    top.add_argument("--version", action="version", version=f"sigrec {__version__}")
    top.add_argument(
        "--completion",
        action=_Completion,
        choices=["bash", "fish", "tcsh", "zsh"],
        help="print a completion script for that shell (needs sigrec[cli])",
    )
    verbs = top.add_subparsers(metavar="VERB", required=True, prog=top.prog)
    for name, text in VERBS.items():
        if only == "":
            verbs.add_parser(name, help=text, formatter_class=_formatter)
        if only not in (None, name):
            continue
        module = import_module(f"sigrec.cli.{name}")
        verb = verbs.add_parser(
            name,
            help=text,
            description=module.__doc__,
            formatter_class=_formatter,
        )
        module.add_arguments(verb)
        verb.set_defaults(run=module.run)
    return top


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    try:
        return parser(argv[0] if argv and argv[0] in VERBS else "").parse_args(argv)
    except SystemExit:
        sys.stdout.flush()  # of --help, --version and --completion
        raise


class _Closed(io.TextIOBase):
    """Stands in for a standard output that was closed, for which Python has None."""

    def write(self, text: str) -> int:
        raise OSError("there is no standard output to write to: it is closed")


def _drop_unwritable_output() -> None:
    """Python flushes both once more when it ends, would complain then, and end with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _reason(error: OSError) -> str:
    """Its message; and what could not be done, where that does not say it."""
    if error.errno == errno.EMFILE:
        from resource import RLIMIT_NOFILE, getrlimit

        return f"more files are needed than this process may open, {getrlimit(RLIMIT_NOFILE)[0]} (ulimit -n)"
    if error.filename is None and error.errno is not None:
        what = None
        try:
            os.getcwd()
        except OSError as there:
            what = "the working directory" if there.errno == error.errno else None
        try:
            sys.stdout.flush()
        except OSError as again:  # what was not written then is still there
            what = "standard output" if again.errno == error.errno else what
        if what is not None:
            return f"{what}: {error.strerror}"
    return str(error)


def main(argv: Sequence[str] | None = None) -> int:
    # The process that starts us may have closed them, as daemons do.
    if sys.stdout is None:
        sys.stdout = _Closed()
    if sys.stderr is None:
        sys.stderr = io.StringIO()
    # Not every locale can write all that a command line or a name may hold.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    argv = sys.argv[1:] if argv is None else argv
    try:
        args = _parsed(argv)
        status: int = args.run(args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # nobody reads our output any more
        return 1
    except KeyboardInterrupt:
        return 130
    except (SigrecError, OSError, ValueError) as error:
        reason = _reason(error) if isinstance(error, OSError) else str(error)
        try:
            print(f"sigrec: {printable(reason)}", file=sys.stderr)
        except OSError:
            pass
        return 1
    finally:
        _drop_unwritable_output()
