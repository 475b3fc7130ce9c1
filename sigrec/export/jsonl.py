"""JSON Lines: what ``sigrec tail --json`` prints; and, where the process has ended, how it did."""

from __future__ import annotations

import json

from sigrec._signals import told
from sigrec._signals.fields import EVENT_VERSION, Senders
from sigrec._signals.sent import ChildTold, SentSignal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from sigrec.export.source import Source


def write(source: Source, out: TextIO) -> None:
    senders = Senders()
    for event in source.everything():
        if isinstance(event, (SentSignal, ChildTold)):
            fields = told.fields(event)
        else:
            fields = senders.fields(event)
        # ASCII, and so safe on a terminal too.
        out.write(json.dumps({"version": EVENT_VERSION, **fields}) + "\n")
    if source.recording.state != "alive":
        out.write(json.dumps({"version": EVENT_VERSION, **source.end()}) + "\n")
