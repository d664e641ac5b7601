"""Tables of measurements reduced to the fewest steps that reach a goal, lazily and in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from similitude._errors import ArgumentError, DataError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

__all__ = ["steps_to_goal"]

SCANS = {".parquet": "scan_parquet", ".csv": "scan_csv", ".ndjson": "scan_ndjson", ".jsonl": "scan_ndjson",
         ".arrow": "scan_ipc", ".feather": "scan_ipc"}  # fmt: skip


def steps_to_goal(
    source: Any,
    goal: float | Sequence[float],
    *,
    metric: str = "loss",
    step: str = "step",
    trial: str | Sequence[str] = "trial",
    by: str | Sequence[str] = ("workload", "batch"),
    rises: bool = False,
) -> pl.DataFrame:
    """The fewest steps to a goal for each group, from rows of (group, trial, step, metric).

    `source` is a path, a folder or a pattern of Parquet, CSV, NDJSON or Arrow files, or a polars frame, eager or lazy.
    It is scanned, never held: memory grows with the number of trials, not of rows, so that 10^8 rows pass in a
    laptop's. `trial` names what tells one trial of a group from another (settings, seeds); `goal` is one value of the
    metric or several; a metric is good low unless it `rises`. Values that are missing or no numbers reach nothing.

    Returns a row for each group and goal: the columns `by`, `goal`, `steps` (null where no trial arrives), `trials`,
    `reached`, `diverged` (trials with a value that is no number) and `best`, the best value seen. Shallue et al. (2018)
    take the fewest steps over tuned trials in this way.

    Raises ArgumentError for columns that are not there, DataError for files that cannot be read.

    >>> import polars as pl
    >>> rows = {
    ...     "batch": [8, 8, 8, 16, 16],
    ...     "trial": [1, 1, 2, 1, 1],
    ...     "step": [10, 20, 15, 5, 10],
    ...     "loss": [3.0, 2.0, 2.1, 2.5, 1.9],
    ... }
    >>> steps_to_goal(pl.DataFrame(rows), 2.1, by="batch")["steps"].to_list()
    [15, 10]
    """
    import polars as pl

    goals = [float(goal)] if isinstance(goal, (int, float)) else [float(g) for g in goal]
    if not goals:
        raise ArgumentError("goal: give at least one value of the metric")
    keys, trials = _names(by), _names(trial)
    rows = _scanned(source)
    _check(rows, [*keys, *trials, step, metric])
    value, place = pl.col(metric).cast(pl.Float64, strict=False), pl.col(step)
    known = value.is_not_null() & value.is_finite()
    reaches = [known & ((value >= g) if rises else (value <= g)) for g in goals]
    each = rows.group_by([*keys, *trials]).agg(
        *(place.filter(r).min().alias(f"_{i}") for i, r in enumerate(reaches)),
        (value.filter(known).max() if rises else value.filter(known).min()).alias("best"),
        (value.is_null() | ~value.is_finite()).any().alias("diverged"),
    )
    best = pl.col("best").max() if rises else pl.col("best").min()
    whole = each.group_by(keys).agg(
        *(pl.col(f"_{i}").min().alias(f"steps{i}") for i in range(len(goals))),
        *(pl.col(f"_{i}").is_not_null().sum().alias(f"reached{i}") for i in range(len(goals))),
        pl.len().alias("trials"),
        pl.col("diverged").sum(),
        best,
    )
    try:
        found = whole.collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        where = source if isinstance(source, (str, Path)) else "the table"
        raise DataError(f"{where}: {str(error).splitlines()[0]}") from None
    parts = [
        found.select(
            *keys,
            pl.lit(g).alias("goal"),
            pl.col(f"steps{i}").alias("steps"),
            "trials",
            pl.col(f"reached{i}").alias("reached"),
            "diverged",
            "best",
        )
        for i, g in enumerate(goals)
    ]
    return pl.concat(parts).sort([*keys, "goal"])


def _names(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _scanned(source: Any) -> pl.LazyFrame:
    import polars as pl

    if isinstance(source, pl.LazyFrame):
        return source
    if isinstance(source, pl.DataFrame):
        return source.lazy()
    if not isinstance(source, (str, Path)):
        raise ArgumentError(f"a table of measurements is a path or a polars frame, not a {type(source).__name__}")
    path = Path(source)
    if path.is_dir():
        kinds = sorted({p.suffix.lower() for p in path.iterdir() if p.suffix.lower() in SCANS})
        if len(kinds) != 1:
            told = f"expected a folder of files of one kind ({', '.join(SCANS)}), found {', '.join(kinds) or 'none'}"
            raise DataError(f"{source}: {told}")
        path = path / f"*{kinds[0]}"
    elif not path.exists() and "*" not in path.name:
        raise DataError(f"{source}: no such file or folder")
    kind = path.suffix.lower()
    if kind not in SCANS:
        raise DataError(f"{source}: a table of measurements is one of {', '.join(SCANS)}")
    return getattr(pl, SCANS[kind])(str(path))


def _check(rows: pl.LazyFrame, wanted: list[str]) -> None:
    import polars as pl

    try:
        names = rows.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"the table cannot be read: {str(error).splitlines()[0]}") from None
    for name in wanted:
        if name not in names:
            raise ArgumentError(f"no column '{name}'{did_you_mean(name, names)}; the columns are: {', '.join(names)}")
