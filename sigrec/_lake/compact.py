"""Makes one file of the many of a day, when that day is over, while others may read and write
there.

The new directory of the day takes the place of the old one in one step (renameat2(2)), so that a
reader sees either the old files or the new one. A manifest says which files went into the new one;
files that others put there meanwhile are moved to the new directory.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import time
from contextlib import suppress

import pyarrow
import pyarrow.parquet as parquet

from sigrec._errors import SigrecError
from sigrec._lake.schema import DATASETS, TIME
from sigrec._lake.spool import (
    as_sigrec_error,
    make_directory,
    read_parquet,
    readable,
    sync_directory,
    write_parquet,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_AT_FDCWD, _EXCHANGE = -100, 2  # <fcntl.h>, <linux/fs.h>
_SORTED_AT_ONCE = 256 << 20  # bytes of files


def compact(lake: str, spool: str, date: str) -> dict[str, int]:
    """Compacts that day; returns by dataset how many files became one. Raises SigrecError if the
    day is not over, if there is no lake, or if it cannot."""
    if date >= time.strftime("%Y-%m-%d", time.gmtime()):
        raise SigrecError(f"{date} is not over in UTC: files of that day are still written")
    if not os.path.isdir(lake):
        raise SigrecError(f"{lake}: there is no such lake")
    compacted = {}
    with as_sigrec_error(lake):
        make_directory(spool)
        fd = os.open(
            os.path.join(spool, "compact.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SigrecError(f"{spool}: another --compact is at work there") from None
            _resume(spool)
            for dataset in DATASETS:
                path = os.path.join(lake, dataset, f"date={date}")
                if os.path.isdir(path) and (count := _compact_dataset(path, dataset, date, spool)):
                    compacted[dataset] = count
        finally:
            os.close(fd)
    return compacted


def _compact_dataset(path: str, dataset: str, date: str, spool: str) -> int:
    """Compacts one dataset; returns how many files there were, or 0 if there is nothing to do."""
    names = sorted(name for name in os.listdir(path) if name.endswith(".parquet"))
    if len(names) < 2:
        return 0
    paths = [os.path.join(path, name) for name in names]
    schemas = [_schema_of_file(file) for file in paths]
    # Older files have fewer columns, and newer ones may have more.
    schema = pyarrow.unify_schemas(schemas)
    new = os.path.join(spool, f"compact-{dataset}")
    _remove_directory(new)
    make_directory(new)
    name = f"compact-{date}-{time.time_ns():x}.parquet"
    write_parquet(os.path.join(new, name), _sorted_rows(paths, schema, TIME[dataset]), schema)
    sync_directory(new)
    manifest = f"{new}.json"
    with open(f"{manifest}.part", "w", encoding="utf-8") as file:
        json.dump({"path": os.path.abspath(path), "name": name, "of": names}, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{manifest}.part", manifest)
    sync_directory(spool)
    _finish(manifest)
    return len(names)


def _sorted_rows(paths: list[str], schema: Any, of: str) -> Iterator[Any]:
    """The rows in the order of host and time; if the files
    are large, only within some of them each."""
    order = [("host", "ascending"), (f"{of}_ns", "ascending")]
    tables: list[Any] = []
    size = 0
    for path in paths:
        table = read_parquet(path)
        missing = [field for field in schema if field.name not in table.column_names]
        for field in missing:
            table = table.append_column(field, pyarrow.nulls(len(table), field.type))
        tables.append(table.select(schema.names))
        size += os.path.getsize(path)
        if size >= _SORTED_AT_ONCE:
            yield pyarrow.concat_tables(tables).sort_by(order)
            tables, size = [], 0
    if tables:
        yield pyarrow.concat_tables(tables).sort_by(order)


def _finish(manifest: str) -> None:
    """Finishes what a manifest describes, also after a kill: if the new file is still here, the two
    directories have not changed places yet."""
    with open(manifest, encoding="utf-8") as file:
        merged = json.load(file)
    path, new = merged["path"], manifest.removesuffix(".json")
    if os.path.exists(os.path.join(new, merged["name"])):
        _exchange_directories(new, path)
        sync_directory(os.path.dirname(path))
    # From here on `new` is the old directory.
    for name in sorted(set(os.listdir(new)) - set(merged["of"])):
        os.rename(os.path.join(new, name), os.path.join(path, name))
    sync_directory(path)
    _remove_directory(new)
    os.unlink(manifest)


def _resume(spool: str) -> None:
    """Finishes what an earlier run has left half done."""
    for dataset in DATASETS:
        manifest = os.path.join(spool, f"compact-{dataset}.json")
        if os.path.exists(manifest):
            try:
                _finish(manifest)
            except (ValueError, KeyError, TypeError):
                raise SigrecError(f"{manifest}: makes no sense") from None


def _remove_directory(path: str) -> None:
    with suppress(FileNotFoundError):
        for name in os.listdir(path):
            os.unlink(os.path.join(path, name))
        os.rmdir(path)


def _exchange_directories(one: str, other: str) -> None:
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        raise SigrecError("this C library has no renameat2(2)")
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), other)


def _schema_of_file(path: str) -> Any:
    with readable(path) as file:
        return parquet.read_schema(file)
