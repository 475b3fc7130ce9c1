"""sigrec: a flight recorder for POSIX signals.

Every signal that the kernel delivers to the process is counted, exactly. As many as fit are kept
with full detail, and Python handlers are called once for each. Another process can read all of it,
live or after a SIGKILL. Importing this module starts no thread and installs no handler.

PYTEST_DONT_REWRITE: under ``sigrec run`` this is imported before pytest, which would warn about
that.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sigrec._errors import NoRecordingError, RecordingError, SigrecError, WrongThreadError
    from sigrec._handling.flag import Flag
    from sigrec._handling.manager import SignalManager
    from sigrec._handling.registration import Registration, register, unregister
    from sigrec._handling.sending import pidfd_sigqueue, sigqueue
    from sigrec._handling.streams import Stream, stream, wait
    from sigrec._handling.timeouts import Timeout, timeout
    from sigrec._handling.timers import Timer, timer
    from sigrec._reader.ledger import SignalStats
    from sigrec._reader.opening import open_recording
    from sigrec._reader.recording import Recording
    from sigrec._reader.stats import ProcessStats, Stats
    from sigrec._recorder.attach import attach, detach
    from sigrec._recorder.fixture import SignalsFixture
    from sigrec._recorder.logs import SignalLog, log_signals
    from sigrec._recorder.own import stats
    from sigrec._recorder.publishing import configure
    from sigrec._recorder.record import Recorder, record
    from sigrec._signals.disposition import Disposition
    from sigrec._signals.mask import MaskChange
    from sigrec._signals.missed import Missed
    from sigrec._signals.names import signal_name, signal_number
    from sigrec._signals.sender import Sender
    from sigrec._signals.sent import SentSignal
    from sigrec._signals.siginfo import SignalInfo

__all__ = [
    "Disposition",
    "Flag",
    "MaskChange",
    "Missed",
    "NoRecordingError",
    "ProcessStats",
    "Recorder",
    "Recording",
    "RecordingError",
    "Registration",
    "Sender",
    "SentSignal",
    "SignalInfo",
    "SignalLog",
    "SignalManager",
    "SignalStats",
    "SignalsFixture",
    "SigrecError",
    "Stats",
    "Stream",
    "Timeout",
    "Timer",
    "WrongThreadError",
    "attach",
    "configure",
    "detach",
    "log_signals",
    "open_recording",
    "pidfd_sigqueue",
    "record",
    "register",
    "signal_name",
    "signal_number",
    "sigqueue",
    "stats",
    "stream",
    "timeout",
    "timer",
    "unregister",
    "wait",
]

__version__ = "0.1.0"

# A name's module is imported when the name is first used: `import sigrec` costs next to nothing.
_MODULES = {
    "Disposition": "_signals.disposition",
    "Flag": "_handling.flag",
    "MaskChange": "_signals.mask",
    "Missed": "_signals.missed",
    "NoRecordingError": "_errors",
    "ProcessStats": "_reader.stats",
    "Recorder": "_recorder.record",
    "Recording": "_reader.recording",
    "RecordingError": "_errors",
    "Registration": "_handling.registration",
    "SentSignal": "_signals.sent",
    "Sender": "_signals.sender",
    "SignalInfo": "_signals.siginfo",
    "SignalLog": "_recorder.logs",
    "SignalManager": "_handling.manager",
    "SignalStats": "_reader.ledger",
    "SignalsFixture": "_recorder.fixture",
    "SigrecError": "_errors",
    "Stats": "_reader.stats",
    "Stream": "_handling.streams",
    "Timeout": "_handling.timeouts",
    "Timer": "_handling.timers",
    "WrongThreadError": "_errors",
    "attach": "_recorder.attach",
    "configure": "_recorder.publishing",
    "detach": "_recorder.attach",
    "log_signals": "_recorder.logs",
    "open_recording": "_reader.opening",
    "pidfd_sigqueue": "_handling.sending",
    "record": "_recorder.record",
    "register": "_handling.registration",
    "signal_name": "_signals.names",
    "signal_number": "_signals.names",
    "sigqueue": "_handling.sending",
    "stats": "_recorder.own",
    "stream": "_handling.streams",
    "timeout": "_handling.timeouts",
    "timer": "_handling.timers",
    "unregister": "_handling.registration",
    "wait": "_handling.streams",
}


def __getattr__(name: str) -> object:
    # An import of the core comes here first. A module in C has one state for the whole process, and
    # only one interpreter handles signals.
    if name == "_core":
        return _import_core()
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # importlib would be one more file to open, and there may be no descriptor left.
    value: object = getattr(__import__(f"sigrec.{_MODULES[name]}", fromlist=[name]), name)
    globals()[name] = value
    return value


def _import_core() -> object:
    from sigrec._errors import SigrecError, WrongThreadError

    if not _in_main_interpreter():
        raise WrongThreadError(
            "signals are handled in the main interpreter: in a subinterpreter sigrec reads "
            "recordings, and no more"
        )
    try:
        return __import__("sigrec._core", fromlist=["_core"])
    except ModuleNotFoundError as error:
        if error.name != "sigrec._core":
            raise
    import sys

    raise SigrecError(
        f"{__path__[0]} has no extension module for {sys.executable}, which is Python "
        f"{sys.version.split()[0]}. If it is a source tree and another sigrec is installed, start in "
        "another directory, or with python -P; or build this one: pip install -e ."
    )


def _in_main_interpreter() -> bool:
    import _thread

    is_main = getattr(_thread, "_is_main_interpreter", None)  # Python 3.12
    if is_main is not None:
        return bool(is_main())
    # Python 3.11: _xxsubinterpreters knows, but to load it takes a tenth of the time in which sigrec
    # is imported. set_wakeup_fd() looks first at who calls, and only in the main
    # thread of the main interpreter at the descriptor, which nobody can have.
    try:
        __import__("_signal").set_wakeup_fd(0x7FFFFFFF)
    except OSError:
        return True
    except ValueError:  # another thread, or another interpreter
        pass
    interpreters = __import__("_xxsubinterpreters")
    return bool(interpreters.get_current() == interpreters.get_main())


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
