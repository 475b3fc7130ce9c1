"""The answer about a process that has no recording: what a bystander can know, and its sender wrote down."""

from __future__ import annotations

import os

from sigrec._proc.host import names_ours
from sigrec._signals.names import name
from sigrec._signals.sender import Sender
from sigrec._times import local_clock
from sigrec._why import oom as oom_killer
from sigrec._why.answer import document, from_its_recording, without_parent
from sigrec._why.brief import ended_words, unknown_words
from sigrec._why.evidence import by_bystander, by_cgroup, by_sender
from sigrec._why.heard import sent_words
from sigrec._why.sentence import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sigrec._proc.ended import Ended
    from sigrec._why.oom import Oom
    from sigrec._why.senders import SentBy


class Unrecorded:
    """The answer about the end of a process without a recording; it has what an Answer has. by: who
    recorded that it sent the signal; None: nobody did."""

    def __init__(
        self,
        pid: int,
        argv: list[str],
        uid: int | None,
        seen: Ended,
        oom: Oom | None,
        by: SentBy | None = None,
    ) -> None:
        self.pid = pid
        self.argv = argv
        self.seen = seen
        self.by = by
        self.oom = oom._replace(probably=False) if oom is not None and by is not None else oom
        self._who = named(pid, argv, uid)

    @property
    def _time_ns(self) -> int:
        assert self.seen.time_ns is not None  # of a bystander
        return self.seen.time_ns

    @property
    def sentence(self) -> str:
        seen, oom = self.seen, self.oom
        text = f"{self._who} {ended_words(seen)}, as was seen at {local_clock(self._time_ns)}"
        if self.by is not None:
            text += f"; {sent_words(self.by, 'it')}; no recording of its own is found"
        elif oom is None or not oom.probably:
            more = "how it ended" if seen.seen_by is None else unknown_words(seen.signal)
            if seen.status is None:
                text += f"; {more} is not known"
                # Otherwise it cannot be told whose recording one of that PID is.
                text += ": no recording of the process is found" if names_ours() else ""
        if oom is not None:
            text += oom_killer.words(oom, local_clock(oom.since_ns))
        return f"{text}."

    def to_dict(self) -> dict[str, Any]:
        """As Answer.to_dict()."""
        seen, oom = self.seen, self.oom
        probably = oom is not None and oom.probably
        sender = None
        if seen.signal is not None:
            sender = (
                without_parent(Sender("kernel" if probably else "unknown"))
                if self.by is None
                else from_its_recording(self.by.sender, "process")
            )
        kind = "exit" if seen.signal is None else "signal"
        evidence = [by_bystander(seen)]
        evidence += [by_sender(self.by)] if self.by is not None else []
        evidence += [by_cgroup(oom)] if oom is not None else []
        return document(
            pid=self.pid,
            host=os.uname().nodename,
            argv=self.argv,
            state="ended",
            sentence=self.sentence,
            time_ns=self._time_ns,
            kind="unknown" if seen.seen_by is None else kind,
            signal_name=None if seen.signal is None else name(seen.signal),
            status=seen.status,
            oom=probably,
            sender=sender,
            evidence=evidence,
        )
