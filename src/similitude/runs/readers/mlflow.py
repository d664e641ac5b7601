"""MLflow: the SQLite store (`mlflow.db`) and the file store (`mlruns/`), after the schema and layout of MLflow 3.17.

Infinite values are kept by the SQLite store as the largest number there is, NaN as 0 with a mark beside it.
"""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from similitude._errors import DataError
from similitude.runs._logged import LoggedRun, Scalar
from similitude.runs._peek import SQLITE, peek

from ._points import MOST_METRICS, Collector
from ._reader import Claim, Place, document, head_of, reader

if TYPE_CHECKING:
    import sqlite3

    import polars as pl

__all__ = ["mlflow"]

HEADING = 1 << 16
LONGEST = 16 << 20  # bytes of a row
STEPS = 1 << 16  # of SQLite's machine, between looks at how many there were
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
        if name == "mlflow.db" or (place.head(name).startswith(SQLITE) and _has_tables(place.path / name)):
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


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Read-only, so that a store in use is not touched and nothing is made beside it; nothing in its schema is trusted.

    SQLite makes an index beside a store with a log, a `-shm` beside its `-wal`. Where the index is there, somebody has
    the store open, and it is used; where neither is there, the store is read alone; where the log was left without its
    index, by a copy or a crash, both are copied and read elsewhere.
    """
    log, index = (path.with_name(f"{path.name}-{end}") for end in ("wal", "shm"))
    if index.exists() or not log.exists():
        alone = not index.exists() and peek(path, 20)[18:] == b"\x02\x02"
        with closing(_connected(path, "&immutable=1" if alone else "")) as database:
            yield database
        return
    with TemporaryDirectory() as folder:
        for file in (path, log):
            shutil.copyfile(file, Path(folder) / file.name)
        with closing(_connected(Path(folder) / path.name, "")) as database:
            yield database


def _connected(path: Path, more: str) -> sqlite3.Connection:
    import sqlite3

    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro{more}", uri=True, timeout=10)
    try:
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
        database.set_progress_handler(_Bound(_size(path)), STEPS)
        database.execute("pragma trusted_schema = off")
        database.execute("pragma cell_size_check = on")
        database.execute("pragma temp_store = memory")
    except sqlite3.Error:
        database.close()
        raise
    database.row_factory = sqlite3.Row
    database.text_factory = lambda data: data.decode("utf-8", "replace")
    return database


def _size(path: Path) -> int:
    """Bytes of a store and its log."""
    log = path.with_name(f"{path.name}-wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)


class _Bound:
    """Stops a database whose pages lead in circles: no whole one takes so many steps for so few bytes."""

    def __init__(self, size: int) -> None:
        self.left = 2_000 + size // 100

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


def _has_tables(path: Path) -> bool:
    import sqlite3

    try:
        with _opened(path) as database:
            found = database.execute("select name from sqlite_master where type = 'table'").fetchmany(10_000)
    except (sqlite3.Error, OSError, UnicodeDecodeError):
        return _looks_so(path)
    return set(_TABLES) <= {row[0] for row in found}


def _looks_so(path: Path) -> bool:
    """Whether a damaged database was one of MLflow, as far as its first pages tell."""
    head = head_of(path, HEADING)
    return b"lifecycle_stage" in head and b"run_uuid" in head


def _database(path: Path) -> Iterator[LoggedRun]:
    import sqlite3

    try:
        with _opened(path) as database:
            rows = database.execute(
                "select run_uuid, runs.name, status, start_time, end_time, runs.lifecycle_stage,"
                " experiments.name as experiment from runs left join experiments using (experiment_id)"
                " order by start_time, run_uuid"
            ).fetchmany(MOST_METRICS)
            deleted = [_word(row["name"]) or _word(row["run_uuid"]) for row in rows if _is_deleted(row)]
            kept = [row for row in rows if not _is_deleted(row)]
            if not kept:
                raise DataError(f"{path.name} holds no run" + (f" but {_deleted(deleted)}" if deleted else ""))
            for i, row in enumerate(kept):
                yield _row(database, path, row, deleted if i == 0 else [])
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise _refusal(path, error) from None


def _refusal(path: Path, error: Exception, of: str = "") -> DataError:
    """What SQLite says, with what it means where that is not plain."""
    import sqlite3

    said = "its schema is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
    if isinstance(error, sqlite3.OperationalError) and said == "interrupted":
        said = "reading it does not come to an end, its pages lead in circles"
    return DataError(f"{path.name}{of} cannot be read as a store of MLflow: {said}")


def _is_deleted(row: sqlite3.Row) -> bool:
    return row["lifecycle_stage"] == "deleted"


def _row(database: sqlite3.Connection, path: Path, row: sqlite3.Row, deleted: Sequence[str]) -> LoggedRun:
    identity = row["run_uuid"]
    params = database.execute("select key, value from params where run_uuid = ?", (identity,)).fetchmany(MOST_METRICS)
    tags = database.execute("select key, value from tags where run_uuid = ?", (identity,)).fetchmany(MOST_METRICS)
    config: dict[str, Scalar] = {_word(k): _scalar(v) for k, v in params}
    config |= {f"tag.{_word(k)}": _scalar(v) for k, v in tags if not _word(k).startswith(_OWN)}
    return _made(
        _word(row["name"]),
        _word(identity),
        _word(row["experiment"]),
        source=str(path),
        config=config,
        points=_points_of_database(path, identity, _word(row["name"]) or _word(identity)),
        state=STATES.get(_word(row["status"]), "unknown"),
        started=_seconds(row["start_time"]),
        ended=_seconds(row["end_time"]),
        assumed=_parent({_word(k): _word(v) for k, v in tags}),
        left_out=(_deleted(deleted),) if deleted else (),
    )


def _deleted(names: Sequence[str]) -> str:
    """The first three by name."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{len(names)} deleted run{'s' if len(names) > 1 else ''}, {', '.join(n[:60] for n in names[:3])}{more}"


def _word(value: Any) -> str:
    """What a column of words holds; SQLite keeps a value of any kind in any column."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def _scalar(value: Any) -> Scalar:
    return _word(value) if isinstance(value, bytes) else value


def _parent(tags: Mapping[str, str]) -> tuple[str, ...]:
    parent = tags.get("mlflow.parentRunId")
    return (f"it is nested in run {parent}",) if parent else ()


def _seconds(milliseconds: Any) -> float | None:
    return milliseconds / 1000 if isinstance(milliseconds, (int, float)) else None


def _points_of_database(path: Path, identity: Any, name: str) -> Callable[[], Iterator[pl.DataFrame]]:
    def chunks() -> Iterator[pl.DataFrame]:
        import sqlite3

        collector = Collector()
        try:
            with _opened(path) as database:
                rows = database.execute(
                    "select key, step, timestamp, value, is_nan from metrics where run_uuid = ? order by rowid",
                    (identity,),
                )
                for key, step, time, value, nan in rows:
                    if not isinstance(value, (int, float)) or not isinstance(step, (int, type(None))):
                        raise DataError(
                            f"{path.name}, run '{name[:60]}': a point of '{_word(key)[:60]}' is no number;"
                            " expected step and value"
                        )
                    collector.add(_word(key), step, _seconds(time), math.nan if nan else _value(value))
                    if collector.full:
                        yield from collector.take()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise _refusal(path, error, f", run '{name[:60]}',") from None
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
    above = folder.parent / "meta.yaml"
    experiment = _heading(above).get("name", "") if above.is_file() and not above.is_symlink() else ""
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
    return int(text) / 1000 if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None


def _words(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and content of the files below a folder; names may hold slashes, as folders."""
    for path in _files(folder):
        yield path.relative_to(folder).as_posix(), document(path, HEADING).decode("utf-8", "replace").rstrip("\n")


def _files(folder: Path) -> list[Path]:
    """Files below a folder; links are not followed."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    return sorted(p for p in islice(folder.rglob("*"), 10 * MOST_METRICS) if not p.is_symlink() and p.is_file())[
        :MOST_METRICS
    ]


def _points_of_folder(folder: Path) -> Iterator[pl.DataFrame]:
    """Lines of time in milliseconds, value and step; a last line that is cut off is left out."""
    collector = Collector()
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        with open(path, encoding="utf-8", errors="replace") as stream:
            for number, line in enumerate(iter(lambda: stream.readline(1 << 16), ""), 1):
                parts = line[:1000].split()
                try:
                    time, value = int(parts[0]) / 1000, float(parts[1])
                    step = int(parts[2]) if len(parts) > 2 else number - 1
                except (ValueError, IndexError, OverflowError):
                    if line.endswith("\n") and line.strip():
                        raise DataError(
                            f"{path.parent.name}/{path.name}, line {number}: expected time, value and step"
                        ) from None
                    continue
                collector.add(name, step, time, value)
                if collector.full:
                    yield from collector.take()
    yield from collector.take()
