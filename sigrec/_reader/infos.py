"""Makes a SignalInfo of an event, with the clock and the names of its recording."""

from __future__ import annotations

from sigrec._reader.anchors import Anchors
from sigrec._signals.siginfo import SignalInfo, SignalInfoFromElsewhere, _set_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sigrec._reader.source import Source
    from sigrec._signals.siginfo import Names


class Infos:
    """Uses the anchors that the recording has now. here: the recording's pids mean processes of
    this machine, boot and PID namespace."""

    __slots__ = ("_make", "began_ns", "offset_at", "offsets")

    def __init__(self, source: Source, here: bool) -> None:
        anchors = Anchors(source)
        self.offset_at, self.began_ns = anchors.offset_at, anchors.began_ns
        self.offsets = anchors.offsets
        self._make = (SignalInfo if here else SignalInfoFromElsewhere)._make

    def of(self, event: Sequence[int], names: Names) -> SignalInfo:
        info = self._make(self.offset_at(event[0]), *event)
        _set_names(info, names)
        return info
