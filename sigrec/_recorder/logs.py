"""log_signals(): logs each signal, with its fields, by the logging module."""

from __future__ import annotations

from sigrec import _check, _core
from sigrec._errors import SigrecError
from sigrec._reader.follow import POLL_S, Position, new_events
from sigrec._recorder.own import own_recording
from sigrec._recorder.record import record
from sigrec._signals.names import name
from sigrec._text import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from typing import Any

    from sigrec._recorder.record import Recorder

_INFO = 20  # logging.INFO
CLOSE_S = 5.0  # how long close() waits for a logger that does not return


class SignalLog(_core.Block):
    """Logs signals as they come, as made by :func:`log_signals`. As a
    context manager it ends with the block."""

    def __init__(
        self, logger: logging.Logger | logging.LoggerAdapter[Any], level: int, recorder: Recorder
    ) -> None:
        from threading import Event, Thread

        self._logger = logger
        self._level = level
        self._recorder = recorder
        self._position = Position(sorted(recorder.signums))
        with own_recording() as recording:
            self._position.begin(recording)
            new_events(recording, self._position, newest=0)
        self._closed = False
        self._stop = Event()
        self._thread = Thread(target=self._log_until_closed, name="sigrec log", daemon=True)
        self._thread.start()

    def _log_until_closed(self) -> None:
        while not self._stop.wait(POLL_S):
            self._log_new()
        self._log_new(last=True)

    def _log_new(self, last: bool = False) -> None:
        with own_recording() as recording:
            missed, events = new_events(recording, self._position, last)
        for signum, (overwritten, dropped) in missed.items():
            unlogged = overwritten + dropped
            self._log_one(
                "%s %s: came too fast to be logged one by one",
                (number(unlogged), name(signum)),
                {"signal": name(signum), "missed": unlogged},
            )
        for info in events:
            self._log_one("%s from %s", (info.signal_name, info.sender), info.to_dict())

    def _log_one(self, text: str, arguments: tuple[object, ...], fields: dict[str, Any]) -> None:
        """Logs one signal. What the logger raises, as one of its filters may, is reported, and does
        not keep the next ones from being logged."""
        try:
            self._logger.log(self._level, text, *arguments, extra={"signal": fields})
        except Exception as error:
            from threading import ExceptHookArgs, current_thread, excepthook

            excepthook(ExceptHookArgs((type(error), error, error.__traceback__, current_thread())))

    def close(self) -> None:
        """End it, once all that was delivered before is logged; a second call does nothing.

        Raises SigrecError if that takes more than 5 seconds: it is ended then, too, and the rest is
        logged as soon as the loggers allow it. In a signal handler this can happen when the
        interrupted code holds a lock of a logger's.
        """
        from threading import current_thread

        if self._closed:
            return
        self._closed = True  # first: a handler that interrupts set() must not call it again
        self._stop.set()
        if self._thread is not current_thread():
            self._thread.join(CLOSE_S)
        self._recorder.stop()
        if self._thread is not current_thread() and self._thread.is_alive():
            raise SigrecError(
                f"what was delivered before is not logged yet: the thread that logs waits since {CLOSE_S:g} s, "
                "perhaps for a lock that the caller holds"
            )

    _leave = close


def log_signals(
    logger: logging.Logger | logging.LoggerAdapter[Any], *signums: int, level: int = _INFO
) -> SignalLog:
    """Log these signals from now on. They are recorded as by :func:`record`, so the program handles
    them as before. No signums: all that record() records.

    Each signal is one log record, whose attribute ``signal`` is the result of
    :meth:`SignalInfo.to_dict`; formatters for JSON, Sentry and OpenTelemetry accept that. A thread
    logs them a moment after they came, and no signal handler. A signal that ends the process at
    once is not logged any more, but is in the recording. level: the level of the records.

    Raises ValueError for a bad argument, and what record() raises.
    """
    if not callable(getattr(logger, "log", None)):
        _check.bad("logger must be a logging.Logger", logger)
    level = _check.integer("level must be an int from 0 to 100, as logging.INFO", level, 0, 100)
    return SignalLog(logger, level, record(*signums))


for _public in (SignalLog, log_signals):
    _public.__module__ = "sigrec"
del _public
