"""The answer about a process that has no recording: what a bystander can know."""

from __future__ import annotations

import os

from sigrec._signals.names import name
from sigrec._signals.sender import Sender
from sigrec._signals.words import ended_words
from sigrec._text import json_text, printable, shortened
from sigrec._times import local_time, rfc3339
from sigrec._why import oom as oom_killer
from sigrec._why.answer import VERSION
from sigrec._why.evidence import by_bystander, by_cgroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sigrec._proc.ended import Ended
    from sigrec._why.oom import Oom


class Unrecorded:
    """As an Answer; who sent a signal is not known of it."""

    def __init__(
        self, pid: int, argv: list[str], uid: int | None, seen: Ended, oom: Oom | None
    ) -> None:
        self.pid = pid
        self.argv = argv
        self.seen = seen
        self.oom = oom
        command = [os.path.basename(part) for part in argv[:1]] + argv[1:]
        what = [shortened(printable(" ".join(command)), 60)] if command else []
        what += [f"uid {uid}"] if uid not in (None, os.geteuid()) else []
        self._who = f"PID {pid}" + (f" ({', '.join(what)})" if what else "")

    @property
    def _time_ns(self) -> int:
        assert self.seen.time_ns is not None  # of a bystander
        return self.seen.time_ns

    @property
    def sentence(self) -> str:
        seen, oom = self.seen, self.oom
        text = f"{self._who} {ended_words(seen)}, as was seen at {_clock(self._time_ns)}"
        if oom is None or not oom.probably:
            more = "how it ended" if seen.source is None else "who sent that"
            if seen.status is None:
                text += f"; {more} is not known: it has no recording"
        if oom is not None:
            text += oom_killer.words(oom, _clock(oom.since_ns))
        return f"{text}."

    def to_dict(self) -> dict[str, Any]:
        """As Answer.to_dict()."""
        seen, oom = self.seen, self.oom
        probably = oom is not None and oom.probably
        sender = None
        if seen.signal is not None:
            nobody = Sender("kernel" if probably else "unknown")
            sender = {**nobody.to_dict(), "parent": None}
        kind = "exit" if seen.signal is None else "signal"
        evidence = [by_bystander(seen)] + ([by_cgroup(oom)] if oom is not None else [])
        return {
            "version": VERSION,
            "pid": self.pid,
            "host": json_text(os.uname().nodename),
            "argv": [json_text(part) for part in self.argv],
            "state": "ended",
            "sentence": json_text(self.sentence),
            "time": rfc3339(self._time_ns),
            "cause": {
                "kind": "unknown" if seen.source is None else kind,
                "signal": None if seen.signal is None else name(seen.signal),
                "status": seen.status,
                "exception": None,
                "oom": probably,
                "program": None,
            },
            "sender": sender,
            "evidence": [one._asdict() for one in evidence],
            "before": [],
        }


def _clock(time_ns: int) -> str:
    return local_time(time_ns, "%H:%M:%S")
