"""Recordings that were counted before, in whole or in part, so that nothing is counted twice.

The ends of some were counted, and their files may stay, be copied, or be put back. Others were
counted in part by an earlier run of `sigrec serve`, and this run has not met them yet.
"""

from __future__ import annotations

import os
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sigrec._serve.watched import Watched

_MOST_GONE = 1000


class Past:
    """Each attribute is by a recording's key. files: paths and inodes of each recording whose end
    was counted, as long as it has a file. gone: the newest of those that have none any more. lost:
    how many recordings were removed while no `sigrec serve` ran."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, int]] = {}
        self.gone: deque[str] = deque(maxlen=_MOST_GONE)
        self.lost = 0
        # What the state says about recordings not seen yet: path, and result of Watched.to_list().
        self._kept: dict[str, list[Any]] = {}

    def has(self, watched: Watched) -> bool:
        """Whether the end of that recording was counted; if
        so, this is noted as one of its files."""
        paths = self.files.get(watched.key)
        if paths is None:
            return False
        paths[watched.path] = watched.inode
        return True

    def add(self, watched: Watched) -> None:
        """Notes that the end of that recording was counted."""
        self.files[watched.key] = {watched.path: watched.inode}
        self.forget(watched.path)

    def restore_one(self, watched: Watched) -> bool:
        """Restores what an earlier run has counted of that
        recording. False: that run did not know it."""
        if watched.key not in self._kept:
            return False
        _, kept = self._kept.pop(watched.key)
        watched.restore(kept)
        return True

    def inodes(self) -> dict[str, int]:
        """The files of all recordings whose end was counted, by path."""
        return {path: number for paths in self.files.values() for path, number in paths.items()}

    def forget(self, path: str) -> None:
        """Forgets that file, which may be gone, or be another one by now."""
        for key, paths in list(self.files.items()):
            if path in paths and inode(path) != paths[path]:
                del paths[path]
                if not paths:
                    del self.files[key]
                    self.gone.append(key)

    def look_again(self) -> int:
        """Forgets each file that is gone. Returns how many of the recordings that an earlier run
        knew are gone, and had not been counted to their end."""
        for path in self.inodes():
            self.forget(path)
        gone = [key for key, (path, _) in self._kept.items() if _is_removed(path)]
        lost = sum(not self._kept[key][1][0] for key in gone)
        for key in gone:
            del self._kept[key]
        self.gone.extend(gone)
        self.lost += lost
        return lost

    def to_dict(self) -> dict[str, Any]:
        ended = {key: [min(paths), [1, [], []]] for key, paths in self.files.items()}
        return {"lost": self.lost, "gone": list(self.gone), "recordings": {**ended, **self._kept}}

    def restore(self, kept: dict[str, Any]) -> None:
        """Takes what to_dict() made in an earlier run. Raises ValueError, TypeError or KeyError for
        anything else."""
        self.lost = int(kept["lost"])
        self.gone.extend(map(str, kept["gone"]))
        self._kept = {str(key): [str(of[0]), list(of[1])] for key, of in kept["recordings"].items()}


def inode(path: str) -> int | None:
    """The inode of that file; None: there is none."""
    try:
        return os.lstat(path).st_ino
    except OSError:
        return None


def _is_removed(path: str) -> bool:
    """Whether a recording's file was removed. That is not so if its whole directory is
    missing, or may not be entered."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return os.path.isdir(os.path.dirname(path))
    except OSError:
        pass
    return False
