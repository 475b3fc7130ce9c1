"""Tries the main thing: another process floods this one."""

from __future__ import annotations

import atexit
import os
import signal
import time
from contextlib import suppress

from sigrec import _core
from sigrec._doctor.finding import Finding
from sigrec._handling.registration import register
from sigrec._recorder import publishing
from sigrec._recorder.own import stats
from sigrec._signals.names import name
from sigrec._text import number

FLOOD = 1000  # signals
FLOOD_PATIENCE_S = 10.0
STUCK_S = 0.3  # if no signal at all could be queued in this time, none will be


def leave_no_recording() -> None:
    """Removes, at the end, the recording that the trial makes, also where the process ends with
    status 1, after which one stays: `sigrec why` would take
    it for the process that was asked about."""

    def remove() -> None:
        with suppress(OSError):
            os.unlink(_core.path())

    if not publishing.started() and not _core.adopted():  # else it is the user's
        atexit.register(remove)


def trial() -> Finding:
    """Has another process send real signals to this one, and looks what arrives."""
    signum = signal.SIGRTMIN + 3 if hasattr(signal, "SIGRTMIN") else signal.SIGUSR1
    queued = signum != signal.SIGUSR1
    handled = 0

    def handler(signum: int, frame: object) -> None:
        nonlocal handled
        handled += 1

    try:
        registration = register(signum, handler)
    except OSError as error:
        return Finding(
            "signals", "problem", f"{name(signum)} cannot be registered: {error.strerror}",
            "see the checks above, and report it with this output",
        )  # fmt: skip
    with registration:
        sent = _send(int(signum), queued)
        until = time.monotonic() + FLOOD_PATIENCE_S
        while handled < sent and time.monotonic() < until:
            time.sleep(0.005)
        ledger = stats()[signum]
        delivered, own = ledger.delivered, sum(count for _, count in ledger.senders)
        in_place = _core.in_place(signum)
    found = (
        f"of {number(sent)} signals from another process {number(delivered)} were delivered, "
        f"{number(handled)} handled, {number(own)} have their sender"
    )
    if sent < FLOOD and sent == delivered == handled:
        return Finding(
            "signals",
            "problem",
            f"{found}; {number(FLOOD)} were to be sent, and no more could be queued",
            "see RLIMIT_SIGPENDING",
        )
    if handled == delivered == own and delivered == (sent if queued else delivered) and handled:
        return Finding("signals", "ok", found)
    if not in_place:
        return Finding(
            "signals", "problem", found + "; another handler has replaced sigrec's",
            "see handlers above: something in this process sets them anew",
        )  # fmt: skip
    return Finding("signals", "problem", found, "report it, with this output")


def _send(signum: int, queued: bool) -> int:
    """Has another process send signals to this one; returns how many it sent."""
    receiver = os.getpid()
    read, write = os.pipe()
    sender = os.fork()
    if not sender:
        sent, until = 0, time.monotonic() + FLOOD_PATIENCE_S
        try:
            # The flood is sent in rounds: if the queue stays full, or has no room at all, to wait
            # longer would only keep a processor busy.
            while sent < FLOOD and time.monotonic() < until:
                more, _, _ = _core.flood(receiver, signum, FLOOD - sent, queued, int(STUCK_S * 1e9))
                if not more:
                    break
                sent += more
            os.write(write, str(sent).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as answer:
        sent = int(answer.read() or 0)
    os.waitpid(sender, 0)
    return sent
