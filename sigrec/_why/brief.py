"""What became of a process, in three words."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.recording import Recording


STATES = {
    "alive": "alive",
    "exited": "exited cleanly",
    "replaced": "replaced by another program (exec)",
    "ended": "ended without saying (killed, crashed, or os._exit)",
    "unknown": "cannot be told from here",
}


def state_words(recording: Recording) -> str:
    """Its state, and where it is known what ended it: that. (``sigrec why`` says it whole.)"""
    state = recording.state
    if state == "ended" and recording.ending is not None:
        return f"ended by {recording.name(recording.ending[0])}"
    if state == "ended" and recording.leave == "_exit":
        return "ended by os._exit"
    return STATES[state]
