"""Which directories are watched, those that appear later among them, and what appears in them."""

from __future__ import annotations

import os
import stat

from sigrec._proc import inotify
from sigrec._proc.inotify import Inotify
from sigrec._reader import places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_IN = (
    inotify.CREATE | inotify.MOVED_TO | inotify.DELETE | inotify.MOVED_FROM | inotify.CLOSE_WRITE
    | inotify.DELETE_SELF | inotify.MOVE_SELF | inotify.ONLYDIR
)  # fmt: skip
_ABOVE = inotify.CREATE | inotify.MOVED_TO | inotify.ONLYDIR


class Directories:
    """named: those that the user gave, and the directories that are in them; none: those in which
    this user's recordings are, or for root those of all users.

    refused: by directory, why its files are not trusted.
    """

    def __init__(self, named: list[str]) -> None:
        self._named = [os.path.abspath(path) for path in named]
        self.refused: dict[str, str] = {}
        self.watches: dict[int, str] = {}  # of directories with recordings
        self._above: dict[int, str] = {}  # of those in which one may appear
        try:
            self.inotify: Inotify | None = Inotify()
        except OSError:
            self.inotify = None  # none is left: who asks has to look again and again

    def usable(self) -> dict[str, int]:
        """That are there now and can be trusted: by path the uid of their owner."""
        found: dict[str, int] = {}
        self.refused = {}
        for path in self._candidates():
            try:
                status = os.lstat(path)
            except OSError:
                continue
            # What another user could put there is not to be counted as that directory's owner's.
            owner = status.st_uid if os.geteuid() == 0 or self._named else os.geteuid()
            reason = places.unusable(path, owner)
            if reason is None:
                found[path] = owner
            elif stat.S_ISDIR(status.st_mode):
                self.refused[path] = reason
        self._watch(found)
        return found

    def _candidates(self) -> Iterator[str]:
        if self._named:
            for path in self._named:
                yield path
                try:
                    yield from (
                        one.path for one in os.scandir(path) if one.is_dir(follow_symlinks=False)
                    )
                except OSError:
                    pass
            return
        only = places.named_directory()
        if only is not None:
            yield only
            return
        found = places.directories()
        if os.geteuid() == 0:
            found += places.directories_of_others()
        yield from dict.fromkeys(found)

    # --- watching ------------------------------------------------------------------------------

    def _watch(self, found: dict[str, int]) -> None:
        """OSError is passed over: who asks looks again every minute as well."""
        if self.inotify is None:
            return
        # Each again: a watch is of an inode, and a directory that was removed while a process still
        # has a file in it is not told as gone. The same inode has the same number.
        for path in found:
            self._add(self.watches, path, _IN)
        for path in self._parents() - set(self.watches.values()):
            self._add(self._above, path, _ABOVE)

    def _add(self, to: dict[int, str], path: str, mask: int) -> None:
        assert self.inotify is not None
        try:
            watch = self.inotify.add(path, mask)
        except OSError:
            return
        for other in [other for other, of in to.items() if of == path and other != watch]:
            del to[other]
            self.inotify.remove(other)
        to[watch] = path

    def _parents(self) -> set[str]:
        """Where a directory may appear: above each that is asked for, as far as there is anything."""
        if self._named:
            asked = self._named
            found = set(asked)
        else:
            only = places.named_directory()
            asked = places.directories() if only is None else [only]
            found = {"/run/user", "/dev/shm"} if os.geteuid() == 0 and only is None else set()
        for path in asked:
            above = os.path.dirname(path)
            while above != "/" and not os.path.isdir(above):
                above = os.path.dirname(above)
            found.add(above)
        return {path for path in found if os.path.isdir(path)}

    def may_have_changed(self, event: inotify.Event) -> bool:
        """Whether after that event usable() may have another answer."""
        if event.mask & (inotify.IGNORED | inotify.DELETE_SELF | inotify.MOVE_SELF):
            gone = self.watches.pop(event.watch, None) or self._above.pop(event.watch, None)
            if gone is not None and self.inotify is not None and not event.mask & inotify.IGNORED:
                self.inotify.remove(event.watch)
            return gone is not None
        known = event.watch in self._above or event.watch in self.watches
        return known and bool(event.mask & inotify.ISDIR)


def listed(directory: str) -> Iterator[tuple[str, str]]:
    """(name, path of the recording) of what is named as a recording there."""
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for text in names:
        path = recording_at(directory, text)
        if path is not None:
            yield text, path


def recording_at(directory: str, text: str) -> str | None:
    """The path of the recording of that name; None: it is no such name."""
    path = os.path.join(directory, text)
    if text.endswith(".sigrec") and not text.startswith("."):
        return path
    if text.endswith(".named") and places.name(text) is not None:
        return places.points_to(path)
    return None
