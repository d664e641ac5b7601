"""Runs while they are under way: points into the database as they come, into Parquet when the run has ended."""

from __future__ import annotations

import errno
import os
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from similitude._errors import ArgumentError
from similitude.runs._logged import CHUNK, LoggedRun, flat, points_schema

from ._schema import from_number, to_number, told, transaction
from ._store import Store

if TYPE_CHECKING:
    import polars as pl

__all__ = ["SILENT", "Live", "LiveWriter", "live_runs"]

TOGETHER = 249  # points a statement: four variables each, of the 999 that every SQLite takes
SILENT = 90.0  # seconds without a sign of life after which a run on another machine counts as stopped


class LiveWriter:
    """Writes runs that are under way into a store; one object a process, for any number of runs.

    Each call is one short transaction. A run is listed as finished only once `finish` has returned. Raises DataError
    where the store cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.store = Store(path)
        self._database = self.store._database
        if self._database.execute("pragma locking_mode").fetchone()[0] == "exclusive":
            self.close()  # opened alone on a full disk: whoever writes for long must not keep others out
            raise told(OSError(errno.ENOSPC, "the disk is full"), self.store.path)
        self._database.execute(
            "pragma synchronous = normal"
        )  # as safe against a killed process; a power cut may cost 2 s

    def begin(self, run: LoggedRun) -> int:
        """A run in state 'running', with its settings; its number."""
        with self._writing():
            return self._begun(run)

    def _begun(self, run: LoggedRun) -> int:
        from ._store import _Written

        now = time.time()
        cursor = self._database.execute(
            "insert into run (key, hash, kind, name, source, state, started, tags, added, changed, complete) "
            "values (?, '', ?, ?, ?, 'running', ?, '[]', ?, ?, 0)",
            (run.key, run.kind, run.name, run.source, run.started or now, now, now),
        )
        number = int(cursor.lastrowid or 0)
        self.store._describe(number, run, _Written(), [("tracking began", now)], now)
        self._own(number)
        return number

    def claim(self, run: LoggedRun) -> tuple[str, int]:
        """Begin a run that a program can make again from its key, unless it is there: (what it was, its number).

        "known": it is in the store, ended; "busy": a process that lives is at it; "resumed": a process began it and
        died; "begun": it was not there. Of several that ask at once one is told that the run is its own.
        """
        with self._writing():
            done = self.store._all("select id from run where complete and key = ? order by id", run.key)
            if done:
                return "known", done[0]["id"]
            for row in self.store._all(
                "select run.id, host, pid, beat from run join live on live.run = run.id "
                "where not complete and key = ? order by run.id",
                run.key,
            ):
                if _is_alive(row["host"], row["pid"], row["beat"]) and not self._mine(row):
                    return "busy", row["id"]
                self._own(row["id"])
                self._database.execute("update run set state = 'running' where id = ?", (row["id"],))
                return "resumed", row["id"]
            return "begun", self._begun(run)

    def _mine(self, row: sqlite3.Row) -> bool:
        return row["pid"] == os.getpid() and row["host"] == socket.gethostname()

    def rewind(self, number: int, step: int) -> None:
        """Take back the points after a step, from which a run goes on."""
        with self._writing():
            self._database.execute("delete from live_point where run = ? and step > ?", (number, step))

    def release(self, number: int) -> None:
        """Let go of a run that has not ended, for another process to go on with."""
        with self._writing():
            self._database.execute("update live set host = '', beat = 0 where run = ?", (number,))

    def resume(self, number: int) -> int:
        """Go on with a run whose process died: its last step. ArgumentError where it is not there or is alive."""
        with self._writing():  # two that ask at once are told one after the other
            rows = [r for r in live_runs(self.store) if r.number == number]
            if not rows:
                raise ArgumentError(f"{self.store.path} has no run {number} that could be resumed")
            if rows[0].alive and rows[0].pid != os.getpid():
                raise ArgumentError(
                    f"run {number} is still tracked by process {rows[0].pid} on {rows[0].host}; end it first"
                )
            self._own(number)
            self._database.execute("update run set state = 'running' where id = ?", (number,))
        return self.store._one("select coalesce(max(step), -1) from live_point where run = ?", number)

    def append(self, number: int, rows: Iterable[tuple[str, int | None, float | None, float]]) -> None:
        """Points: metric, step, time, value each."""
        points = [(metric, step, when, to_number(value)) for metric, step, when, value in rows]
        with self._writing():
            # many rows a statement: twice as fast, and the lock of Python's threads is free while SQLite is at it
            for begin in range(0, len(points), TOGETHER):
                some = points[begin : begin + TOGETHER]
                values = ",".join([f"({number:d},?,?,?,?)"] * len(some))
                self._database.execute(
                    f"insert into live_point (run, metric, step, time, value) values {values}", [*chain(*some)]
                )
            self._database.execute("update live set beat = ? where run = ?", (time.time(), number))

    def heartbeat(self, number: int) -> None:
        """A sign of life."""
        with self._writing():
            self._database.execute("update live set beat = ? where run = ?", (time.time(), number))

    def finish(self, number: int, state: str = "finished", final: Mapping[str, float] | None = None) -> None:
        """The run has ended: its points move into Parquet files, and from then on it counts."""
        row = self.store._all("select * from run where id = ?", number)[0]
        before = self.store._logged(row)
        run = replace(before, state=state, ended=time.time(), points=lambda: _points(self.store, number))
        run = replace(run, final={**before.final, **(final or {})})
        try:
            written = self.store._write(run)
        except OSError as error:
            raise told(error, self.store.path) from None
        with self._writing():
            self.store._keep(run, written)
            now = time.time()
            history = [(r["says"], r["at"]) for r in self._notes(number)] + [(f"tracking ended: {state}", now)]
            for table in ("setting", "final", "metric", "part", "note", "live", "live_point"):
                self._database.execute(f"delete from {table} where run = ?", (number,))
            self._database.execute(
                "update run set hash = ?, state = ?, ended = ?, changed = ?, complete = 1 where id = ?",
                (written.hash, state, run.ended, now, number),
            )
            self.store._describe(number, run, written, history, now)

    def describe(self, number: int, settings: Mapping[str, Any]) -> None:
        """Further settings of a run under way."""
        from ._store import _typed

        with self._writing():
            self._database.executemany(
                "insert or replace into setting values (?, ?, ?, ?, ?)",
                [(number, k, *_typed(v)) for k, v in flat(settings).items()],
            )

    def close(self) -> None:
        """Let go of the file."""
        self.store.close()

    def _notes(self, number: int) -> list[sqlite3.Row]:
        return self.store._all("select says, at from note where run = ? and kind = 'history' order by place", number)

    def _own(self, number: int) -> None:
        values = (number, socket.gethostname(), os.getpid(), time.time())
        self._database.execute("insert or replace into live values (?, ?, ?, ?)", values)

    def _writing(self) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def guarded() -> Iterator[None]:
            try:
                with transaction(self._database):
                    yield
            except (sqlite3.Error, OSError) as error:
                raise told(error, self.store.path) from None

        return guarded()


@dataclass(frozen=True, slots=True)
class Live:
    """A run that has not ended, or whose process died: then it is not `alive`."""

    number: int
    run: LoggedRun
    host: str
    pid: int
    beat: float
    alive: bool


def live_runs(store: Store) -> tuple[Live, ...]:
    """The runs under way and those that stopped without a word, with the points so far."""
    rows = store._all("select run.*, host, pid, beat from run join live on live.run = run.id where not complete")
    found = []
    for row in rows:
        number, alive = row["id"], _is_alive(row["host"], row["pid"], row["beat"])
        run = replace(store._logged(row), points=_reader(store, number), state="running" if alive else "unknown")
        found.append(Live(number, run, row["host"], row["pid"], row["beat"], alive))
    return tuple(found)


def _reader(store: Store, number: int) -> Any:
    return lambda: _points(store, number)


def _points(store: Store, number: int) -> Iterator[pl.DataFrame]:
    """Points of the database in the order they came, a chunk at a time."""
    import polars as pl

    last = 0
    while rows := store._all(
        "select id, metric, step, time, value from live_point where run = ? and id > ? order by id limit ?",
        number,
        last,
        CHUNK,
    ):
        last = rows[-1]["id"]
        columns = {name: [r[name] for r in rows] for name in ("metric", "step", "time")}
        values = [from_number(r["value"]) for r in rows]
        yield pl.DataFrame({**columns, "value": values}, schema=points_schema())


def _is_alive(host: str, pid: int, beat: float) -> bool:
    """Whether the process is there; of another machine's, whether it has been heard of lately.

    A process that began long after the last sign of life is another one that has its number now.
    """
    if host != socket.gethostname():
        return time.time() - beat < SILENT
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is there, and another user's
        pass
    began = _began(pid)
    return began is None or began < beat + SILENT


def _began(pid: int) -> float | None:
    """When a process began, in seconds since 1970; None where the system does not tell."""
    try:
        since_boot = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        (boot,) = (w[1] for w in map(str.split, Path("/proc/stat").read_text().splitlines()) if w[:1] == ["btime"])
        return float(boot) + since_boot / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None
