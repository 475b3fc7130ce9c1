"""What became of a process, as JSON and in the sentence of
`why`, for the last line of tail and export."""

from __future__ import annotations

from sigrec._text import json_text
from sigrec._why.cause import cause
from sigrec._why.sentence import why

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sigrec._proc.ended import Ended
    from sigrec._reader.recording import Recording


def end_fields(recording: Recording, seen: Ended | None = None) -> dict[str, Any]:
    """The fields of that JSON. seen: how a bystander saw it end, if one did."""
    found = cause(recording, seen=seen)
    return {
        "pid": recording.pid,
        "state": recording.state,
        "signal": None if found.signal is None else recording.signal_name(found.signal),
        "status": found.status,
        "sentence": json_text(why(recording, found=found)),
    }
