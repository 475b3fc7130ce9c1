"""Record a process that already runs, from now on. It needs no change, and its
behaviour does not change.

  sigrec attach 4242                  what came before is not known
  sigrec attach 4242 --history 65536  keep as many events; default: 1024
  sigrec attach 4242 --detach         stop recording; what was recorded stays

One of its threads is stopped for some milliseconds, at a moment when that does
no harm, and loads sigrec's library. The program must be linked dynamically, and
run on Linux and x86-64. Afterwards, from any terminal: sigrec why PID, stats
PID, tail PID. sigrec doctor PID says beforehand whether attaching can work.
Where it cannot, the process is left as it was, and the message says why.
"""

from __future__ import annotations

import argparse
from contextlib import suppress

from sigrec._errors import RecordingError
from sigrec._reader.opening import open_recording
from sigrec._recorder.attach import ATTACH_HISTORY, begin_attach, end_attach
from sigrec._text import printable, shortened
from sigrec.cli import _arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pid", type=_arguments.pid, metavar="PID")
    parser.add_argument(
        "--history",
        type=_arguments.history,
        metavar="N",
        help="how many events are kept (1024)",
    )
    parser.add_argument("--detach", action="store_true", help="end what an earlier attach began")
    parser.add_argument(
        "--any",
        action="store_true",
        help="attach even to a process with a seccomp filter; the filter may end the process for that",
    )
    parser.set_defaults(usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    if args.detach:
        if args.history is not None:
            args.usage_error("--history is for what begins, and not for --detach")
        end_attach(args.pid, args.any)
        more = "; its recording can still be read"
        with suppress(RecordingError), open_recording(args.pid) as recording:
            if recording._stopped_ns is None:
                more = ", but for what the program itself has asked for: record(), register()"
        print(f"PID {args.pid} is not recorded any more{more}.")
        return 0
    history = ATTACH_HISTORY if args.history is None else args.history
    took = begin_attach(args.pid, history, args.any)
    with open_recording(args.pid) as recording:
        command = shortened(" ".join(recording.argv), 60)
        print(
            f"PID {args.pid} ({printable(command)}) is recorded from now on, in "
            f"{printable(recording.path or '')}; what came before is not known. It was stopped for "
            f"{took.stopped_ns / 1e6:.1f} ms."
        )
    return 0
