"""The exceptions for what can go wrong at run time. A bad argument raises ValueError."""

from __future__ import annotations


class SigrecError(Exception):
    """The base of sigrec's own errors."""


class RecordingError(SigrecError):
    """The file is no recording that this version can read; the message says why."""


class NoRecordingError(RecordingError):
    """There is no such file, or no such process, or it has no recording."""


class WrongThreadError(SigrecError, ValueError):
    """A handler that runs in the main thread must be set there, in the main interpreter."""


for _error in (SigrecError, RecordingError, NoRecordingError, WrongThreadError):
    _error.__module__ = "sigrec"
del _error
