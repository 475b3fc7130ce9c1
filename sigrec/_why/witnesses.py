"""Those who know of an end what the process itself could not record."""

from __future__ import annotations

from sigrec._why.parents import Parents
from sigrec._why.recordings import Recordings
from sigrec._why.senders import Senders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from sigrec._reader.recording import Recording


class Witnesses:
    """Each recording is read once, for the answers about many processes.

    opened: those that are open already. recordings: those to look into; default: these, those beside
    them, and all that this user can find.
    """

    def __init__(
        self, opened: Iterable[Recording] = (), recordings: Recordings | None = None
    ) -> None:
        recordings = recordings or Recordings(opened)
        self.parents = Parents(recordings)
        self.senders = Senders(recordings)
