"""Many events as dicts, as they are in JSON."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sigrec._signals.sender import Sender
    from sigrec._signals.siginfo import SignalInfo

# Of the format of an event in JSON: one line of ``tail --json``, or of a .jsonl file.
EVENT_VERSION = 1


class SenderCache:
    """Looks up the name of a sender once for each second of
    recorded time, and not for each event."""

    def __init__(self) -> None:
        self._known: dict[tuple[int | None, ...], tuple[Sender, dict[str, Any]]] = {}

    def of(self, info: SignalInfo) -> Sender:
        return self._look(info)[0]

    def fields(self, info: SignalInfo) -> dict[str, Any]:
        """An event's fields: the same as ``info.to_dict()``."""
        return info._to_dict(self._look(info)[1])

    def _look(self, info: SignalInfo) -> tuple[Sender, dict[str, Any]]:
        second = info.time_ns // 10**9  # a pid is not used again so soon
        key = (info.si_signo, info.si_code, info.si_pid, info.si_uid, second)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= 1000:
                self._known.clear()
            sender = info.sender
            known = self._known[key] = sender, sender.to_dict()
        return known
