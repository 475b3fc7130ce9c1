"""Signals that a process sent, and what wait(2) told it about its children, as text and as JSON."""

from __future__ import annotations

import errno

from sigrec._signals.codes import CLD_CONTINUED, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED
from sigrec._signals.names import name
from sigrec._signals.sent import ChildTold, SentSignal
from sigrec._times import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What became of a child, in JSON and in words.
_CHANGES = {
    CLD_EXITED: ("exited", "exited with status {}"),
    CLD_KILLED: ("killed", "was killed by {}"),
    CLD_DUMPED: ("dumped", "was killed by {}, and dumped core"),
    CLD_STOPPED: ("stopped", "was stopped by {}"),
    CLD_CONTINUED: ("continued", "was continued"),
}


def _result(error: int | None) -> str | None:
    """``"sent"``, ``"ESRCH"``; None: the call had not returned."""
    return (
        "sent" if error == 0 else None if error is None else errno.errorcode.get(error, str(error))
    )


def sent_fields(sent: SentSignal) -> dict[str, Any]:
    """``{"sent": {...}}``: a line of ``tail --json`` among those of signals that were received."""
    return {
        "sent": {
            "signal": sent.signal_name,
            "number": sent.si_signo,
            "time": rfc3339(sent.time_ns),
            "time_ns": sent.time_ns,
            "monotonic_ns": sent.monotonic_ns,
            "ordinal": sent.ordinal,
            "tid": sent.tid,
            "how": sent.how,
            "target": sent.target,
            "target_tid": sent.target_tid,
            "value": sent.value,
            "result": _result(sent.error),
        }
    }


def child_fields(child: ChildTold) -> dict[str, Any]:
    """``{"child": {...}}``. status: what the child exited with.
    signal: what any other change was caused by."""
    exited = child.code == CLD_EXITED
    change, _ = _CHANGES.get(child.code, (f"code {child.code}", ""))
    return {
        "child": {
            "pid": child.pid or None,  # not known for the children of system(3) and pclose(3)
            "change": change,
            "status": child.status if exited else None,
            "signal": None if exited else name(child.status),
            "time": rfc3339(child.time_ns),
            "time_ns": child.time_ns,
            "monotonic_ns": child.monotonic_ns,
        }
    }


def fields(one: SentSignal | ChildTold) -> dict[str, Any]:
    return child_fields(one) if isinstance(one, ChildTold) else sent_fields(one)


def words(one: SentSignal | ChildTold) -> tuple[str, str]:
    """The subject, and what is said of it: ``("SIGTERM", "sent to PID 77 by kill")``, ``("child
    77", "was continued")``."""
    if isinstance(one, ChildTold):
        return f"child {one.pid}" if one.pid else "a command", child_words(one)
    return one.signal_name, f"sent {sent_words(one)}"


def sent_words(sent: SentSignal) -> str:
    """``to PID 77 by kill``."""
    if sent.target > 0:
        whom = f"to PID {sent.target}"
    elif sent.target < -1:
        whom = f"to process group {-sent.target}"
    elif sent.target == -1:
        whom = "to every process"
    elif sent.how == "pidfd_send_signal":
        whom = "through a pidfd"
    else:
        whom = "to its own process group"
    if sent.target_tid:
        whom += f", thread {sent.target_tid}"
    went = {0: "", None: ", and has not come back"}.get(
        sent.error, f": {errno.errorcode.get(sent.error or 0, str(sent.error))}"
    )
    return f"{whom} by {sent.how}{went}"


def child_words(child: ChildTold) -> str:
    """``was killed by SIGKILL``."""
    _, words = _CHANGES.get(child.code, ("", f"changed: code {child.code}, {{}}"))
    status = str(child.status) if child.code == CLD_EXITED else name(child.status)
    return words.format(status)
