"""What can go wrong at run time. Bad arguments are ValueError."""

from __future__ import annotations


class SigrecError(Exception):
    """The base of sigrec's own errors."""


class RecordingError(SigrecError):
    """A file that is not a recording that this version can read; the message says why."""


class NoRecordingError(RecordingError):
    """There is no such file, or no such process, or it publishes no recording."""


class WrongThreadError(SigrecError, ValueError):
    """Handlers run in the main thread of the main interpreter, and are set there."""


for _error in (SigrecError, RecordingError, NoRecordingError, WrongThreadError):
    _error.__module__ = "sigrec"
del _error
