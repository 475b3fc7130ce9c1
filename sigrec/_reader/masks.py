"""The changes of the signal masks of a process's threads,
and which calls made them: csrc/program/mask.h."""

from __future__ import annotations

from sigrec._reader.format import LEDGER_COUNT
from sigrec._reader.infos import Infos
from sigrec._reader.notes import Sites, notes
from sigrec._signals.names import name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.format import Header
    from sigrec._reader.identity import Identity
    from sigrec._reader.source import Source
    from sigrec._signals.mask import MaskChange

ROWS = 2 * LEDGER_COUNT  # by signal number: the main thread's, then those of all others
# MaskChange.how, by the numbers in the recording.
HOW = {2: "forked", 3: "pthread_sigmask", 4: "sigprocmask", 5: "sighold"}


def masks(source: Source, header: Header, identity: Identity, here: bool) -> list[MaskChange]:
    """For each signal the newest four changes of the main thread
    and the newest four of all other threads, in order."""
    changes = notes(source, header.masks, ROWS)
    if not changes:
        return []
    from sigrec._signals.mask import MaskChange

    infos, sites = Infos(source, here), Sites(source, header.sites, identity.executable)
    found = []
    for row, (at, ordinal, signum, how, blocked, site, mask, tid, *_) in changes:
        change = MaskChange()
        change.si_signo = signum
        change.signal_name = name(signum, header.sigrtmin) if signum else "all signals"
        change.blocked = bool(blocked)
        change.main_thread = row < LEDGER_COUNT
        change.how = HOW.get(how, f"call {how}")
        change.file, change.line, change.library = sites.of(site)
        change.tid = tid or None
        change.mask = frozenset(n for n in range(1, LEDGER_COUNT) if mask >> (n - 1) & 1)
        change.monotonic_ns, change.time_ns = at, at + infos.offset_at(at)
        change.ordinal = ordinal
        found.append(change)
    return found
