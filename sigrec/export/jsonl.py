"""JSON Lines: what ``sigrec tail --json`` prints."""

from __future__ import annotations

import json

from sigrec._signals.fields import VERSION, Senders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from sigrec.export.source import Source


def write(source: Source, out: TextIO) -> None:
    senders = Senders()
    for info in source:
        # ASCII, and so safe on a terminal too.
        out.write(json.dumps({"version": VERSION, **senders.fields(info)}) + "\n")
