"""sigrec: a flight recorder for POSIX signals.

Every signal that the kernel delivers to the process is counted, exactly; as many as fit are
kept with full detail; Python handlers are called once for each; another process can read all of
it, live or after a SIGKILL. Importing this starts no thread and installs no handler.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._errors import NoRecordingError, RecordingError, SigrecError, WrongThreadError
    from sigrec._names import signal_name, signal_number
    from sigrec._publishing import configure
    from sigrec._recorder import Recorder, record
    from sigrec._recording import Recording, SignalStats, open_recording
    from sigrec._registration import Registration, SignalManager, register, unregister
    from sigrec._sending import pidfd_sigqueue, sigqueue
    from sigrec._siginfo import Sender, SignalInfo
    from sigrec._stats import ProcessStats, Stats, stats
    from sigrec._streams import Flag, Missed, Stream, stream, wait
    from sigrec._timers import Timer, timer

__all__ = [
    "Flag",
    "Missed",
    "NoRecordingError",
    "ProcessStats",
    "Recorder",
    "Recording",
    "RecordingError",
    "Registration",
    "Sender",
    "SignalInfo",
    "SignalManager",
    "SignalStats",
    "SigrecError",
    "Stats",
    "Stream",
    "Timer",
    "WrongThreadError",
    "configure",
    "open_recording",
    "pidfd_sigqueue",
    "record",
    "register",
    "signal_name",
    "signal_number",
    "sigqueue",
    "stats",
    "stream",
    "timer",
    "unregister",
    "wait",
]

__version__ = "0.1.0"

# A name's module is imported when the name is first used: `import sigrec` costs next to nothing.
_MODULES = {
    "Flag": "_streams",
    "Missed": "_streams",
    "NoRecordingError": "_errors",
    "ProcessStats": "_stats",
    "Recorder": "_recorder",
    "Recording": "_recording",
    "RecordingError": "_errors",
    "Registration": "_registration",
    "Sender": "_siginfo",
    "SignalInfo": "_siginfo",
    "SignalManager": "_registration",
    "SignalStats": "_recording",
    "SigrecError": "_errors",
    "Stats": "_stats",
    "Stream": "_streams",
    "Timer": "_timers",
    "WrongThreadError": "_errors",
    "configure": "_publishing",
    "open_recording": "_recording",
    "pidfd_sigqueue": "_sending",
    "record": "_recorder",
    "register": "_registration",
    "signal_name": "_names",
    "signal_number": "_names",
    "sigqueue": "_sending",
    "stats": "_stats",
    "stream": "_streams",
    "timer": "_timers",
    "unregister": "_registration",
    "wait": "_streams",
}


def __getattr__(name: str) -> object:
    # Whoever is about to import the core looks here first. A module of C has one state for the
    # process, and signals have one interpreter that handles them.
    if name == "_core" and not _in_main_interpreter():
        from sigrec._errors import WrongThreadError

        raise WrongThreadError(
            "signals are handled in the main interpreter: in a subinterpreter sigrec reads "
            "recordings, and no more"
        )
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Not by importlib, which is one more file to open, where there may be no descriptor left.
    value: object = getattr(__import__(f"sigrec.{_MODULES[name]}", fromlist=[name]), name)
    globals()[name] = value
    return value


def _in_main_interpreter() -> bool:
    import _thread

    is_main = getattr(_thread, "_is_main_interpreter", None)  # Python 3.12
    if is_main is not None:
        return bool(is_main())
    interpreters = __import__("_xxsubinterpreters")
    return bool(interpreters.get_current() == interpreters.get_main())


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
