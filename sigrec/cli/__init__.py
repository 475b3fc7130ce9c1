"""The command line: ``sigrec``, ``python -m sigrec``. One module a verb.

A verb's module has ``HELP``, ``add_arguments(parser)`` and ``run(args) -> int``. Exit codes: 0
fine, 1 could not do it (message on stderr, no traceback), 2 usage.
"""

from __future__ import annotations

import argparse
import io
import os
import sys

from sigrec import SigrecError, __version__
from sigrec.cli import demo, export, stats, tail
from sigrec.cli._text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS = {"stats": stats, "tail": tail, "export": export, "demo": demo}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="sigrec", description="A flight recorder for POSIX signals in Python."
    )
    top.add_argument("--version", action="version", version=f"sigrec {__version__}")
    verbs = top.add_subparsers(metavar="VERB", required=True)
    for name, module in VERBS.items():
        verb = verbs.add_parser(
            name,
            help=module.HELP,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(verb)
        verb.set_defaults(run=module.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    # Not every locale can write what a command line or a name may hold.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    args = parser().parse_args(argv)
    try:
        status: int = args.run(args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader of our output has gone. Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    except (SigrecError, OSError, ValueError) as error:
        print(f"sigrec: {printable(str(error))}", file=sys.stderr)
        return 1
