"""The spool, by which each row comes to the lake exactly once, whenever this process is killed.

Rows are written to a file of the spool, and only then the state says that they were taken. When
there are enough, these files become one file of the lake, which is written in the spool, named in
the state, and then renamed. When the next run begins, it renames what the state names and is still
in the spool, and removes what the state does not name, since that was never finished.
"""

from __future__ import annotations

import errno
import glob
import os
import secrets
import time
from contextlib import contextmanager, suppress

import numpy
import pyarrow
import pyarrow.parquet as parquet

from sigrec._errors import SigrecError
from sigrec._lake.intervals import Intervals
from sigrec._lake.schema import DATASETS, TIME, schema
from sigrec._serve.state import DamagedError, StateFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    # dataset, date, name in the spool, size
    Segment = tuple[str, str, str, int]

_NO_DATE = "1970-01-01"
_WRITER = "".join(c if c.isalnum() or c in "-_" else "_" for c in os.uname().nodename)


def write_parquet(path: str, tables: Iterable[Any], of: Any) -> int:
    """Writes a Parquet file of that name and schema
    to the disk, which only its user can read; returns its size."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as file:
        with parquet.ParquetWriter(file, of, compression="zstd") as writer:
            for table in tables:
                writer.write_table(table)
        file.flush()
        os.fsync(fd)
        return file.tell()


def make_directory(path: str) -> None:
    """Makes a directory, and those above it that are missing, for this user only. Raises
    NotADirectoryError if there is something else of that name."""
    path = os.path.abspath(path)
    if not os.path.isdir(path):
        make_directory(os.path.dirname(path))
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
        if not os.path.isdir(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)


def sync_directory(path: str) -> None:
    """Makes sure that what was renamed there is still there after a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def as_sigrec_error(path: str) -> Iterator[None]:
    """A context manager that turns an OSError into a SigrecError."""
    try:
        yield
    except OSError as error:
        raise SigrecError(f"{error.filename or path}: {error.strerror or error}") from None


class Spool:
    """Files on their way to the lake. lake: the directory of the datasets. path: the spool, beside
    that directory and on the same file system, since a file
    appears as a whole only by renaming it."""

    def __init__(self, lake: str, path: str) -> None:
        self.lake = os.path.abspath(lake)
        self.path = os.path.abspath(path)
        if os.path.commonpath([self.lake, self.path]) == self.lake:
            raise SigrecError(
                f"{self.path}: is in the lake, where readers would find what is not whole"
            )
        with as_sigrec_error(self.path):
            make_directory(self.lake)
            make_directory(self.path)
            if os.stat(self.lake).st_dev != os.stat(self.path).st_dev:
                raise SigrecError(
                    f"{self.path}: is on another file system than {self.lake}: give --spool DIR on that one"
                )
        self._state = StateFile(os.path.join(self.path, "state"), "export to Parquet files")
        if self._state.unlocked is not None:
            raise SigrecError(f"the spool cannot be used: {self._state.unlocked}")
        self.segments: list[Segment] = []
        self._publishing: list[tuple[str, str]] = []  # names in the spool, and in the lake
        self._writer = secrets.token_hex(4)
        self._number = 0

    def begin(self) -> tuple[dict[str, Any], str | None]:
        """What earlier runs have taken, and what people should know about that."""
        with as_sigrec_error(self.path):
            try:
                kept = self._state.load()
            except DamagedError as error:
                return self._taken_by_the_lake(), f"{error}; what was taken is read from the lake"
            if kept is None:
                return self._taken_by_the_lake(), None
            try:
                self._writer, self._number = str(kept["writer"]), int(kept["number"])
                self.segments = [
                    (str(a), str(b), str(c), int(d)) for a, b, c, d in kept["segments"]
                ]
                self._publishing = [(str(a), str(b)) for a, b in kept["publishing"]]
                taken = dict(kept["taken"])
            except (KeyError, TypeError, ValueError):
                raise SigrecError(f"{self._state.path}: makes no sense") from None
            self._rename_into_lake()
            self._remove_unnamed()
        return taken, None

    def _taken_by_the_lake(self) -> dict[str, Any]:
        """What was taken, as the lake's files of this host, and compacted ones, say: for the case
        that the state is lost, and the lake is not."""
        taken: dict[str, dict[int, Intervals]] = {}
        columns = ["uid", "recording", "si_signo", "ordinal"]
        for table in self._tables_of_this_host("events", columns):
            for (key, signo), ordinals in _by_recording(table).items():
                taken.setdefault(key, {}).setdefault(signo, Intervals()).add(ordinals)
        ended = [
            f"{uid}:{recording}"
            for table in self._tables_of_this_host("processes", columns[:2])
            for uid, recording in zip(
                *(table[name].to_pylist() for name in columns[:2]), strict=True
            )
        ]
        return {
            "over": dict.fromkeys(ended, ""),
            "of": {
                key: ["", {signo: of.bounds for signo, of in signals.items()}]
                for key, signals in taken.items()
                if key not in set(ended)
            },
        }

    def _tables_of_this_host(self, dataset: str, columns: list[str]) -> Iterator[Any]:
        for path in glob.iglob(f"{glob.escape(self.lake)}/{dataset}/date=*/*.parquet"):
            if os.path.basename(path).startswith((f"{_WRITER}-", "compact-")):
                yield read_parquet(path, columns)

    def _remove_unnamed(self) -> None:
        known = {name for _, _, name, _ in self.segments}
        for name in os.listdir(self.path):
            if name.endswith(".part") and name not in known:
                os.unlink(os.path.join(self.path, name))

    def _next_name(self) -> str:
        self._number += 1
        return f"{self._number:08}-{self._writer}"

    def keep(self, tables: dict[str, Any], taken: dict[str, Any]) -> None:
        """Writes these rows to the spool, and then to the state
        what was taken with them. Raises OSError: then neither is done."""
        before, new = self.segments, []
        try:
            for dataset, table in tables.items():
                for date, rows in by_date(table, TIME[dataset]):
                    new.append(path := os.path.join(self.path, f"{self._next_name()}.part"))
                    size = write_parquet(path, [rows], rows.schema)
                    self.segments = [*self.segments, (dataset, date, os.path.basename(path), size)]
            self._save_state(taken)
        except OSError:
            self.segments = before
            for path in new:
                with suppress(OSError):
                    os.unlink(path)
            raise

    def publish(self, taken: dict[str, Any]) -> None:
        """Moves what is in the spool to the lake,
        a file for each dataset and date. Raises OSError: then all is where it was."""
        if self._publishing:  # the lake could not be written last time
            self._rename_into_lake()
        if not self.segments:
            return
        groups: dict[tuple[str, str], list[str]] = {}
        for dataset, date, name, _ in self.segments:
            groups.setdefault((dataset, date), []).append(os.path.join(self.path, name))
        publishing = []
        for dataset in DATASETS.keys() - {dataset for dataset, _ in groups}:
            # A query must not fail where nothing was lost, or nothing is alive.
            if not os.path.isdir(os.path.join(self.lake, dataset)):
                groups.setdefault((dataset, _NO_DATE), [])
        for (dataset, date), paths in groups.items():
            if len(paths) == 1:
                name = os.path.basename(paths[0])
            else:
                name = f"{self._next_name()}.part"
                write_parquet(
                    os.path.join(self.path, name), map(read_parquet, paths), schema(dataset)
                )
            to = f"{dataset}/date={date}/{_WRITER}-{name.removesuffix('.part')}.parquet"
            publishing.append((name, to))
        before, self.segments, self._publishing = self.segments, [], publishing
        try:
            self._save_state(taken)
        except OSError:
            self.segments, self._publishing = before, []
            raise
        self._rename_into_lake()
        for _, _, name, _ in before:
            with suppress(OSError):  # otherwise the next run removes it
                os.unlink(os.path.join(self.path, name))

    def _rename_into_lake(self) -> None:
        for name, to in self._publishing:
            path = os.path.join(self.lake, to)
            make_directory(os.path.dirname(path))
            with suppress(FileNotFoundError):  # an earlier run has done this just before its end
                os.rename(os.path.join(self.path, name), path)
        for path in {os.path.dirname(os.path.join(self.lake, to)) for _, to in self._publishing}:
            sync_directory(path)
        self._publishing = []

    def _save_state(self, taken: dict[str, Any]) -> None:
        sync_directory(self.path)
        self._state.save({
            "writer": self._writer, "number": self._number, "segments": self.segments,
            "publishing": self._publishing, "taken": taken,
        })  # fmt: skip

    def close(self) -> None:
        self._state.close()


def read_parquet(path: str, columns: list[str] | None = None) -> Any:
    """The table in a file. Raises SigrecError, with the file's name, if it is damaged."""
    with readable(path) as file:
        return parquet.read_table(file, columns=columns)


@contextmanager
def readable(path: str) -> Iterator[Any]:
    """Opens a Parquet file; what is damaged in it is a SigrecError with its name."""
    with open(path, "rb") as file:  # by its name it would be taken for a dataset
        try:
            yield file
        except (pyarrow.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise SigrecError(f"{path}: cannot be read as Parquet: {error}") from None


def _by_recording(table: Any) -> dict[tuple[str, int], Any]:
    """By a recording's key and a signal's number, the ordinals."""
    grouped = table.group_by(["uid", "recording", "si_signo"]).aggregate([("ordinal", "list")])
    return {
        (f"{row['uid']}:{row['recording']}", row["si_signo"]): row["ordinal_list"]
        for row in grouped.to_pylist()
    }


def by_date(table: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The rows of each day, in UTC, in the order of host and time."""
    order = [("host", "ascending"), (f"{name}_ns", "ascending")]
    days = table[f"{name}_ns"].fill_null(0).to_numpy() // (86400 * 10**9)
    for day in numpy.unique(days).tolist():
        date = time.strftime("%Y-%m-%d", time.gmtime(day * 86400))
        yield date, table.filter(pyarrow.array(days == day)).sort_by(order)
