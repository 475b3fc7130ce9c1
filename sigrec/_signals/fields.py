"""An event as a dict, as it is in JSON."""

from __future__ import annotations

from sigrec._signals.siginfo import FIELDS
from sigrec._text import json_text
from sigrec._times import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sigrec._signals.sender import Sender
    from sigrec._signals.siginfo import SignalInfo

VERSION = 1  # of an event in JSON: a line of ``tail --json``, of a .jsonl file


class Senders:
    """Looks for the name of a sender once a second of recorded time, and not for each event."""

    def __init__(self) -> None:
        self._known: dict[tuple[int | None, ...], tuple[Sender, dict[str, Any]]] = {}

    def of(self, info: SignalInfo) -> Sender:
        return self._look(info)[0]

    def fields(self, info: SignalInfo) -> dict[str, Any]:
        return self._look(info)[1]

    def _look(self, info: SignalInfo) -> tuple[Sender, dict[str, Any]]:
        second = info.time_ns // 10**9  # a pid is not used again so soon
        key = (info.si_signo, info.si_code, info.si_pid, info.si_uid, second)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= 1000:
                self._known.clear()
            sender = info.sender
            known = self._known[key] = sender, sender_fields(sender)
        return known


def fields(info: SignalInfo, sender: dict[str, Any]) -> dict[str, Any]:
    """By the names of SignalInfo; what si_code does not define is None."""
    return {
        "signal": info.signal_name,
        "time": rfc3339(info.time_ns),
        "time_ns": info.time_ns,
        "monotonic_ns": info.monotonic_ns,
        "ordinal": info.ordinal,
        "tid": info.tid,
        "sender": sender,
        **{field: getattr(info, field) for field in FIELDS},
    }


def sender_fields(sender: Sender) -> dict[str, Any]:
    return {
        "kind": sender.kind,
        "pid": sender.pid,
        "uid": sender.uid,
        "user": sender.user,
        "comm": None if sender.comm is None else json_text(sender.comm),
        "argv": None if sender.argv is None else [json_text(part) for part in sender.argv],
    }
