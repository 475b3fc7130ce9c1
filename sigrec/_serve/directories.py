"""The directories that are watched, including those that appear later, and what appears in them."""

from __future__ import annotations

import os
import stat

from sigrec._proc import inotify
from sigrec._proc.inotify import Inotify
from sigrec._reader import places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_EVENTS_IN = (
    inotify.CREATE | inotify.MOVED_TO | inotify.DELETE | inotify.MOVED_FROM | inotify.CLOSE_WRITE
    | inotify.DELETE_SELF | inotify.MOVE_SELF | inotify.ONLYDIR
)  # fmt: skip
_EVENTS_ABOVE = inotify.CREATE | inotify.MOVED_TO | inotify.ONLYDIR


class Directories:
    """Watches where recordings appear. named: directories that the user gave, which stand for the
    directories in them, too; empty: SIGREC_DIR alone, if it is set, else those with this user's
    recordings, or for root with those of all users.

    refused: by directory, why its files are not trusted. closed: by directory, why it cannot be
    looked into. missing: those of the named that are not there.
    """

    def __init__(self, named: list[str]) -> None:
        self._named = [os.path.abspath(path) for path in named]
        self.refused: dict[str, str] = {}
        self.closed: dict[str, OSError] = {}
        self.missing: list[str] = []
        self.watches: dict[int, str] = {}  # watches of directories with recordings
        self._above: dict[int, str] = {}  # watches of directories in which one may appear
        try:
            self.inotify: Inotify | None = Inotify()
        except OSError:
            self.inotify = None  # there is none left: callers have to look again and again

    def usable(self) -> dict[str, int]:
        """The directories that are there now and can be trusted, with the uid of their owner."""
        trusted: dict[str, int] = {}
        self.refused, self.closed, self.missing = {}, {}, []
        for path in self._candidates():
            try:
                status = os.lstat(path)
            except (FileNotFoundError, NotADirectoryError):
                self.missing += [path] if path in self._named else []
                continue
            except OSError as no_status:
                if self._named or places.named_directory() is not None:
                    self.closed[path] = no_status
                continue
            # What another user could put there must not be counted as the owner's.
            owner = status.st_uid if os.geteuid() == 0 or self._named else os.geteuid()
            reason = places.unusable(path, owner)
            if reason is None:
                error = _why_closed(path)
                if error is None:
                    trusted[path] = owner
                else:
                    self.closed[path] = error
            elif path in self._named or stat.S_ISDIR(status.st_mode):
                self.refused[path] = reason
        self._watch(trusted)
        return trusted

    def _candidates(self) -> Iterator[str]:
        if self._named:
            for path in self._named:
                yield path
                try:
                    yield from (
                        entry.path
                        for entry in os.scandir(path)
                        if entry.is_dir(follow_symlinks=False)
                    )
                except OSError:
                    pass
            return
        only_watched = places.named_directory()
        if only_watched is not None:
            yield only_watched
            return
        candidates = places.directories()
        if os.geteuid() == 0:
            candidates += places.directories_of_others()
        yield from dict.fromkeys(candidates)

    def not_read(self) -> Iterator[tuple[str, str]]:
        """The directories whose recordings are not read, and why, after usable()."""
        for directory, reason in self.refused.items():
            yield directory, f"not trusted: {reason}"
        for directory, error in self.closed.items():
            yield directory, f"not read: {directory}: {error.strerror}"

    def words(self) -> str:
        """Where they are; "there": wherever `sigrec stats` looks."""
        return (
            f"in {', '.join(self._named)}" if self._named else places.where_meant()[1:] or "there"
        )

    # --- watching ------------------------------------------------------------------------------

    def _watch(self, trusted: dict[str, int]) -> None:
        """Watches these directories. An OSError is ignored,
        since callers look again every minute, too."""
        if self.inotify is None:
            return
        # Each directory is watched again: a watch is of an inode, and no event tells that one is
        # gone that was removed while a process still has a file in
        # it. The same inode gets the same number.
        for path in trusted:
            self._add(self.watches, path, _EVENTS_IN)
        for path in self._parents() - set(self.watches.values()):
            self._add(self._above, path, _EVENTS_ABOVE)

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
        """Directories in which one of those may appear: the nearest existing ones above them."""
        if self._named:
            asked = self._named
            parents = set(asked)
        else:
            only_watched = places.named_directory()
            asked = places.directories() if only_watched is None else [only_watched]
            parents = (
                {"/run/user", "/dev/shm"} if os.geteuid() == 0 and only_watched is None else set()
            )
        for path in asked:
            above = os.path.dirname(path)
            while above != "/" and not os.path.isdir(above):
                above = os.path.dirname(above)
            parents.add(above)
        return {path for path in parents if os.path.isdir(path)}

    def may_have_changed(self, event: inotify.Event) -> bool:
        """Whether usable() may return something else after that event, or events were lost."""
        if event.mask & inotify.OVERFLOW:
            return True
        if event.mask & (inotify.IGNORED | inotify.DELETE_SELF | inotify.MOVE_SELF):
            gone = self.watches.pop(event.watch, None) or self._above.pop(event.watch, None)
            if gone is not None and self.inotify is not None and not event.mask & inotify.IGNORED:
                self.inotify.remove(event.watch)
            return gone is not None
        known = event.watch in self._above or event.watch in self.watches
        return known and bool(event.mask & inotify.ISDIR)


def _why_closed(directory: str) -> OSError | None:
    """Why nobody can see here what is in the directory; None: it can be seen, or is gone."""
    try:
        os.scandir(directory).close()
    except FileNotFoundError:
        pass
    except OSError as error:
        return error
    return None


def listed(directory: str) -> Iterator[tuple[str, str]]:
    """Name and path of each file in the directory that has a recording's name."""
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        path = recording_at(directory, name)
        if path is not None:
            yield name, path


def recording_at(directory: str, name: str) -> str | None:
    """The path of the recording of that name; None: that is no recording's name."""
    path = os.path.join(directory, name)
    if name.endswith(".sigrec") and not name.startswith("."):
        return path
    if name.endswith(".named") and places.name(name) is not None:
        return places.points_to(path)
    return None
