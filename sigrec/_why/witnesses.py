"""Those who know of an end what the process itself could not record."""

from __future__ import annotations

from functools import cached_property

from sigrec._why.parents import Parents
from sigrec._why.recordings import Recordings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from sigrec._reader.recording import Recording
    from sigrec._why.senders import Senders


class Witnesses:
    """The recordings of parents and senders, as witnesses of an end. Each is read once, for the
    answers about many processes.

    opened: those that are open already. recordings: those to look into; default: these, those beside
    them, and all that this user can find.
    """

    def __init__(
        self, opened: Iterable[Recording] = (), recordings: Recordings | None = None
    ) -> None:
        self._recordings = recordings or Recordings(opened)
        self.parents = Parents(self._recordings)

    @cached_property
    def senders(self) -> Senders:
        """Asked only where the process did not record itself what ended it."""
        from sigrec._why.senders import Senders

        return Senders(self._recordings)
