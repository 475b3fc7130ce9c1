"""Arguments that several verbs share: which recording, which signals, since when."""

from __future__ import annotations

import argparse
import re
import time

from sigrec._errors import NoRecordingError
from sigrec._reader.recording import open_recording
from sigrec._signals import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording

_UNITS_NS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}


def recording(what: str) -> Recording:
    """Opens PID|FILE. A file in the way of a pid is meant only with a slash or a suffix."""
    if not what:
        raise NoRecordingError("neither a PID nor a file: ''")
    return open_recording(int(what) if what.isdecimal() and what.isascii() else what)


def add_filters(parser: argparse.ArgumentParser) -> None:
    """``--signal`` (args.signal: list of numbers, or None) and ``--since`` (args.since: ns, or None)."""
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
        return names.signal_number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def since_ns(text: str) -> int:
    """Nanoseconds since 1970, of a time or of so long ago."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text, re.ASCII)
    if match:
        return time.time_ns() - int(float(match[1]) * _UNITS_NS[match[2]])
    from datetime import datetime

    try:
        return int(datetime.fromisoformat(text).timestamp() * 10**9)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"not a time: {text!r}; say 30s, 5m, 2h, 1d, or 2026-01-02T03:04:05"
        ) from None
