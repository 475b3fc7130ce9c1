"""Say in one sentence what ended a process, who sent that, when, and what came
before it.

  sigrec why 4242         a process, by its pid; it may still run
  sigrec why run.sigrec   a recording's file
  sigrec why              the process of this user that ended last (if SIGREC_DIR
                          is set, of those in there; so with --all)
  sigrec why --json 4242  for programs: the cause, the sender, each source
  sigrec why --all        every process that ended, the newest first
  sigrec why --wait 4242  wait until it has ended, and say how; it may be any
                          process, of any user, and needs no recording

The answer comes from recordings and from /proc. A process cannot see its own
SIGKILL, but its parent is told of it: if the parent was recorded, the answer
names SIGKILL, even for a process that recorded nothing. Otherwise it says that
the recording ends without a signal, and what that usually means.
"""

from __future__ import annotations

import sys

from sigrec._errors import NoRecordingError
from sigrec._reader import index, places
from sigrec._text import printable, whole
from sigrec._why.answer import WHY_VERSION, Answer
from sigrec.cli import _arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from sigrec._errors import RecordingError
    from sigrec._why.heard import Heard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", metavar="PID|FILE", help="default: what ended last")
    parser.add_argument("--json", action="store_true", help="JSON on stdout, with a version")
    parser.add_argument(
        "--all", action="store_true", help="every process that ended, the newest first"
    )
    parser.add_argument(
        "--wait", action="store_true", help="until the process has ended; it needs no recording"
    )
    parser.set_defaults(usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    index.raise_descriptors()
    if args.all:
        if args.what is not None or args.wait:
            args.usage_error("--all is of every process that ended, and not of one")
        return _print_all(args.json)
    if args.wait:
        pid = _arguments.pid_in(args.what or "") or 0
        if not pid:
            args.usage_error("--wait is for a process: give its PID")
        from sigrec._why.waiting import answer_after

        after = answer_after(pid)
        _print_json(after.to_dict()) if args.json else print(after.sentence)
        return 0
    answer = _answer_about(args.what)
    _print_json(answer.to_dict()) if args.json else print(answer.sentence)
    return 0


def _answer_about(what: str | None) -> Answer | Heard:
    if what is None:
        from sigrec._why.newest import newest

        return Answer(newest(_left_out))
    pid = whole(what)
    try:
        recording = _arguments.opened(what)
    except NoRecordingError:
        if not pid:
            raise
        from sigrec._why.heard import heard_of

        heard = heard_of(pid)
        if heard is None:
            raise
        return heard
    if pid and recording.state != "alive":
        from sigrec._why.heard import after

        _arguments.note_who_has_it_now(recording)
        # A PID is used again: then the last process that had it is meant.
        return after(recording) or Answer(recording)
    return Answer(recording)


def _print_all(as_json: bool) -> int:
    from sigrec._why.newest import in_order
    from sigrec._why.witnesses import Witnesses

    status = 0

    def bad(error: RecordingError) -> None:
        nonlocal status
        _left_out(error)
        status = 1

    found = list(index.opened(places.meant(), bad))
    ranked = in_order(found, Witnesses(found))
    ended = [process for process in ranked if process.ended]
    answers = (Answer(process.recording, process.cause) for process in ended)
    if as_json:
        _print_json({"version": WHY_VERSION, "processes": [answer.to_dict() for answer in answers]})
    elif not ended:
        there = f"{places.where_meant()} none has ended{places.refused()}"
        print(printable(f"sigrec why: of {len(found)} recorded processes{there}"), file=sys.stderr)
    else:
        for answer in answers:
            print(answer.sentence)
    return status


def _left_out(error: RecordingError) -> None:
    print(f"sigrec why: {printable(str(error))}", file=sys.stderr)


def _print_json(document: dict[str, Any]) -> None:
    import json

    json.dump(document, sys.stdout, indent=2)
    print()
