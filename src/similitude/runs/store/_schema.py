"""The database of a store: its tables, how it is opened, and how an older one becomes a newer."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from similitude._errors import DataError
from similitude.runs._peek import SQLITE, in_use, peek, peeking

if TYPE_CHECKING:
    import sqlite3

__all__ = ["MIGRATIONS", "VERSION", "connect", "from_number", "is_store", "to_number", "told", "transaction"]

APPLICATION = 0x53494D49  # "SIMI" in the header of the file
PATIENCE = 60.0  # seconds to wait for other writers

# one script a version; a store of version n gets those after it
MIGRATIONS: tuple[str, ...] = (
    """
    create table run (
        id integer primary key,
        key text not null,            -- what the logging library knows the run by
        hash text not null,           -- SHA-256 of settings, final values, points and samples
        kind text not null,           -- the reader
        name text not null,
        source text not null,         -- file or folder, relative to what was imported
        state text not null,          -- finished, running, crashed, unknown
        started real, ended real,     -- seconds since 1970
        tags text not null,           -- a JSON list
        added real not null,
        changed real not null,
        complete integer not null     -- 0 while it is being tracked
    );
    create index run_key on run (key);
    create index run_hash on run (hash);
    create table setting (
        run integer not null references run on delete cascade,
        name text not null,
        kind text not null,           -- number, whole, text, flag, none
        number real, text text,
        primary key (run, name)
    ) without rowid;
    create table final (
        run integer not null references run on delete cascade,
        name text not null,
        value real,                   -- null stands for NaN
        primary key (run, name)
    ) without rowid;
    create table metric (
        run integer not null references run on delete cascade,
        name text not null,
        points integer not null,
        first_step integer, last_step integer,
        last real, least real, greatest real,   -- null stands for NaN
        primary key (run, name)
    ) without rowid;
    create table part (
        run integer not null references run on delete cascade,
        what text not null,           -- points, samples
        place integer not null,
        sha256 text not null,         -- of the Parquet file, which has it as its name
        rows integer not null,
        primary key (run, what, place)
    ) without rowid;
    create index part_file on part (sha256);
    create table note (
        run integer not null references run on delete cascade,
        place integer not null,
        kind text not null,           -- assumed, left out, history
        says text not null,
        at real not null,
        primary key (run, kind, place)
    ) without rowid;
    create table live (
        run integer primary key references run on delete cascade,
        host text not null, pid integer not null,
        beat real not null            -- seconds since 1970 of the last sign of life
    );
    create table live_point (
        id integer primary key,
        run integer not null references run on delete cascade,
        metric text not null,
        step integer, time real,
        value real                    -- null stands for NaN
    );
    create index live_point_run on live_point (run);
    create view runs as
        select id, name, kind, state, source, started, ended,
               (select sum(points) from metric where metric.run = run.id) as points,
               (select max(last_step) from metric where metric.run = run.id) as last_step
        from run where complete;
    """,
)
VERSION = len(MIGRATIONS)


def connect(path: Path, *, create: bool = True) -> sqlite3.Connection:
    """The database, made or brought to this version where that is needed; DataError for what is no store."""
    import sqlite3

    if not create and not path.is_file():
        raise DataError(f"{path}: there is no such store; import logs with 'similitude runs import'")
    if not path.parent.is_dir():
        raise DataError(f"{path}: there is no folder '{path.parent}'; create it first")
    with peeking:
        try:
            return _opened(path)
        except sqlite3.Error as error:
            kept_still = _unwritable(error) and path.is_file() and not in_use(path)
            if not _no_index(error) and not kept_still:
                raise _no_store(error, path) from None
        try:
            return _opened(path, only_read=True) if kept_still else _opened(path, alone=True)
        except sqlite3.Error as error:
            raise _no_store(error, path) from None


def _opened(path: Path, *, alone: bool = False, only_read: bool = False) -> sqlite3.Connection:
    """`alone`: without the index beside the log that processes share, for which a full disk has no room.

    `only_read`: where nothing can be written, so that nothing changes either, and no index is needed.
    """
    import sqlite3

    where = f"{path.resolve().as_uri()}?mode=ro&immutable=1" if only_read else path
    database = sqlite3.connect(where, timeout=PATIENCE, isolation_level=None, uri=only_read)
    try:
        database.row_factory = sqlite3.Row
        if alone:
            database.execute("pragma locking_mode = exclusive")
        database.execute("pragma foreign_keys = on")
        database.execute("pragma trusted_schema = off")
        _prepare(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _no_index(error: Exception) -> bool:
    """Whether the index beside the log could not be made for want of room."""
    return getattr(error, "sqlite_errorname", "").startswith("SQLITE_IOERR_SHM")


def _unwritable(error: Exception) -> bool:
    """Whether an error is that of a place where nothing can be written, or of a file that cannot be opened."""
    return "readonly" in str(error) or "unable to open" in str(error)


def _no_store(error: sqlite3.Error, path: Path) -> DataError:
    """What keeps a file from being opened."""
    if "not a database" in str(error):
        return DataError(f"{path} is no store of runs; expected an SQLite file that similitude wrote")
    return told(error, path)


def is_store(path: Path) -> bool:
    """Whether a file is a store of runs, by the mark in its header; a database in use is asked by SQLite itself."""
    import sqlite3
    from contextlib import closing

    if not path.is_file():
        return False
    if not in_use(path):
        head = peek(path, 72)
        return head.startswith(SQLITE) and int.from_bytes(head[68:72], "big") == APPLICATION
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as database:
            return database.execute("pragma application_id").fetchone()[0] == APPLICATION
    except sqlite3.Error:
        return False


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    """WAL, so that readers and a writer do not wait for each other; the tables of this version."""
    version, mark = (database.execute(f"pragma {p}").fetchone()[0] for p in ("user_version", "application_id"))
    if mark == APPLICATION and version == VERSION:
        return
    tables = database.execute("select count(*) from sqlite_master").fetchone()[0]
    if mark != APPLICATION and tables:
        raise DataError(f"{path} is an SQLite file, but no store of runs; expected one that similitude wrote")
    if version > VERSION:
        raise DataError(
            f"{path} is a store of version {version}, newer than this program's {VERSION}; update similitude"
        )
    if not os.access(path, os.W_OK):
        raise DataError(f"{path} is a store of version {version} and cannot be written, so not brought to {VERSION}")
    database.execute("pragma journal_mode = wal")
    with transaction(database):
        version = database.execute("pragma user_version").fetchone()[0]  # another process may have been first
        for script in MIGRATIONS[version:]:
            for statement in _statements(script):
                database.execute(statement)
        database.execute(f"pragma application_id = {APPLICATION}")
        database.execute(f"pragma user_version = {VERSION}")


def _statements(script: str) -> Iterator[str]:
    """Single statements: sqlite3's own executescript would commit in between."""
    import sqlite3

    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; the write lock is taken at once, so that two writers wait for each other instead of failing."""
    database.execute("begin immediate")
    try:
        yield
        database.execute("commit")
    except BaseException:
        if database.in_transaction:
            database.execute("rollback")
        raise


class FullDisk(DataError):
    """There is no room to write: what waits can be written once there is."""


def told(error: Exception, path: Path) -> DataError:
    """What went wrong with the file, in a sentence."""
    said = str(error)
    if path.is_dir():
        return DataError(f"{path} is a folder; expected a file, such as {path / 'similitude.db'}")
    if "disk is full" in said or _no_index(error) or getattr(error, "errno", None) in (28, 122):
        return FullDisk(f"{path}: the disk is full; make room and import again: what was finished is kept")
    if "locked" in said:
        return DataError(f"{path}: another program has held it locked for {PATIENCE:.0f} s; end it or wait")
    if _unwritable(error) or getattr(error, "errno", None) in (1, 13, 30):
        return DataError(f"{path}: no permission to write there; choose another place for the store")
    if "malformed" in said or "not a database" in said:
        return DataError(f"{path} is damaged ({said}); restore it from a copy, or import the logs into a new store")
    return DataError(f"{path}: {said}")


def to_number(value: float | None) -> float | None:
    """SQLite keeps no NaN: null stands for it where a value must be."""
    return None if value is None or math.isnan(value) else float(value)


def from_number(value: float | None) -> float:
    """The other way."""
    return math.nan if value is None else float(value)
