"""Store: the runs of all logs in one place, added whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from similitude._errors import ArgumentError, did_you_mean
from similitude.runs._logged import LoggedRun, Scalar, points_schema

from ._parts import Digest, Part, folder_of, path_of, read_parts, write_parts
from ._schema import connect, from_number, to_number, told, transaction

if TYPE_CHECKING:
    import polars as pl

    from similitude.runs._logs import Logs

__all__ = ["Added", "Store"]

YOUNG = 3600.0  # seconds: files of no run that somebody may be about to tell of


@dataclass(frozen=True, slots=True)
class Added:
    """Names of runs that were new, that had grown since, and that were known already; what could not be kept."""

    new: tuple[str, ...] = ()
    grown: tuple[str, ...] = ()
    same: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [
            f"{len(v)} {what}" for what, v in (("new", self.new), ("grown", self.grown), ("known", self.same)) if v
        ]
        return ", ".join(parts) or "no runs"


@dataclass(slots=True)
class _Metric:
    """What is known of a metric without reading its points."""

    points: int = 0
    first: int | None = None
    final: int | None = None
    last: float = float("nan")
    least: float = float("nan")
    greatest: float = float("nan")


@dataclass(slots=True)
class _Written:
    """The parts of a run and what was seen of them while they passed."""

    points: tuple[Part, ...] = ()
    samples: tuple[Part, ...] = ()
    metrics: dict[str, _Metric] = field(default_factory=dict)
    hash: str = ""


class Store:
    """A store of runs: an SQLite database, and curves as Parquet files in a folder beside it.

    `path` is the database, made when it is not there unless `create` is false. A run is added in one transaction, after
    its curves are on disk, so that it is there whole or not at all, whatever happens; many processes may read and add
    at once. Adding a log twice changes nothing; a log that has grown replaces what was there of it.

    Raises DataError for a file that is no store, is newer than this program, or cannot be written.

    >>> import similitude as sim, tempfile
    >>> store = sim.Store(tempfile.mkdtemp() + "/similitude.db")
    >>> store
    Store(0 runs)
    """

    def __init__(self, path: str | Path = "similitude.db", *, create: bool = True) -> None:
        self.path = Path(path)
        self.folder = folder_of(self.path)
        self._database = connect(self.path, create=create)

    def __repr__(self) -> str:
        return f"Store({len(self)} runs)"

    def __len__(self) -> int:
        return self._one("select count(*) from run where complete")

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    # -- adding -------------------------------------------------------------------------------------------------

    def add(self, logs: Logs | Iterable[LoggedRun], *, progress: Callable[[str], None] | None = None) -> Added:
        """Keep the runs of logs; each is there whole or not at all. `progress` is called with each run's name.

        A run is known again by its content wherever its file lies. By the key its library gave it, it is known as one
        that has grown where all that was there of its curves is there still; else it is another run.

        Raises DataError where the disk is full or the store cannot be written; runs added before stay.
        """
        found: dict[str, list[str]] = {"new": [], "grown": [], "same": []}
        for run in logs:
            if progress is not None:
                progress(run.name)
            try:
                found[self._add(run)].append(run.name)
            except (sqlite3.Error, OSError) as error:
                raise told(error, self.path) from None
        return Added(*(tuple(found[k]) for k in ("new", "grown", "same")))

    def _add(self, run: LoggedRun) -> str:
        written = self._write(run)
        with transaction(self._database):
            if self._one("select count(*) from run where complete and hash = ?", written.hash):
                return "same"
            self._keep(run, written)
            before = self._earlier(run, written)
            self._insert(run, written, before)
        return "new" if before is None else "grown"

    def _write(self, run: LoggedRun) -> _Written:
        """The curves on disk; the hash of all that the run says."""
        written = _Written()
        digests = Digest(), Digest()

        def saw(chunk: pl.DataFrame) -> None:
            digests[0].add(chunk)
            _count(written.metrics, chunk)

        if run.points is not None:
            written.points = tuple(write_parts(run.points(), self.folder, saw))
        if run.samples is not None:
            written.samples = tuple(write_parts(run.samples(), self.folder, digests[1].add))
        said = json.dumps([run.kind, run.name, run.state, sorted(run.config.items()), sorted(run.final.items())])
        whole = "\0".join([said, *(d.hexdigest() for d in digests)])
        written.hash = hashlib.sha256(whole.encode()).hexdigest()
        return written

    def _keep(self, run: LoggedRun, written: _Written) -> None:
        """Within the transaction that tells of them: the curves once more, where somebody tidied them away meanwhile.

        Whoever tidies holds the same lock, and knows of all that was told before.
        """
        if not all(path_of(self.folder, p.sha256).is_file() for p in (*written.points, *written.samples)):
            self._write(run)

    def _earlier(self, run: LoggedRun, written: _Written) -> int | None:
        """The run of the same key that this one continues, if there is one."""
        for row in self._all("select id from run where complete and key = ? order by changed desc", run.key):
            if self._continues(row["id"], written):
                return row["id"]
        return None

    def _continues(self, before: int, written: _Written) -> bool:
        """Whether all points of a run in the store are among those written now."""
        import polars as pl

        keys = ("metric", "step", "value")
        old = self._points(before)
        new = read_parts(self.folder, written.points)
        if old is None:
            return not self._one("select count(*) from part where run = ?", before) and not written.points
        fresh = pl.concat([c.select(keys) for c in new()] or [pl.DataFrame(schema=points_schema()).select(keys)])
        return all(c.select(keys).join(fresh, on=keys, how="anti", nulls_equal=True).is_empty() for c in old())

    def _insert(self, run: LoggedRun, written: _Written, before: int | None) -> None:
        now = time.time()
        history = [] if before is None else self._history(before, now)
        added = now if before is None else self._one("select added from run where id = ?", before)
        if before is not None:
            self._database.execute("delete from run where id = ?", (before,))
        values = (before, run.key, written.hash, run.kind, run.name, run.source, run.state, run.started, run.ended)
        cursor = self._database.execute(
            "insert into run "
            "(id, key, hash, kind, name, source, state, started, ended, tags, added, changed, complete) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
            (*values, json.dumps(list(run.tags)), added, now),
        )
        history.append((f"read from {run.source}", now))
        self._describe(int(cursor.lastrowid or 0), run, written, history, now)

    def _history(self, before: int, now: float) -> list[tuple[str, float]]:
        rows = self._all("select says, at from note where run = ? and kind = 'history' order by place", before)
        points = self._one("select coalesce(sum(points), 0) from metric where run = ?", before)
        return [*((r["says"], r["at"]) for r in rows), (f"replaced: had {points} points", now)]

    def _describe(
        self, number: int, run: LoggedRun, written: _Written, history: list[tuple[str, float]], now: float
    ) -> None:
        """All rows of a run but its own."""
        many = self._database.executemany
        many("insert into setting values (?, ?, ?, ?, ?)", [(number, k, *_typed(v)) for k, v in run.config.items()])
        many("insert into final values (?, ?, ?)", [(number, k, to_number(v)) for k, v in run.final.items()])
        many(
            "insert into metric values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (number, k, m.points, m.first, m.final, *map(to_number, (m.last, m.least, m.greatest)))
                for k, m in written.metrics.items()
            ],
        )
        for what, parts in (("points", written.points), ("samples", written.samples)):
            many("insert into part values (?, ?, ?, ?, ?)", [(number, what, i, *_pair(p)) for i, p in enumerate(parts)])
        notes = [("assumed", s, now) for s in run.assumed] + [("left out", s, now) for s in run.left_out]
        notes += [("history", says, at) for says, at in history]
        many("insert into note values (?, ?, ?, ?, ?)", [(number, i, *n) for i, n in enumerate(notes)])

    # -- reading ------------------------------------------------------------------------------------------------

    def logged(self, *, unfinished: bool = False) -> tuple[LoggedRun, ...]:
        """The runs in the order they were added; curves are read from disk when asked for.

        With `unfinished`, also those that are being tracked or whose process died.
        """
        rows = self._all(f"select * from run {'' if unfinished else 'where complete'} order by id")
        return tuple(self._logged(row) for row in rows)

    def __getitem__(self, name: str | int) -> LoggedRun:
        """The run of that name or number; ArgumentError when there is none, or when several have the name."""
        by = "id" if isinstance(name, int) or str(name).isdigit() else "name"
        rows = self._all(f"select * from run where {by} = ? order by id", name)
        if not rows:
            known = [r["name"] for r in self._all("select name from run")]
            raise ArgumentError(f"{self.path} has no run '{name}'{did_you_mean(str(name), known)}")
        if len(rows) > 1:
            numbers = ", ".join(str(r["id"]) for r in rows)
            raise ArgumentError(f"{self.path} has {len(rows)} runs named '{name}': give a number, {numbers}")
        return self._logged(rows[0])

    def listing(self) -> pl.DataFrame:
        """One row a run: id, name, kind, state, source, points, last_step, times; curves are not read."""
        import polars as pl

        columns = ("id", "name", "kind", "state", "source", "points", "last_step", "started", "ended")
        rows = [tuple(r[c] for c in columns) for r in self._all("select * from runs order by id")]
        kinds = (pl.Int64, pl.String, pl.String, pl.String, pl.String, pl.Int64, pl.Int64, pl.Float64, pl.Float64)
        return pl.DataFrame(rows, schema=dict(zip(columns, kinds)), orient="row")

    def curve(self, name: str | int, metric: str) -> pl.DataFrame:
        """The points of one metric: step, time, value; ArgumentError where the run has no such metric."""
        import polars as pl

        run = self[name]
        frames = (
            [] if run.points is None else [c.filter(pl.col("metric") == metric).drop("metric") for c in run.points()]
        )
        if not any(f.height for f in frames):
            known = [m for f in [run.curves()] for m in f["metric"].unique().sort().to_list()]
            raise ArgumentError(f"run '{run.name}' has no metric '{metric}'{did_you_mean(metric, known)}")
        return pl.concat(frames)

    def history(self, name: str | int) -> list[dict[str, Any]]:
        """What became of a run in the store: sentences, with seconds since 1970."""
        rows = self._all(
            "select says, at from note where run = ? and kind = 'history' order by place", self._find(name)
        )
        return [{"says": r["says"], "at": r["at"]} for r in rows]

    def export(self, folder: str | Path, kind: str = "parquet") -> list[str]:
        """Write all runs and their curves as "parquet", "csv" or "jsonl" into a new folder; the names of the files.

        Raises ArgumentError for another kind or a folder that is not empty, DataError where it cannot be written.
        """
        from ._export import export

        rows = self._all("select * from run where complete order by id")
        return export({r["id"]: self._logged(r) for r in rows}, folder, kind)

    def _logged(self, row: sqlite3.Row) -> LoggedRun:
        number = row["id"]
        notes = self._all("select kind, says from note where run = ? order by place", number)
        said = {k: tuple(n["says"] for n in notes if n["kind"] == k) for k in ("assumed", "left out")}
        samples = self._parts(number, "samples")
        return LoggedRun(
            kind=row["kind"],
            key=row["key"],
            name=row["name"],
            source=row["source"],
            config={r["name"]: _untyped(r) for r in self._all("select * from setting where run = ?", number)},
            final={r["name"]: from_number(r["value"]) for r in self._all("select * from final where run = ?", number)},
            points=self._points(number),
            samples=read_parts(self.folder, samples) if samples else None,
            state=row["state"],
            started=row["started"],
            ended=row["ended"],
            tags=tuple(json.loads(row["tags"])),
            assumed=said["assumed"],
            left_out=said["left out"],
        )

    def _parts(self, number: int, what: str) -> tuple[Part, ...]:
        rows = self._all("select sha256, rows from part where run = ? and what = ? order by place", number, what)
        return tuple(Part(r["sha256"], r["rows"]) for r in rows)

    def _points(self, number: int) -> Callable[[], Any] | None:
        parts = self._parts(number, "points")
        return read_parts(self.folder, parts) if parts else None

    # -- keeping house ------------------------------------------------------------------------------------------

    def remove(self, name: str | int) -> None:
        """Take a run out, and its curves where no other run has the same."""
        run = self._find(name)
        with transaction(self._database):
            self._database.execute("delete from run where id = ?", (run,))
        self.check(tidy=True)

    def _find(self, name: str | int) -> int:
        self[name]
        by = "id" if isinstance(name, int) or str(name).isdigit() else "name"
        return self._one(f"select id from run where {by} = ?", name)

    def check(self, *, tidy: bool = False) -> tuple[str, ...]:
        """What is wrong, a sentence each: damage in the database, curves that are gone or are not what they were.

        With `tidy`, files that no run refers to, as an interrupted import leaves them, are removed.
        """
        said = [r[0] for r in self._all("pragma integrity_check") if r[0] != "ok"]
        for sha256 in sorted(self._known()):
            path = path_of(self.folder, sha256)
            if not path.is_file():
                said.append(f"{path} is gone; restore it from a copy, or import the logs again")
            elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
                said.append(f"{path} is damaged; restore it from a copy, or import the logs again")
        alone = self._alone()
        if not tidy:
            strays = self._strays(alone)
            return (*said, *(f"{p} belongs to no run{_why(p)}" for p in strays))
        try:
            with transaction(self._database):
                for path in self._strays(alone):
                    path.unlink(missing_ok=True)
        except (sqlite3.Error, OSError) as error:
            raise told(error, self.path) from None
        return tuple(said)

    def _known(self) -> set[str]:
        return {r["sha256"] for r in self._all("select distinct sha256 from part")}

    def _strays(self, alone: bool) -> list[Path]:
        """Files of no run; while others write, only old ones, as the rest may be what they write."""
        found = {p: _age(p) for p in sorted(self.folder.glob("??/*"))}
        kept = self._known()  # read last: what was told of since is no stray
        return [p for p, age in found.items() if (p.suffix == ".tmp" or p.stem not in kept) and (alone or age > YOUNG)]

    def _alone(self) -> bool:
        """Whether nobody else is known to write: no run of another process is under way, none writes just now."""
        from ._live import live_runs

        if any(live.alive and live.pid != os.getpid() for live in live_runs(self)):
            return False
        try:
            self._database.execute("pragma busy_timeout = 0")
            self._database.execute("begin exclusive")
            self._database.execute("rollback")
        except sqlite3.OperationalError:
            return False
        finally:
            self._database.execute("pragma busy_timeout = 60000")
        return True

    def _all(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise told(error, self.path) from None

    def _one(self, statement: str, *values: Any) -> Any:
        return self._all(statement, *values)[0][0]


def _why(path: Path) -> str:
    """Why a file may be there without a run: while it is young, somebody may be about to tell of it."""
    if _age(path) < YOUNG:
        return " yet; an import is at it, or was interrupted: tidy removes it then"
    return "; an import was interrupted, tidy removes it"


def _age(path: Path) -> float:
    """Seconds since a file was written; none where it is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _pair(part: Part) -> tuple[str, int]:
    return part.sha256, part.rows


def _typed(value: Scalar) -> tuple[str, float | int | None, str | None]:
    """Kind, number, text of a setting; whole numbers beyond 64 bits are kept as text."""
    if value is None:
        return "none", None, None
    if isinstance(value, bool):
        return "flag", int(value), None
    if isinstance(value, int):
        return ("whole", value, None) if abs(value) < 1 << 63 else ("whole", None, str(value))
    if isinstance(value, float):
        return ("number", value, None) if value == value else ("number", None, "nan")
    return "text", None, value


def _untyped(row: sqlite3.Row) -> Scalar:
    kind, number, text = row["kind"], row["number"], row["text"]
    if kind == "flag":
        return bool(number)
    if kind == "whole":
        return int(number if text is None else text)
    if kind == "number":
        return float(number if text is None else text)
    return None if kind == "none" else str(text)


def _count(metrics: dict[str, _Metric], chunk: pl.DataFrame) -> None:
    """Counts, ends and extremes of the metrics of a chunk."""
    import polars as pl

    value = pl.col("value")
    rows = chunk.group_by("metric", maintain_order=True).agg(
        points=pl.len(),
        first=pl.col("step").first(),
        final=pl.col("step").last(),
        last=value.last(),
        least=value.drop_nans().min(),
        greatest=value.drop_nans().max(),
    )
    for name, points, first, final, last, least, greatest in rows.iter_rows():
        had = metrics.get(name)
        lows = [v for v in (least, had.least if had else None) if v is not None and v == v]
        highs = [v for v in (greatest, had.greatest if had else None) if v is not None and v == v]
        metrics[name] = _Metric(
            points=points + (had.points if had else 0),
            first=had.first if had else first,
            final=final,
            last=float("nan") if last is None else last,
            least=min(lows, default=float("nan")),
            greatest=max(highs, default=float("nan")),
        )
