"""Arguments that several verbs share: which recording, which signals, since when."""

from __future__ import annotations

import argparse
import signal
import sys

from sigrec import _check
from sigrec._errors import NoRecordingError
from sigrec._reader.opening import open_recording
from sigrec._signals import names
from sigrec._text import whole
from sigrec._times import since

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording


def pid_in(text: str) -> int | None:
    """The PID that this text is; None: it is none."""
    number = whole(text)
    return number if number is not None and 0 < number <= _check.INT_MAX else None


def pid(text: str) -> int:
    number = pid_in(text)
    if number is None:
        raise argparse.ArgumentTypeError(f"not a PID: {text!r}")
    return number


def path(text: str) -> str:
    if not _check.is_path(text):
        raise argparse.ArgumentTypeError(f"not a path: {text!r}")
    return text


def history(text: str) -> int:
    number = whole(text)
    if number is None:
        raise argparse.ArgumentTypeError(f"not a number of events: {text!r}")
    return number


def recording(what: str) -> Recording:
    """Opens PID|FILE, as opened(). Of a process that has no recording the error says what `sigrec
    why` says of it, if others know how it ended. If another process has the PID by now, stderr says
    so."""
    try:
        found = opened(what)
    except NoRecordingError:
        from sigrec._why.heard import heard_of

        pid = whole(what)
        heard = heard_of(pid) if pid else None
        if heard is None:
            raise
        raise NoRecordingError(heard.sentence.removesuffix(".")) from None
    if whole(what) and found.state != "alive":
        note_who_has_it_now(found)
    return found


def note_who_has_it_now(recording: Recording) -> None:
    from sigrec._why.heard import who_has_it_now

    now = who_has_it_now(recording)
    if now is not None:
        print(
            f"sigrec: {now} runs, and no recording of it is found; of an earlier process with that PID "
            "there is one:",
            file=sys.stderr,
        )


def opened(what: str) -> Recording:
    """Opens PID|FILE. A number is a PID; to open a file of that name, write a slash before it."""
    if not what:
        raise NoRecordingError("neither a PID nor a file: ''")
    number = whole(what)
    if number is not None and pid_in(what) is None:
        raise ValueError(f"not a PID: {what!r}")
    try:
        return open_recording(what if number is None else number)
    except NoRecordingError as error:
        if number is None and what.removeprefix("-").isdecimal() and what.isascii():
            raise NoRecordingError(f"{error}, and not a PID") from None
        raise


def add_filters(parser: argparse.ArgumentParser) -> None:
    """``--signal`` (args.signal: list of numbers, or None)
    and ``--since`` (args.since: ns, or None)."""
    parser.add_argument(
        "--signal",
        action="append",
        type=signal_number,
        metavar="NAME",
        help="only this signal: SIGTERM, term, 15, SIGRTMIN+2; may be given several times",
    )
    parser.add_argument(
        "--since",
        type=since_ns,
        metavar="WHEN",
        help="only what came since then: 30s, 5m, 2h, 1d ago, or 2026-01-02T03:04:05 (local), with Z for UTC",
    )


def signal_number(text: str) -> int:
    """``"SIGTERM"``, ``"term"``, ``"15"``, ``"SIGRTMIN+2"``, ``"RTMIN+2"``, ``"SIGRTMAX-1"``."""
    try:
        number = names.signal_number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if number in (signal.SIGKILL, signal.SIGSTOP):
        raise argparse.ArgumentTypeError(
            f"{names.name(number)} is not delivered to any process, so no recording has it; `sigrec why` "
            "says what is known about a process that it ended or stopped"
        )
    return number


def since_ns(text: str) -> int:
    try:
        return since(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 86400:
        raise argparse.ArgumentTypeError(f"not seconds from 0 to 86400: {text!r}")
    return found
