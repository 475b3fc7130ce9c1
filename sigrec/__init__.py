"""sigrec: a flight recorder for POSIX signals.

Every signal that the kernel delivers to the process is counted, exactly; as many as fit are
kept with full detail; Python handlers are called once for each; another process can read all of
it, live or after a SIGKILL. Importing this starts no thread and installs no handler.
"""

from __future__ import annotations

from sigrec._errors import NoRecordingError, RecordingError, SigrecError, WrongThreadError
from sigrec._publishing import configure
from sigrec._registration import Registration, SignalManager, register, unregister
from sigrec._sending import sigqueue
from sigrec._siginfo import SignalInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._recording import Recording, open_recording
    from sigrec._stats import Stats, stats

__all__ = [
    "NoRecordingError",
    "Recording",
    "RecordingError",
    "Registration",
    "SignalInfo",
    "SignalManager",
    "SigrecError",
    "Stats",
    "WrongThreadError",
    "configure",
    "open_recording",
    "register",
    "sigqueue",
    "stats",
    "unregister",
]

__version__ = "0.1.0"

# Reading is for those who look; a program that only registers does not pay for it.
_LAZY = {
    "Recording": "sigrec._recording",
    "open_recording": "sigrec._recording",
    "Stats": "sigrec._stats",
    "stats": "sigrec._stats",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


# Tracebacks and documentation name the public path.
for _public in (Registration, SignalManager, configure, register, sigqueue, unregister):
    _public.__module__ = "sigrec"
del _public
