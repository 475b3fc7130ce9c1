"""Ships what recordings hold to the lake, once, from their appearance to the end of their
processes.

Like _serve/fleet.py, this does not wait until somebody asks: it holds each recording by a
descriptor, and its process by a pidfd, and reads what is new before newer events take its place.
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from contextlib import suppress

from sigrec._errors import NoRecordingError, SigrecError
from sigrec._lake.held import Held
from sigrec._lake.rows import Batch, Process, table
from sigrec._proc import inotify
from sigrec._serve import directories, endings
from sigrec._serve.ending import is_over
from sigrec._serve.endings import Endings
from sigrec._serve.watched import BAD, Unreadable, Watched
from sigrec._text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sigrec._lake.spool import Spool
    from sigrec._serve.directories import Directories

SHIPPING_LOOK_S = 0.5
SHIPPING_RESCAN_S = 5.0  # how often to look for recordings to ship that no event announced
KEEP_S = 0.5  # after this time, what was read is in the spool
PUBLISH_SIZE = 64 << 20
MOST_EVENTS = 1 << 20  # so many are in memory at most
_FILE_GONE = inotify.DELETE | inotify.MOVED_FROM
MOST_GONE = 10_000  # so many removed recordings are remembered, since a copy may come back


class Shipping:
    """Ships recordings to the lake. where: the directories in which they appear; None: only those
    that are given to hold() are shipped. tell: called with each line that people should know."""

    def __init__(
        self,
        spool: Spool,
        where: Directories | None,
        argv: str,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._spool = spool
        self._where = where
        self._argv = argv
        self._tell_people = tell
        self._told: set[str] = set()
        self._held: dict[str, Held] = {}
        self._kept: dict[str, list[Any]] = {}  # by key: the state of recordings not seen yet
        self._over: dict[str, str] = {}  # by key: the path of a recording that is done
        self._inodes: dict[str, int] = {}  # of the recording at each known path
        self._left_unshipped: set[str] = set()  # files that could not be read when they appeared
        self._gone: deque[str] = deque(maxlen=MOST_GONE)
        self._batch = Batch()
        self._rows: dict[str, list[Any]] = {}
        self._since: float | None = None  # when the first of these was read
        self._published_at = time.monotonic()
        self.events = self.ends = 0
        self.seen = False  # whether there was a recording, or a directory that is not read
        self._epoll = select.epoll()
        self._endings = Endings(self._epoll, lambda: [held.watched for held in self._held.values()])
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._wake, select.EPOLLIN)
        if where is not None and where.inotify is not None:
            self._epoll.register(where.inotify.fd, select.EPOLLIN)
        self._stop = self._following = False

    def begin(self) -> None:
        """Raises SigrecError if the spool cannot be used."""
        taken, said = self._spool.begin()
        if said:
            self._tell(said)
        try:
            self._gone.extend(map(str, taken.get("gone", ())))
            self._over = {str(key): str(path) for key, path in taken.get("over", {}).items()}
            self._kept = {
                str(key): [str(path), dict(of)] for key, (path, of) in taken.get("of", {}).items()
            }
        except (ValueError, TypeError, AttributeError):
            raise SigrecError(f"{self._spool.path}: its state makes no sense") from None

    def _taken(self) -> dict[str, Any]:
        return {
            "gone": list(self._gone),
            "over": self._over,
            "of": {**self._kept, **{key: held.to_list() for key, held in self._held.items()}},
        }

    # --- ships once --------------------------------------------------------------------------

    def once(self) -> None:
        """Ships to the lake what the recordings hold now."""
        self._rescan()
        for held in list(self._held.values()):
            over = self._is_over(held)
            self._take_events(held, True)
            if over and held.key in self._held:
                self._ship_end(held, last=True)
        self._ship_snapshots()
        self._keep()
        self._publish()
        self._spool.close()

    # --- ships on and on ---------------------------------------------------------------------

    def stop(self) -> None:
        """Ends follow(); can be called in a signal handler."""
        self._stop = True
        os.eventfd_write(self._wake, 1)

    def follow(self, every: float) -> None:
        """Ships until stop() is called; or, if recordings were given, until the last of their
        processes has ended.

        every: the seconds from one file of the lake to the next.
        """
        self._following = True
        for held in list(self._held.values()):
            self._take_events(held, True)
        self._rescan()
        rescan_at = time.monotonic() + SHIPPING_RESCAN_S
        while not self._stop and (self._where is not None or self._held):
            ready = dict(
                self._epoll.poll(endings.ASK_AGAIN_S if self._endings.open else SHIPPING_LOOK_S)
            )
            ended = self._endings.look(ready)
            self._read_inotify(ready)
            for watched in ended:
                self._has_ended(watched)
            if time.monotonic() >= self._endings.oom.due():
                self._endings.oom.look()
            if time.monotonic() >= rescan_at:
                self._rescan()
                for held in list(self._held.values()):
                    if self._is_over(held):
                        self._has_ended(held.watched)
                rescan_at = time.monotonic() + SHIPPING_RESCAN_S
            if self._batch.events < MOST_EVENTS:
                for held in list(self._held.values()):
                    self._take_events(held)
            for watched in list(self._endings.open):
                self._ship_end(self._held[watched.key])
            self._keep_in_time(time.monotonic(), every)
        for held in list(self._held.values()):
            self._take_events(held, True)
        self._keep()
        self._publish()
        self._spool.close()

    def _keep_in_time(self, now: float, every: float) -> None:
        """Writes what there is to the spool, and that to the lake, each when it is time. If the
        disk is full, this says so, and tries it again."""
        full = sum(size for *_, size in self._spool.segments) >= PUBLISH_SIZE
        try:
            if self._since is not None and now - self._since >= KEEP_S:
                self._since = now
                self._keep()
            if full or now - self._published_at >= every:
                self._published_at = now
                self._ship_snapshots()
                self._keep()
                self._publish()
        except OSError as error:
            self._tell(f"{error.filename or self._spool.path} cannot be written: {error.strerror}")

    # --- what appears, to be shipped -------------------------------------------------------

    def _read_inotify(self, ready: dict[int, int]) -> None:
        if self._wake in ready:
            with suppress(BlockingIOError):
                os.eventfd_read(self._wake)
        where = self._where
        if where is None or where.inotify is None or where.inotify.fd not in ready:
            return
        again = False
        for event in where.inotify.read():
            if where.may_have_changed(event):
                again = True
            elif event.watch in where.watches and not event.mask & _FILE_GONE:
                self._appeared(where.watches[event.watch], event.name, event.mask)
        if again:
            self._rescan()

    def _appeared(self, directory: str, name: str, mask: int) -> None:
        path = directories.recording_at(directory, name)
        if path is None or (mask & inotify.CLOSE_WRITE and path not in self._left_unshipped):
            return
        with suppress(OSError):
            owner = None if name.endswith(".named") else os.stat(directory).st_uid
            self.hold(path, owner)

    def _rescan(self) -> None:
        """Looks for what no event has told: what is there, and what is not there any more."""
        if self._where is None:
            return
        for directory, owner in self._where.usable().items():
            for name, path in directories.listed(directory):
                self.seen = True
                self.hold(path, None if name.endswith(".named") else owner)
        for _, text in self._where.not_read():
            self.seen = True
            self._tell(text)
        for path in [path for path in self._inodes if not os.path.lexists(path)]:
            del self._inodes[path]
        for key in [key for key, path in self._over.items() if not os.path.lexists(path)]:
            del self._over[key]
            self._gone.append(key)
        for key, (path, _) in list(self._kept.items()):
            if os.path.lexists(path):
                continue
            del self._kept[key]
            self._gone.append(key)
            if path:  # of what is read from the lake that is not known
                self._tell(f"{path} went while nobody followed it: what it got since is not known")

    def hold(self, path: str, owner: int | None = None) -> None:
        """Begins to ship the recording at that path. owner: the uid that it must belong to. If it
        cannot be read, this says so."""
        try:
            inode = os.stat(path).st_ino
            if self._inodes.get(path) == inode:
                return
            held = Held(Watched(path, owner))
        except (NoRecordingError, FileNotFoundError):
            return
        except BAD as error:
            reason = error.reason if isinstance(error, Unreadable) else "damaged"
            self._tell(f"{path}: cannot be read ({reason}), and is left out")
            self._left_unshipped.add(path)
            return
        self._left_unshipped.discard(path)
        self._inodes[path] = inode
        if held.key in self._held or held.key in self._over or held.key in self._gone:
            known = self._held.get(held.key)
            if known is None or known.watched.is_written() or not held.watched.is_written():
                held.watched.close()
                return
            held.taken = known.taken  # the one that was held is a copy of this, which is written
            self._release(known)
        elif held.key in self._kept:
            try:
                held.restore(self._kept.pop(held.key)[1])
            except (ValueError, TypeError):
                self._tell(f"{path}: what was taken of it makes no sense")
                held.watched.close()
                return
        self._held[held.key] = held
        self._endings.begin(held.watched)
        if self._following:  # it may be gone soon, or its events be overwritten
            self._take_events(held, True)

    def _release(self, held: Held) -> None:
        """Ends the watch of that recording."""
        self._held.pop(held.key, None)
        self._endings.cancel(held.watched)
        held.watched.close()

    # --- what is taken ----------------------------------------------------------------------------

    def _take_events(self, held: Held, all_there_is: bool = False) -> None:
        try:
            raw = held.take(all_there_is)
        except BAD:
            self._is_damaged(held)
            return
        if raw is not None:
            self._batch.add(held, raw)
            self.events += len(raw)
            self._since = self._since or time.monotonic()

    def _is_damaged(self, held: Held) -> None:
        self._tell(f"{held.watched.path}: is damaged, and nothing more is taken of it")
        self._release(held)
        self._over[held.key] = held.watched.path

    def _is_over(self, held: Held) -> bool:
        try:
            return is_over(held.watched)
        except BAD:
            self._is_damaged(held)
            return False

    def _has_ended(self, watched: Watched) -> None:
        held = self._held.get(watched.key)
        if held is not None and held.watched is watched and watched not in self._endings.open:
            self._ship_end(held)

    def _ship_end(self, held: Held, last: bool = False) -> None:
        """Ships the end of a process, if it is known by now how
        it ended. last: that is not waited for."""
        try:
            end = self._endings.of(held.watched, last)
            if end is None:
                return
            held.recording._has_ended()
            if self._following:
                self._take_events(held, True)
            process = Process(held, self._argv)
            row = process.end(end)
            self._add_rows("processes", [row])
            self._add_rows("counts", process.counts(row["ended_ns"]))
            self._add_rows("gaps", process.gaps(row["ended_ns"]))
        except BAD:
            self._is_damaged(held)
            return
        self._release(held)
        self._over[held.key] = held.watched.path
        self.ends += 1

    def _add_rows(self, dataset: str, rows: list[Any]) -> None:
        self._rows.setdefault(dataset, []).extend(rows)
        self._since = self._since or time.monotonic()

    # --- what is written ---------------------------------------------------------------------

    def _ship_snapshots(self) -> None:
        rows = []
        for held in list(self._held.values()):
            with suppress(*BAD):
                rows.append(Process(held, self._argv).snapshot())
        if rows:
            self._add_rows("snapshots", rows)

    def _keep(self) -> None:
        tables = {dataset: table(dataset, rows) for dataset, rows in self._rows.items() if rows}
        if self._batch.events:
            tables["events"] = self._batch.table()
        if tables:
            self._spool.keep(tables, self._taken())
        self._batch, self._rows, self._since = Batch(), {}, None

    def _publish(self) -> None:
        self._spool.publish(self._taken())

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell_people(printable(text))
