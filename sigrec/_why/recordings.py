"""The recordings in which an answer is looked for. Each is found, opened and read once."""

from __future__ import annotations

import os
from functools import cached_property

from sigrec._reader import index, places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from sigrec._reader.recording import Recording


class Recordings:
    """The recordings in which witnesses look. opened: those that are open already."""

    def __init__(self, opened: Iterable[Recording] = ()) -> None:
        self._opened: dict[str, Recording | None] = {
            os.path.abspath(recording.path): recording for recording in opened if recording.path
        }
        self._in_directory: dict[str, list[Recording]] = {}
        self._of_pid: dict[str, dict[int, list[Recording]]] = {}

    @cached_property
    def _all_paths(self) -> list[str]:
        return places.recordings() + (places.of_others() if os.geteuid() == 0 else [])

    def beside(self, path: str) -> list[Recording]:
        """Where witnesses look: that recording, those in its directory, and all that this user
        can find (root: those of all users)."""
        directory = os.path.dirname(os.path.abspath(path))
        if directory not in self._in_directory:
            paths = dict.fromkeys([*self._all_paths, *places.beside(path), os.path.abspath(path)])
            self._in_directory[directory] = [
                recording for recording in map(self._recording_at, paths) if recording is not None
            ]
        return self._in_directory[directory]

    def of_pid(self, path: str, pid: int) -> list[Recording]:
        """Of the recordings that beside() returns, those whose process had that PID."""
        directory = os.path.dirname(os.path.abspath(path))
        if directory not in self._of_pid:
            by_pid: dict[int, list[Recording]] = {}
            for recording in self.beside(path):
                by_pid.setdefault(recording.pid, []).append(recording)
            self._of_pid[directory] = by_pid
        return self._of_pid[directory].get(pid, [])

    def _recording_at(self, path: str) -> Recording | None:
        if path not in self._opened:
            self._opened[path] = next(index.opened([path]), None)
        return self._opened[path]
