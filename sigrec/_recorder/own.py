"""This process's own recording, and stats(): its ledger."""

from __future__ import annotations

import os

from sigrec import _core
from sigrec._reader.recording import Recording
from sigrec._reader.source import Source
from sigrec._reader.stats import Stats
from sigrec._recorder import publishing


def stats() -> Stats:
    """This process's ledger. In a forked child it begins at the fork."""
    return Stats([own_recording() if publishing.started() else None])


def own_recording() -> Recording:
    """This process's recording, up to date. It is made if there is none."""
    publishing.start()
    _core.fold()
    _core.refresh_modes()
    publishing.notice_loss()
    return Recording(Source(_core.read, os.fsdecode(_core.path()) or None))


stats.__module__ = "sigrec"
