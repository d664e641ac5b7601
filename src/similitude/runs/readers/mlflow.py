"""MLflow: the SQLite store (`mlflow.db`) and the file store (`mlruns/`), after the schema and layout of MLflow 3.17.

Infinite values are kept by the SQLite store as the largest number there is, NaN as 0 with a mark beside it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from similitude._errors import DataError
from similitude.runs._logged import LoggedRun, Scalar

from ._points import MOST_METRICS, Collector
from ._reader import Claim, Place, document, reader

if TYPE_CHECKING:
    import sqlite3

    import polars as pl

__all__ = ["mlflow"]

MAGIC = b"SQLite format 3\x00"
HEADING = 1 << 16
STATES = {
    "FINISHED": "finished",
    "FAILED": "crashed",
    "KILLED": "crashed",
    "RUNNING": "running",
    "SCHEDULED": "running",
}
NUMBERED = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}  # of the file store
_TABLES = ("runs", "metrics", "params", "tags", "experiments")
_OWN = "mlflow."


def _sniff(place: Place) -> Iterator[Claim]:
    """A database with MLflow's tables, or the folder of a run."""
    for name in place.files:
        if place.head(name).startswith(MAGIC) and _has_tables(place.path / name):
            yield place.claim(name)
    if (
        "meta.yaml" in place.files
        and b"run_id:" in place.head("meta.yaml")
        and b"lifecycle_stage" in place.head("meta.yaml")
    ):
        yield Claim((place.path / "meta.yaml",), folder=place.path)


@reader("mlflow", title="MLflow (mlflow.db, mlruns/)", sniff=_sniff, verified="mlflow 3.17.2")
def mlflow(claim: Claim) -> Iterator[LoggedRun]:
    """All active runs of a database, or one run of a file store."""
    if claim.folder is None:
        yield from _database(claim.files[0])
    else:
        yield _folder(claim.folder)


def _made(name: str, identity: str, experiment: str, **more: Any) -> LoggedRun:
    return LoggedRun(kind="mlflow", key=f"mlflow:{identity}", name=name or identity, tags=(experiment,), **more)


# -- the SQLite store -----------------------------------------------------------------------------------------------


def _open(path: Path) -> sqlite3.Connection:
    """Read-only, so that a store in use is not touched; nothing in its schema is trusted."""
    import sqlite3

    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10)
    database.execute("pragma trusted_schema = off")
    database.execute("pragma cell_size_check = on")
    database.row_factory = sqlite3.Row
    return database


def _has_tables(path: Path) -> bool:
    import sqlite3
    from contextlib import closing

    try:
        with closing(_open(path)) as database:
            found = database.execute("select name from sqlite_master where type = 'table'").fetchmany(10_000)
    except (sqlite3.Error, OSError):
        return False
    return set(_TABLES) <= {row["name"] for row in found}


def _database(path: Path) -> Iterator[LoggedRun]:
    import sqlite3
    from contextlib import closing

    try:
        with closing(_open(path)) as database:
            rows = database.execute(
                "select runs.*, experiments.name as experiment from runs left join experiments using (experiment_id)"
                " order by start_time, run_uuid"
            ).fetchall()
            deleted = sum(row["lifecycle_stage"] == "deleted" for row in rows)
            kept = [row for row in rows if row["lifecycle_stage"] != "deleted"]
            for i, row in enumerate(kept):
                yield _row(database, path, row, deleted if i == 0 else 0)
    except sqlite3.Error as error:
        raise DataError(f"{path.name} cannot be read as a store of MLflow: {error}") from None


def _row(database: sqlite3.Connection, path: Path, row: sqlite3.Row, deleted: int) -> LoggedRun:
    identity = row["run_uuid"]
    params = database.execute("select key, value from params where run_uuid = ?", (identity,)).fetchmany(MOST_METRICS)
    tags = database.execute("select key, value from tags where run_uuid = ?", (identity,)).fetchmany(MOST_METRICS)
    config: dict[str, Scalar] = {str(k): v for k, v in params}
    config |= {f"tag.{k}": v for k, v in tags if not str(k).startswith(_OWN)}
    return _made(
        row["name"],
        identity,
        row["experiment"] or "",
        source=str(path),
        config=config,
        points=_points_of_database(path, identity),
        state=STATES.get(row["status"], "unknown"),
        started=_seconds(row["start_time"]),
        ended=_seconds(row["end_time"]),
        assumed=_parent(dict(map(tuple, tags))),
        left_out=(f"{deleted} deleted run{'s' if deleted > 1 else ''}",) if deleted else (),
    )


def _parent(tags: Mapping[str, str]) -> tuple[str, ...]:
    parent = tags.get("mlflow.parentRunId")
    return (f"it is nested in run {parent}",) if parent else ()


def _seconds(milliseconds: Any) -> float | None:
    return milliseconds / 1000 if isinstance(milliseconds, (int, float)) else None


def _points_of_database(path: Path, identity: str) -> Callable[[], Iterator[pl.DataFrame]]:
    def chunks() -> Iterator[pl.DataFrame]:
        import sqlite3
        from contextlib import closing

        collector = Collector()
        try:
            with closing(_open(path)) as database:
                rows = database.execute(
                    "select key, step, timestamp, value, is_nan from metrics where run_uuid = ? order by rowid",
                    (identity,),
                )
                for key, step, time, value, nan in rows:
                    collector.add(str(key), step, _seconds(time), math.nan if nan else _value(value))
                    if collector.full:
                        yield from collector.take()
        except sqlite3.Error as error:
            raise DataError(f"{path.name} cannot be read as a store of MLflow: {error}") from None
        yield from collector.take()

    return chunks


def _value(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else float(value)


# -- the file store -------------------------------------------------------------------------------------------------


def _folder(folder: Path) -> LoggedRun:
    meta = _heading(folder / "meta.yaml")
    identity = meta.get("run_id") or meta.get("run_uuid") or folder.name
    if meta.get("lifecycle_stage") == "deleted":
        raise DataError(f"{folder.name} is a deleted run")
    experiment = (
        _heading(folder.parent / "meta.yaml").get("name", "") if (folder.parent / "meta.yaml").is_file() else ""
    )
    config: dict[str, Scalar] = dict(_words(folder / "params"))
    tags = dict(_words(folder / "tags"))
    config |= {f"tag.{k}": v for k, v in tags.items() if not k.startswith(_OWN)}
    return _made(
        meta.get("run_name") or tags.get("mlflow.runName", ""),
        identity,
        experiment,
        source=str(folder),
        config=config,
        points=lambda: _points_of_folder(folder / "metrics"),
        state=STATES.get(NUMBERED.get(meta.get("status", ""), ""), "unknown"),
        started=_stamp(meta.get("start_time")),
        ended=_stamp(meta.get("end_time")),
        assumed=_parent(tags),
    )


def _heading(path: Path) -> dict[str, str]:
    """The lines `key: value` that MLflow writes; nothing else of YAML is understood, nothing is made of it."""
    found = {}
    for line in document(path, HEADING).decode("utf-8", "replace").splitlines():
        key, colon, value = line.partition(":")
        if colon and key == key.strip():
            found[key] = value.strip().strip("'\"")
    return {k: v for k, v in found.items() if v != "null"}


def _stamp(text: str | None) -> float | None:
    return int(text) / 1000 if text is not None and text.isdigit() else None


def _words(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and content of the files below a folder; names may hold slashes, as folders."""
    for path in _files(folder):
        yield path.relative_to(folder).as_posix(), document(path, HEADING).decode("utf-8", "replace").rstrip("\n")


def _files(folder: Path) -> list[Path]:
    found = sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()) if folder.is_dir() else []
    return found[:MOST_METRICS]


def _points_of_folder(folder: Path) -> Iterator[pl.DataFrame]:
    """Lines of time in milliseconds, value and step; a last line that is cut off is left out."""
    collector = Collector()
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        with open(path, encoding="utf-8", errors="replace") as stream:
            for number, line in enumerate(stream, 1):
                parts = line[:1000].split()
                try:
                    time, value = int(parts[0]), float(parts[1])
                    step = int(parts[2]) if len(parts) > 2 else number - 1
                except (ValueError, IndexError):
                    if line.endswith("\n") and line.strip():
                        raise DataError(
                            f"{path.parent.name}/{path.name}, line {number}: expected time, value and step"
                        ) from None
                    continue
                collector.add(name, step, time / 1000, value)
                if collector.full:
                    yield from collector.take()
    yield from collector.take()
