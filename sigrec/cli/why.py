"""Say in one sentence what ended a process, who sent that, when, and what came
before it.

  sigrec why 4242         a process, by its pid; it may still run
  sigrec why run.sigrec   a recording's file
  sigrec why              the process of this user that ended last
  sigrec why --json 4242  for programs: the cause, the sender, each source

The answer comes from recordings and from /proc. A process cannot see its own
SIGKILL, but its parent is told of it: where the parent was recorded as well,
the answer has it. Otherwise it says that the record ends without a signal, and
what that usually means.
"""

from __future__ import annotations

import sys

from sigrec._why.answer import Answer
from sigrec._why.newest import newest
from sigrec.cli import _arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", metavar="PID|FILE", help="default: what ended last")
    parser.add_argument("--json", action="store_true", help="JSON on stdout, with a version")


def run(args: argparse.Namespace) -> int:
    with newest() if args.what is None else _arguments.recording(args.what) as recording:
        _print(Answer(recording), args.json)
    return 0


def _print(answer: Answer, as_json: bool) -> None:
    if not as_json:
        print(answer.sentence)
        return
    import json

    json.dump(answer.to_dict(), sys.stdout, indent=2)
    print()
