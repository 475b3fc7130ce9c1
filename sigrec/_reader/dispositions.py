"""The changes of a process's dispositions,
and which calls made them. In C: csrc/program/disposition.h."""

from __future__ import annotations

from sigrec._reader.format import LEDGER_COUNT
from sigrec._reader.infos import Infos
from sigrec._reader.notes import Sites, notes
from sigrec._signals.disposition import Disposition
from sigrec._signals.names import name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._reader.format import Header
    from sigrec._reader.identity import Identity
    from sigrec._reader.source import Source

# Disposition.action and Disposition.how, by the numbers in the recording.
ACTIONS = {0: "default", 1: "ignore", 2: "handler", 3: "sigrec"}
HOW = {
    0: "before", 1: "inherited", 2: "forked", 3: "sigaction", 4: "signal", 5: "register", 6: "reset",
}  # fmt: skip


def dispositions(
    source: Source, header: Header, identity: Identity, here: bool
) -> list[Disposition]:
    """The newest eight changes of each signal, in order."""
    changes = notes(source, header.dispositions, LEDGER_COUNT)
    if not changes:
        return []
    infos, sites = Infos(source, here), Sites(source, header.sites, identity.executable)
    found = []
    for signum, (at, ordinal, _, how, action, site, flags, *_) in changes:
        if signum:
            change = Disposition()
            change.si_signo, change.signal_name = signum, name(signum, header.sigrtmin)
            change.action = ACTIONS.get(action, f"action {action}")
            change.how = HOW.get(how, f"call {how}")
            change.file, change.line, change.library = sites.of(site)
            change.flags = flags
            change.monotonic_ns, change.time_ns = at, at + infos.offset_at(at)
            change.ordinal = ordinal
            found.append(change)
    return found
