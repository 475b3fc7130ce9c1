"""JSON Lines: what ``sigrec tail --json`` prints; and, where the process has ended, how it did."""

from __future__ import annotations

import json

from sigrec._signals import told
from sigrec._signals.fields import EVENT_VERSION, SenderCache
from sigrec._signals.sent import ChildTold, SentSignal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from sigrec.export.selection import Selection


def write(selection: Selection, out: TextIO) -> None:
    senders = SenderCache()
    for event in selection.everything():
        if isinstance(event, (SentSignal, ChildTold)):
            fields = told.fields(event)
        else:
            fields = senders.fields(event)
        # ASCII, and so safe on a terminal too.
        out.write(json.dumps({"version": EVENT_VERSION, **fields}) + "\n")
    if selection.recording.state != "alive":
        out.write(json.dumps({"version": EVENT_VERSION, **selection.end()}) + "\n")
