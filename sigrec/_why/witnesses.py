"""Those who know of an end what the process itself could not record."""

from __future__ import annotations

from sigrec._why.parents import Parents
from sigrec._why.senders import Senders


class Witnesses:
    """Each recording is read once, for the answers about many processes."""

    def __init__(self) -> None:
        self.parents = Parents()
        self.senders = Senders()
