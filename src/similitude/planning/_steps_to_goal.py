"""Tables of measurements reduced to the fewest steps that reach a goal, lazily and in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from similitude._errors import ArgumentError, DataError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

__all__ = ["steps_to_goal"]

SCANS = {".parquet": "scan_parquet", ".csv": "scan_csv", ".ndjson": "scan_ndjson", ".jsonl": "scan_ndjson",
         ".arrow": "scan_ipc", ".feather": "scan_ipc"}  # fmt: skip

RESERVED = ("goal", "steps", "last", "trials", "reached", "diverged", "best")


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
    metric or several; a metric is good low unless it `rises`. A value that is missing, or no number, reaches nothing.

    Returns a row for each group and goal: the columns `by`, `goal`, `steps` (null where no trial arrives), `last` (the
    last step with a number), the trial that was first (under the names of `trial`, null where none arrives), `trials`,
    `reached`, `diverged` (trials with NaN, an infinity or a word for a value; a missing one is none of these) and
    `best`, the best value seen. Shallue et al. (2018) take the fewest steps over tuned trials in this way.

    Raises ArgumentError for columns that are not there or are asked for twice, DataError for files that cannot be read.

    >>> import polars as pl
    >>> rows = {
    ...     "batch": [8, 8, 8, 16, 16],
    ...     "trial": [1, 1, 2, 1, 1],
    ...     "step": [10, 20, 15, 5, 10],
    ...     "loss": [3.0, 2.0, 2.1, 2.5, 1.9],
    ... }
    >>> steps_to_goal(pl.DataFrame(rows), 2.1, by="batch").select("steps", "trial").rows()
    [(15, 2), (10, 1)]
    """
    import polars as pl

    goals = [float(goal)] if isinstance(goal, (int, float)) else [float(g) for g in goal]
    if not goals:
        raise ArgumentError("goal: give at least one value of the metric")
    keys, trials = _names(by), _names(trial)
    rows = _scanned(source)
    _check(rows, [*keys, *trials, step, metric])
    each = _each_trial(rows, goals, [*keys, *trials], metric, step, rises)
    whole = _each_group(each, len(goals), keys, trials, rises)
    try:
        found = whole.collect(engine="streaming")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        where = source if isinstance(source, (str, Path)) else "the table"
        raise DataError(f"{where}: {str(error).splitlines()[0]}") from None
    parts = [
        found.select(
            *keys,
            pl.lit(g).alias("goal"),
            pl.col(f"steps{i}").alias("steps"),
            "last",
            *(pl.col(f"{t}{i}").alias(t) for t in trials),
            "trials",
            pl.col(f"reached{i}").alias("reached"),
            "diverged",
            "best",
        )
        for i, g in enumerate(goals)
    ]
    return pl.concat(parts).sort([*keys, "goal"])


def _each_trial(
    rows: pl.LazyFrame, goals: Sequence[float], keys: list[str], metric: str, step: str, rises: bool
) -> pl.LazyFrame:
    """One row a trial: its first step at each goal, its last step, its best value, whether it diverged."""
    import polars as pl

    kind = rows.collect_schema()[metric]
    given = pl.col(metric)
    # 3.2 as a single-precision number is above 3.2 as a double: values meet a goal as exact as they are
    value = given if kind.is_float() else given.cast(pl.Float64, strict=False)
    goal = [pl.lit(g, dtype=kind if kind.is_float() else pl.Float64) for g in goals]
    place, known = pl.col(step), value.is_not_null() & value.is_finite()
    return rows.group_by(keys).agg(
        *(place.filter(known & ((value >= g) if rises else (value <= g))).min().alias(f"_{i}")
          for i, g in enumerate(goal)),
        place.filter(known).max().alias("last"),
        (value.filter(known).max() if rises else value.filter(known).min()).alias("best"),
        (given.is_not_null() & (value.is_null() | ~value.is_finite()).fill_null(True)).any().alias("diverged"),
    )  # fmt: skip


def _each_group(each: pl.LazyFrame, goals: int, keys: list[str], trials: list[str], rises: bool) -> pl.LazyFrame:
    """One row a group: the first trial at each goal, ties by its own columns, and how many there were."""
    import polars as pl

    found = []
    for i in range(goals):
        arrived = pl.col(f"_{i}").is_not_null()
        found += [pl.col(f"_{i}").min().alias(f"steps{i}"), arrived.sum().alias(f"reached{i}")]
        found += [pl.col(t).filter(arrived).sort_by(pl.col(f"_{i}").filter(arrived),
                  *(pl.col(u).filter(arrived) for u in trials)).first().alias(f"{t}{i}") for t in trials]  # fmt: skip
    best = pl.col("best").max() if rises else pl.col("best").min()
    return each.group_by(keys).agg(
        *found, pl.len().alias("trials"), pl.col("diverged").sum(), pl.col("last").max(), best
    )


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
    elif not path.exists() and not set("*?[") & set(str(path)):
        raise DataError(f"{source}: no such file or folder")
    kind = path.suffix.lower()
    if kind not in SCANS:
        raise DataError(f"{source}: a table of measurements is one of {', '.join(SCANS)}")
    if kind == ".parquet":
        from similitude.runs.readers._parquet import check

        for file in sorted(glob(str(path), recursive=True)):
            check(Path(file))
    return getattr(pl, SCANS[kind])(str(path))


def _check(rows: pl.LazyFrame, wanted: list[str]) -> None:
    import polars as pl

    try:
        names = rows.collect_schema().names()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataError(f"the table cannot be read: {str(error).splitlines()[0]}") from None
    for name in wanted:
        if name in RESERVED and name not in wanted[-2:]:
            raise ArgumentError(f"a column '{name}' is made here; rename the one that groups or trials are told by")
        if wanted.count(name) > 1:
            raise ArgumentError(f"column '{name}' is asked for twice; each of by, trial, step and metric is another")
        if name not in names:
            raise ArgumentError(f"no column '{name}'{did_you_mean(name, names)}; the columns are: {', '.join(names)}")
