"""All recordings of a host, from their appearance to the end of their processes, and what they
count.

This does not wait for scrapes, since most processes live shorter than the time between two. It
opens each recording as it appears (inotify(7)), and holds its process by a pidfd. At the end it
reads the rest through the descriptor, even if the file is gone by then. A scrape reads the ledgers
of the processes that live, which lose nothing in between.

There are two kinds of threads: run() watches, the others ask. What is counted changes under
`_lock`; what is shown is what the state file holds.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections import Counter, deque
from contextlib import suppress

from sigrec._errors import NoRecordingError
from sigrec._proc import inotify
from sigrec._serve import directories
from sigrec._serve.counters import FAMILIES
from sigrec._serve.counting import Counting
from sigrec._serve.ending import is_over
from sigrec._serve.endings import ASK_AGAIN_S, Endings
from sigrec._serve.past import Past, inode
from sigrec._serve.state import DamagedError
from sigrec._serve.watched import BAD, Unreadable, Watched, reason_of
from sigrec._text import printable
from sigrec._tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable
    from typing import Any

    from sigrec._reader.recording import Recording
    from sigrec._serve.counters import Labels
    from sigrec._serve.directories import Directories
    from sigrec._serve.ending import End
    from sigrec._serve.state import StateFile

FRESH_S = 1.0  # scrapes within this time share one look
RESCAN_S = 60.0  # how often to look for recordings that no event announced
RESCAN_WITHOUT_EVENTS_S = 1.0
SAVE_S = 1.0  # an end is saved within this time, so that little is lost if this process is killed

NEWEST_ENDS = 100  # endings that the page shows, and whose recordings are kept open


class CountedEnd(NamedTuple):
    """The end of a process that was counted. time_ns: when serve counted it."""

    number: int
    end: End
    program: str
    time_ns: int


class Shown(NamedTuple):
    """What a scrape sees. pending and running are by program and signal."""

    counters: dict[str, dict[Labels, int]]
    pending: dict[Labels, int]
    processes: dict[Labels, int]
    running: dict[Labels, float]
    unreadable: dict[str, int]
    scan_seconds: float
    write_errors: int
    missed: int
    lost: int


class Fleet:
    """All recordings of a host. where: the directories in which they appear. tell: called with each
    line that people should know."""

    def __init__(
        self,
        where: Directories,
        state: StateFile,
        settle: float,
        asked_for: re.Pattern[str] | None = None,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._where = where
        self._state = state
        self._tell_people = tell
        self._told: dict[str, str] = {}
        self._lock = threading.RLock()
        self._saving = threading.Lock()
        self._counting = Counting(settle, asked_for)
        self._past = Past()
        self._by_key: dict[str, Watched] = {}
        self._by_path: dict[str, Watched] = {}
        self._by_watch: dict[int, Watched] = {}
        self._unreadable: dict[str, str] = {}
        self._refused: dict[str, int] = {}
        self._baseline = False
        self._dirty_since: float | None = None
        self._write_errors = self._missed = 0
        self._counted_at = -FRESH_S
        self._counting_took_s = 0.0
        self._persisted: dict[str, dict[Labels, int]] = {name: {} for name in FAMILIES}
        self._epoll = select.epoll()
        self._endings = Endings(self._epoll, self._by_key.values)
        self._newest_ends: deque[CountedEnd] = deque(maxlen=NEWEST_ENDS)
        self._ends_counted = 0  # the newest end has this as its number
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._wake, select.EPOLLIN)
        if where.inotify is not None:
            self._epoll.register(where.inotify.fd, select.EPOLLIN)
        self._stop = False

    # --- beginning and end -----------------------------------------------------------------

    def begin(self) -> None:
        """Looks at what is there now. With the state of an earlier run its numbers go on; without
        one, all is counted from what is there now. Raises SigrecError if there is one that cannot be
        read."""
        try:
            kept = self._state.load()
            if kept is not None:
                self._restore(kept)
        except (DamagedError, ValueError, TypeError, KeyError) as error:
            why = str(error) if isinstance(error, DamagedError) else "it makes no sense"
            self._tell("state", f"the state of an earlier run is lost: {why}")
            self._counting.forget()
            self._past, kept = Past(), None
        self._baseline = kept is None
        with self._lock:
            self._rescan()
            self._baseline = False
            if kept is None:
                there = len(self._by_key) + len(self._past.files)
                where = self._where.words()
                recordings = "1 recording that is" if there == 1 else f"{there} recordings that are"
                self._tell("state", f"counting begins now, with {recordings} {where}")
        self.shown()

    def _restore(self, kept: dict[str, Any]) -> None:
        self._counting.counters.restore(kept["counters"])
        self._missed = int(kept["missed"])
        self._past.restore(kept)

    def stop(self) -> None:
        """Ends run(); can be called in any thread, and in a signal handler."""
        self._stop = True
        os.eventfd_write(self._wake, 1)

    def run(self) -> None:
        """Watches until stop() is called; then the last numbers are saved."""
        rescan_s = RESCAN_S if self._where.inotify is not None else RESCAN_WITHOUT_EVENTS_S
        if self._where.inotify is None:
            self._tell("inotify", "no inotify(7) is left: a look each second instead")
        rescan_at = time.monotonic() + rescan_s
        while not self._stop:
            ready = dict(self._epoll.poll(self._sleep_s(rescan_at)))
            with self._lock:
                ended = self._endings.look(ready)
            self._read_inotify(ready)
            with self._lock:
                for watched in ended:
                    self._has_ended(watched)
                self._ask_for_open_ends()
            if time.monotonic() >= self._endings.oom.due():
                with self._lock:
                    self._endings.oom.look()
            if time.monotonic() >= rescan_at:
                with self._lock:
                    self._rescan()
                rescan_at = time.monotonic() + rescan_s
            if self._dirty_since is not None and time.monotonic() - self._dirty_since >= SAVE_S:
                self._save_and_show()
        with self._lock:
            self._count_all()
        self._save_and_show()
        self._state.close()

    def _sleep_s(self, rescan_at: float) -> float:
        now = time.monotonic()
        at = [rescan_at, self._endings.oom.due()]
        if self._endings.open:
            at.append(now + ASK_AGAIN_S)
        if self._dirty_since is not None:
            at.append(self._dirty_since + SAVE_S)
        return max(0.0, min(at) - now)

    # --- what appears, to be counted -------------------------------------------------------

    def _read_inotify(self, ready: dict[int, int]) -> None:
        """Opens what has appeared, before anything else and without waiting for scrapes, since a
        process may soon be gone."""
        where = self._where
        if self._wake in ready:
            with suppress(BlockingIOError):
                os.eventfd_read(self._wake)
        if where.inotify is None or where.inotify.fd not in ready:
            return
        again = False
        for event in where.inotify.read():
            if where.may_have_changed(event):
                again = True
            elif event.watch in self._by_watch:
                with self._lock:
                    watched = self._by_watch.get(event.watch)
                    if (
                        watched is not None
                        and event.mask & inotify.CLOSE_WRITE
                        and self._is_over(watched)
                    ):
                        self._has_ended(watched)
            elif event.watch in where.watches:
                self._appeared_or_went(where.watches[event.watch], event)
        if again:
            with self._lock:
                self._rescan()

    def _appeared_or_went(self, directory: str, event: inotify.Event) -> None:
        path = directories.recording_at(directory, event.name)
        if path is None:
            return
        if event.mask & (inotify.DELETE | inotify.MOVED_FROM):
            with self._lock:
                self._unreadable.pop(path, None)
                self._past.forget(path)
        elif not event.mask & inotify.CLOSE_WRITE or path in self._unreadable:
            self._open_recording(path, None if event.name.endswith(".named") else directory)

    def _rescan(self) -> None:
        """Looks for what no event has told: all that is there, and what is not there any more."""
        usable = self._where.usable()
        there: dict[str, str] = {}
        for directory in usable:
            for name, path in directories.listed(directory):
                there[path] = "" if name.endswith(".named") else directory
        for path in set(self._unreadable) - there.keys():
            del self._unreadable[path]
        known = {path: watched.inode for path, watched in self._by_path.items()}
        known |= self._past.inodes()
        for path, directory in there.items():
            if known.get(path) is None or known[path] != inode(path):
                self._open_recording(path, directory or None)
        lost = self._past.look_again()
        if lost:
            self._tell(
                "lost",
                f"recordings that went while no sigrec serve ran: {lost}; what they counted since, "
                "and how their processes ended, is not known",
            )
        for watched in list(self._by_key.values()):
            if not watched.is_seen and self._is_over(watched):
                self._has_ended(watched)
        closed = self._where.closed
        reasons = ["directory"] * len(self._where.refused)
        self._refused = dict(Counter(reasons + list(map(reason_of, closed.values()))))
        for directory, text in self._where.not_read():
            self._tell(directory, text)
        for directory in self._where.missing:
            self._tell(directory, f"{directory} is not there; its recordings count once it is")

    def _open_recording(self, path: str, directory: str | None) -> None:
        """Holds the recording at that path. directory: its owner has to be the file's owner; None:
        the user has named the recording."""
        try:
            owner = None if directory is None else os.lstat(directory).st_uid
            watched = Watched(path, owner)
        except NoRecordingError:
            if not self._baseline:
                with self._lock:
                    self._missed += 1  # it went before it could be opened
            return
        except Unreadable as error:
            with self._lock:
                self._unreadable[path] = error.reason
            return
        except OSError:
            return
        with self._lock:
            self._hold(watched)

    def _hold(self, watched: Watched) -> None:
        key = watched.key
        if self._past.has(watched):
            watched.close()
            return
        self._unreadable.pop(watched.path, None)
        known = self._by_key.get(key)
        if known is not None:
            # One of the two recordings is a copy: serve holds the one that its process writes.
            if not watched.is_written() or known.is_written():
                watched.close()
                return
            watched.counted, watched.from_whom = known.counted, known.from_whom
            self._release(known)
        elif not self._past.restore_one(watched) and (
            key in self._past.gone or (self._baseline and self._is_over(watched))
        ):
            watched.over = True
        if watched.over:
            self._past.add(watched)
            watched.close()
            return
        self._by_key[key] = self._by_path[watched.path] = watched
        self._watch(watched)
        try:
            self._counting.begin(watched, self._baseline and not watched.counted)
        except BAD:
            self._is_damaged(watched)
            return
        if self._is_over(watched):
            self._has_ended(watched)

    def _watch(self, watched: Watched) -> None:
        self._endings.begin(watched)
        if self._where.inotify is not None:
            with suppress(OSError):
                path = f"/proc/self/fd/{watched.source.fd}"
                watched.watch = self._where.inotify.add(path, inotify.CLOSE_WRITE)
                self._by_watch[watched.watch] = watched

    def _release(self, watched: Watched) -> None:
        """Ends the watch of that recording."""
        if self._by_key.get(watched.key) is watched:
            del self._by_key[watched.key]
        if self._by_path.get(watched.path) is watched:
            del self._by_path[watched.path]
        # Where a recording was written over another one, two keys have the same watch.
        if self._by_watch.get(watched.watch) is watched and self._where.inotify is not None:
            del self._by_watch[watched.watch]
            self._where.inotify.remove(watched.watch)
        watched.watch = -1
        self._endings.cancel(watched)
        watched.close()

    def _is_over(self, watched: Watched) -> bool:
        try:
            return is_over(watched)
        except BAD:
            self._is_damaged(watched)
            return False

    def _is_damaged(self, watched: Watched) -> None:
        self._unreadable[watched.path] = "damaged"
        self._release(watched)
        self._past.add(watched)

    # --- how they end -----------------------------------------------------------------------

    def _has_ended(self, watched: Watched) -> None:
        is_held = self._by_key.get(watched.key) is watched
        if is_held and watched not in self._endings.open:
            self._count_end(watched)

    def _ask_for_open_ends(self) -> None:
        for watched in list(self._endings.open):
            self._count_end(watched)

    def _count_end(self, watched: Watched) -> None:
        """Counts the end of a process, if it is known by now how it ended."""
        try:
            end = self._endings.of(watched)
            if end is None:
                return
            program = self._counting.end(watched, end.cause, end.sender)
        except BAD:
            self._is_damaged(watched)
            return
        watched.over = True
        self._release(watched)
        self._past.add(watched)
        self._ends_counted += 1
        self._newest_ends.append(CountedEnd(self._ends_counted, end, program, time.time_ns()))
        self._dirty_since = self._dirty_since or time.monotonic()

    # --- what is shown ------------------------------------------------------------------------

    def _count_all(self) -> None:
        """Reads the ledger of every recording, since
        `handled` can change while nothing else does."""
        began = time.perf_counter()
        for damaged in self._counting.look(list(self._by_key.values())):
            self._is_damaged(damaged)
        self._counting_took_s = time.perf_counter() - began
        self._counted_at = time.monotonic()

    def shown(self) -> Shown:
        """What all processes count now, as it was saved."""
        with self._lock:
            fresh = time.monotonic() - self._counted_at < FRESH_S
            if not fresh:
                self._count_all()
        if not fresh:
            self._save_and_show()
        with self._lock:
            programs = self._counting.counters.programs
            processes: Counter[Labels] = Counter({(name, "alive"): 0 for name in programs})
            for watched in self._by_key.values():
                state = "alive" if watched.is_seen else "unknown"
                processes[self._counting.program(watched), state] += 1
            unreadable = Counter(self._unreadable.values())
            unreadable.update(self._refused)
            return Shown(
                self._persisted, self._counting.pending, processes, self._counting.running,
                dict(unreadable), self._counting_took_s, self._write_errors, self._missed,
                self._past.lost,
            )  # fmt: skip

    # --- for the page ---------------------------------------------------------------------------

    def processes(self) -> list[tuple[str, str, Recording]]:
        """The processes that live, the newest first: a key for
        recording(), the program, the recording."""
        with self._lock:
            living = []
            for watched in reversed(self._by_key.values()):
                with suppress(*BAD):
                    living.append((watched.key, watched.name, watched.recording()))
            return living

    def ended(self) -> list[CountedEnd]:
        """The newest endings, the newest last."""
        with self._lock:
            return list(self._newest_ends)

    def recording(self, key: str) -> Recording | None:
        """The recording of a key from processes(), or of ``e`` and the number of an ending. None:
        there is none any more."""
        with self._lock:
            for counted_end in self._newest_ends:
                if key == f"e{counted_end.number}":
                    return counted_end.end.recording
            watched = self._by_key.get(key)
            with suppress(*BAD):
                return None if watched is None else watched.recording()
        return None

    def _save_and_show(self) -> None:
        """Writes the numbers to the state file, and only then shows them."""
        with self._saving:
            with self._lock:
                self._dirty_since = None
                shown = self._counting.counters.shown(time.time())
                kept = {
                    "counters": self._counting.counters.to_dict(),
                    "missed": self._missed,
                    **self._past.to_dict(),
                }
                for key, watched in self._by_key.items():
                    kept["recordings"][key] = [watched.path, watched.to_list()]
            try:
                self._state.save(kept)
            except OSError as error:
                self._write_errors += 1
                self._tell(
                    "write",
                    f"{self._state.path} cannot be written: {error.strerror}; what is shown stands "
                    "still until it can",
                )
                return
            if self._told.pop("write", None) is not None:
                self._tell_people(f"{self._state.path} is written again")
            self._persisted = shown

    def _tell(self, about: str, text: str) -> None:
        """Tells people once, until there is something else to tell about this."""
        if self._told.get(about) != text:
            self._told[about] = text
            self._tell_people(printable(text))


def to_stderr(text: str) -> None:
    print(f"sigrec: {text}", file=sys.stderr, flush=True)
