"""Say what works on this machine, and what to do about what does not.

  sigrec doctor         this machine, as a program that is started here finds it
  sigrec doctor 4242    what could be in the way of signals in that process
  sigrec doctor --json  for programs

It tries what it can: it makes a recording, and lets another process send signals
to this command. No other process receives any. The exit status is 1 if there is
a problem. A note is about something that works, and that you should know.
"""

from __future__ import annotations

import contextlib
import json
import sys

from sigrec import SigrecError
from sigrec._doctor.finding import FINDINGS_VERSION
from sigrec._doctor.machine import machine
from sigrec._doctor.process import process
from sigrec._text import printable, wrapped
from sigrec.cli import _arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from sigrec._doctor.finding import Finding

WIDTH = 80


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "pid", nargs="?", type=_arguments.pid, metavar="PID", help="default: this machine"
    )
    parser.add_argument("--json", action="store_true", help="JSON on stdout, with a version")


def run(args: argparse.Namespace) -> int:
    if args.pid is None:
        with contextlib.suppress(ImportError, SigrecError):  # a finding says that
            from sigrec._doctor.trial import leave_no_recording

            leave_no_recording()
    findings = list(machine() if args.pid is None else process(args.pid))
    problems = sum(finding.verdict == "problem" for finding in findings)
    if args.json:
        found = [finding.to_dict() for finding in findings]
        json.dump({"version": FINDINGS_VERSION, "findings": found}, sys.stdout, indent=2)
        print()
    else:
        fine = "sigrec works here" if args.pid is None else "No problem is seen from outside"
        print(show(findings, fine), end="")
    return 1 if problems else 0


def show(findings: Iterable[Finding], fine: str) -> str:
    lines, verdicts = [], []
    for finding in findings:
        verdicts.append(finding.verdict)
        head = f"{finding.verdict:8} {finding.check:18} "
        lines += wrapped(printable(finding.found), WIDTH - 1, head)
        if finding.advice and finding.verdict != "ok":
            advice = " " * (len(head) - 3) + "-> "
            lines += wrapped(printable(finding.advice), WIDTH - 1, advice)
    problems, notes = verdicts.count("problem"), verdicts.count("note")
    lines.append("")
    if problems:
        lines.append(f"{problems} problem{'s' * (problems > 1)}: see the lines with -> above.")
    else:
        lines.append(f"{fine}; the notes say what to know." if notes else f"{fine}.")
    return "\n".join(lines) + "\n"
