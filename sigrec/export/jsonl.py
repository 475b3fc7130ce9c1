"""JSON Lines: what ``sigrec tail --json`` prints."""

from __future__ import annotations

import json

from sigrec.export._fields import Senders, fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from sigrec.export import Source

JSON_VERSION = 1


def write(source: Source, out: TextIO) -> None:
    senders = Senders()
    for info in source:
        # ASCII, and so safe on a terminal too.
        out.write(
            json.dumps({"version": JSON_VERSION, **fields(info, senders.fields(info))}) + "\n"
        )
