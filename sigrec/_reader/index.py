"""Finds and opens every recording of this user."""

from __future__ import annotations

import os

from sigrec._errors import RecordingError
from sigrec._reader import places
from sigrec._reader.opening import open_recording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sigrec._reader.recording import Recording


def raise_descriptors() -> None:
    """Raises the limit of descriptors as far as that is allowed: each recording that is open needs
    one, and each process another. For a process of sigrec's own."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (ValueError, OSError):
        pass


def opened(
    paths: Iterable[str] | None = None, bad: Callable[[RecordingError], None] | None = None
) -> Iterator[Recording]:
    """Yields each of those files (default: all of this user's) that is a recording; the caller
    closes it. A process may end, and remove its file, while this looks.

    bad: called for a file that is no recording; but not for an empty one whose process is gone,
    since nobody could do anything about it.
    """
    for path in places.recordings() if paths is None else paths:
        try:
            recording = open_recording(path)
        except RecordingError as error:
            if bad is not None and os.path.exists(path) and not places.is_left_empty(path):
                bad(error)
            continue
        yield recording
