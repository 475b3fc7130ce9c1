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
from sigrec._serve import directories
from sigrec._serve.ending import end_of, is_over
from sigrec._serve.watched import BAD, Unreadable, Watched
from sigrec._text import printable
from sigrec._why.oom_watch import OomWatches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from sigrec._lake.spool import Spool
    from sigrec._reader.recording import Recording
    from sigrec._serve.directories import Directories

LOOK_S = 0.5
LOOK_WAITING_S = 0.1  # how often to ask a parent, or the kernel, how a process ended
PATIENCE_S = 2.0  # and for how long
RESCAN_S = 5.0  # how often to look for recordings that no event announced
KEEP_S = 0.5  # after this time, what was read is in the spool
PUBLISH_SIZE = 64 << 20
MOST_EVENTS = 1 << 20  # so many are in memory at most
SENDER_S = 10.0  # a process that ended others is remembered for this time after its own end
_GONE = inotify.DELETE | inotify.MOVED_FROM
GONE = 10_000  # so many removed recordings are remembered, since a copy may come back


class Shipping:
    """where: None: only what is given to hold(). tell: called with each line that people should
    know."""

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
        self._by_fd: dict[int, Held] = {}  # by pidfd
        self._kept: dict[str, list[Any]] = {}  # by key: the state of those not seen yet
        self._over: dict[str, str] = {}  # by key: the path
        self._paths: dict[str, int] = {}  # the inode of each known path
        self._unread: set[str] = set()  # files that could not be read when they appeared
        self._gone: deque[str] = deque(maxlen=GONE)
        self._waiting: dict[str, tuple[Held, float]] = {}
        self._ended: deque[tuple[float, Held]] = deque()  # may have ended others just now
        self._witnesses: tuple[dict[int, list[Watched]], list[Watched]] | None = None
        self._batch = Batch()
        self._rows: dict[str, list[Any]] = {}
        self._since: float | None = None  # when the first of these was read
        self._published_at = time.monotonic()
        self.events = self.ends = 0
        self._oom = OomWatches()
        self._epoll = select.epoll()
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

    # --- once --------------------------------------------------------------------------------

    def once(self) -> None:
        """Ships what there is now."""
        self._find()
        for held in list(self._held.values()):
            over = self._is_over(held)
            self._take(held, True)
            if over and held.key in self._held:
                self._end(held, True)
        self._snapshots()
        self._keep()
        self._publish()
        self._spool.close()

    # --- on and on -----------------------------------------------------------------------------

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
            self._take(held, True)
        self._find()
        rescan_at = time.monotonic() + RESCAN_S
        while not self._stop and (self._where is not None or self._held):
            waits = LOOK_WAITING_S if self._waiting else LOOK_S
            ready = dict(self._epoll.poll(waits))
            self._witnesses = None
            while self._ended and self._ended[0][0] < time.monotonic() - SENDER_S:
                self._ended.popleft()
            self._events(ready)
            for fd in ready:
                if fd in self._by_fd:
                    self._has_ended(self._by_fd[fd])
            if time.monotonic() >= self._oom.due():
                self._oom.look()
            if time.monotonic() >= rescan_at:
                self._find()
                for held in list(self._held.values()):
                    if self._is_over(held):
                        self._has_ended(held)
                rescan_at = time.monotonic() + RESCAN_S
            if self._batch.events < MOST_EVENTS:
                for held in list(self._held.values()):
                    self._take(held)
            for held, until in list(self._waiting.values()):
                if self._end(held, time.monotonic() >= until):
                    del self._waiting[held.key]
            self._write(time.monotonic(), every)
        for held in list(self._held.values()):
            self._take(held, True)
        self._keep()
        self._publish()
        self._spool.close()

    def _write(self, now: float, every: float) -> None:
        """Writes what there is, when it is time. If the disk is full, this says so, and is tried
        again."""
        full = sum(size for *_, size in self._spool.segments) >= PUBLISH_SIZE
        try:
            if self._since is not None and now - self._since >= KEEP_S:
                self._since = now
                self._keep()
            if full or now - self._published_at >= every:
                self._published_at = now
                self._snapshots()
                self._keep()
                self._publish()
        except OSError as error:
            self._tell(f"{error.filename or self._spool.path} cannot be written: {error.strerror}")

    # --- what appears
    # ------------------------------------------------------------------------------

    def _events(self, ready: dict[int, int]) -> None:
        if self._wake in ready:
            with suppress(BlockingIOError):
                os.eventfd_read(self._wake)
        where = self._where
        if where is None or where.inotify is None or where.inotify.fd not in ready:
            return
        again = False
        for event in where.inotify.read():
            if event.mask & inotify.OVERFLOW or where.may_have_changed(event):
                again = True
            elif event.watch in where.watches and not event.mask & _GONE:
                self._appeared(where.watches[event.watch], event.name, event.mask)
        if again:
            self._find()

    def _appeared(self, directory: str, name: str, mask: int) -> None:
        path = directories.recording_at(directory, name)
        if path is None or (mask & inotify.CLOSE_WRITE and path not in self._unread):
            return
        with suppress(OSError):
            owner = None if name.endswith(".named") else os.stat(directory).st_uid
            self.hold(path, owner)

    def _find(self) -> None:
        """Looks for what no event has told: what is there, and what is not there any more."""
        if self._where is None:
            return
        for directory, owner in self._where.usable().items():
            for name, path in directories.listed(directory):
                self.hold(path, None if name.endswith(".named") else owner)
        for path in [path for path in self._paths if not os.path.lexists(path)]:
            del self._paths[path]
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
        """Holds the recording at that path. owner: the uid that it must belong to. If it cannot be
        read, this says so."""
        try:
            inode = os.stat(path).st_ino
            if self._paths.get(path) == inode:
                return
            held = Held(Watched(path, owner))
        except (NoRecordingError, FileNotFoundError):
            return
        except BAD as error:
            reason = error.reason if isinstance(error, Unreadable) else "damaged"
            self._tell(f"{path}: cannot be read ({reason}), and is left out")
            self._unread.add(path)
            return
        self._unread.discard(path)
        self._paths[path] = inode
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
        bystander = held.watched.bystander
        if bystander is not None:
            self._oom.begins(bystander.pid)
            self._by_fd[bystander.fd] = held
            self._epoll.register(bystander.fd, select.EPOLLIN | select.EPOLLONESHOT)
        if self._following:  # it may be gone soon, or its events be overwritten
            self._take(held, True)

    def _release(self, held: Held) -> None:
        """Ends the watch of that recording. It is still asked about processes that it may have
        ended."""
        self._held.pop(held.key, None)
        bystander = held.watched.bystander
        if bystander is not None:
            self._oom.ends(bystander.pid)
            self._by_fd.pop(bystander.fd, None)
            with suppress(OSError):
                self._epoll.unregister(bystander.fd)
        held.watched.close()

    # --- what is taken ----------------------------------------------------------------------------

    def _take(self, held: Held, all_there_is: bool = False) -> None:
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
        self._waiting.pop(held.key, None)
        self._release(held)
        self._over[held.key] = held.watched.path

    def _is_over(self, held: Held) -> bool:
        try:
            return is_over(held.watched)
        except BAD:
            self._is_damaged(held)
            return False

    def _has_ended(self, held: Held) -> None:
        if held.key not in self._waiting and held.key in self._held and not self._end(held, False):
            self._waiting[held.key] = held, time.monotonic() + PATIENCE_S

    def _end(self, held: Held, last: bool) -> bool:
        """Ships the end of a process. False: how it ended may still be told."""
        try:
            bystander = held.watched.bystander
            seen = None if bystander is None else bystander.at_once()
            recording = held.recording
            recording._has_ended()
            if recording.exit_kind == "exec":
                seen = None  # this is how the program ended that the process has become
            oom = None
            if seen is not None and bystander is not None:
                oom = self._oom.after(bystander.pid, seen)
            end = end_of(recording, seen, self._parents(recording), self._senders, oom)
            if end.cause == "unknown" and not last:
                return False
            if self._following:
                self._take(held, True)
            process = Process(held, self._argv)
            row = process.end(end)
            self._add("processes", [row])
            self._add("counts", process.counts(row["ended_ns"]))
            self._add("gaps", process.gaps(row["ended_ns"]))
        except BAD:
            self._is_damaged(held)
            return True
        self._release(held)
        self._over[held.key] = held.watched.path
        self.ends += 1
        self._ended.append((time.monotonic(), held))
        return True

    def _add(self, dataset: str, rows: list[Any]) -> None:
        self._rows.setdefault(dataset, []).extend(rows)
        self._since = self._since or time.monotonic()

    def _who_knows(self) -> tuple[dict[int, list[Watched]], list[Watched]]:
        """By PID, those that may have been told of an end, with those that inherit orphans under 0;
        and those that may have sent signals that end others. One look serves all that end
        together."""
        if self._witnesses is None:
            by_pid: dict[int, list[Watched]] = {}
            senders = []
            known = [*self._held.values(), *(held for _, held in self._ended)]
            for one in (held.watched for held in known):
                with suppress(*BAD):
                    for pid in {one.pid} | ({0} if one.is_subreaper else set()):
                        by_pid.setdefault(pid, []).append(one)
                    if one.has_ended_others():
                        senders.append(one)
            self._witnesses = by_pid, senders
        return self._witnesses

    def _parents(self, recording: Recording) -> list[Recording]:
        by_pid, _ = self._who_knows()
        pids = {0, 1, recording._identity.ppid} - {recording.pid}
        found = {id(one): one for pid in pids for one in by_pid.get(pid, ())}
        return _readable(one for one in found.values() if one.pid != recording.pid)

    def _senders(self) -> list[Recording]:
        return _readable(self._who_knows()[1])

    # --- what is written
    # ----------------------------------------------------------------------------

    def _snapshots(self) -> None:
        rows = []
        for held in list(self._held.values()):
            with suppress(*BAD):
                rows.append(Process(held, self._argv).snapshot())
        if rows:
            self._add("snapshots", rows)

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


def _readable(found: Iterable[Watched]) -> list[Recording]:
    """Their recordings, without damaged ones, which the next look finds."""
    readable = []
    for one in found:
        with suppress(*BAD):
            readable.append(one.recording())
    return readable
