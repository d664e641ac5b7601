"""A store as plain files: runs in one table, points and samples in others, as CSV, JSON lines or Parquet."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from similitude._errors import ArgumentError, DataError
from similitude.runs._logged import LoggedRun

if TYPE_CHECKING:
    import polars as pl

__all__ = ["KINDS", "export"]

KINDS = ("parquet", "csv", "jsonl")


def export(runs: dict[int, LoggedRun], folder: str | Path, kind: str) -> list[str]:
    """Write `runs`, `points` and `samples` into a folder, made where it is not there; the names of the files.

    Points are written as they are read, in bounded memory: Parquet as a folder with a file for each part.
    """
    if kind not in KINDS:
        raise ArgumentError(f"kind = {kind!r}; expected one of: {', '.join(KINDS)}")
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ArgumentError(f"{folder} is there already; name a new or an empty folder")
    try:
        target.mkdir(parents=True, exist_ok=True)
        files = [_table(runs, target, kind)]
        for what in ("points", "samples"):
            files += _chunks(runs, target, kind, what)
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror or error}") from None
    return files


def _table(runs: dict[int, LoggedRun], target: Path, kind: str) -> str:
    import polars as pl

    rows = [
        {
            "id": number,
            **{k: getattr(r, k) for k in ("key", "kind", "name", "source", "state", "started", "ended")},
            "tags": json.dumps(list(r.tags)),
            "config": json.dumps({k: _plain(v) for k, v in r.config.items()}),
            "final": json.dumps({k: _plain(v) for k, v in r.final.items()}),
        }
        for number, r in runs.items()
    ]
    frame = pl.DataFrame(rows, schema_overrides={"started": pl.Float64, "ended": pl.Float64}, infer_schema_length=None)
    path = target / f"runs.{kind}"
    _writer(kind)(frame, path)
    return path.name


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: they are written as words."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _chunks(runs: dict[int, LoggedRun], target: Path, kind: str, what: str) -> list[str]:
    frames = _frames(runs, what)
    if kind == "parquet":
        return _parts(frames, target / what)
    path = target / f"{what}.{kind}"
    written = False
    with open(path, "wb") as stream:
        for frame in frames:
            if kind == "csv":
                frame.write_csv(stream, include_header=not written, float_precision=None)
            else:
                frame.write_ndjson(stream)
            written = True
    if not written:
        path.unlink()
    return [path.name] if written else []


def _frames(runs: dict[int, LoggedRun], what: str) -> Iterator[pl.DataFrame]:
    import polars as pl

    for number, run in runs.items():
        read = getattr(run, what)
        for frame in read() if read is not None else ():
            yield frame.select(pl.lit(number, dtype=pl.Int64).alias("run"), pl.all())


def _parts(frames: Iterator[pl.DataFrame], folder: Path) -> list[str]:
    names = []
    for i, frame in enumerate(frames):
        folder.mkdir(exist_ok=True)
        frame.write_parquet(folder / f"{i:06d}.parquet")
        names.append(f"{folder.name}/{i:06d}.parquet")
    return names


def _writer(kind: str) -> Callable[[pl.DataFrame, Path], None]:
    return {
        "parquet": lambda frame, path: frame.write_parquet(path),
        "csv": lambda frame, path: frame.write_csv(path),
        "jsonl": lambda frame, path: frame.write_ndjson(path),
    }[kind]
