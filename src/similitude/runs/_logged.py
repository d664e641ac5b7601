"""A run as its log holds it: settings, final values, points of curves, and what was assumed in reading it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

__all__ = ["CHUNK", "STATES", "LoggedRun", "Scalar", "flat", "points_of", "points_schema", "samples_schema", "valid"]

Scalar = str | int | float | bool | None
CHUNK = 1 << 18  # points that a reader gives at a time
STATES = ("finished", "running", "crashed", "diverged", "unknown")
_LONGEST = 2_000  # characters of a setting that are kept, and of a name
_DEEPEST = 20  # settings within settings that have names of their own
_MOST = 100_000  # settings of a run


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """One run of a log.

    `kind` is the reader's name, `key` what the logging library knows the run by (a re-import finds it again, grown or
    not), `source` the file or folder, relative to what was imported. `config` has dotted names and plain values, as
    `flat` makes them. `final` are values of the run as a whole: its summary, its evaluation. `points` gives the curves
    in chunks of `points_schema()`, anew at each call, in the order of the log; `samples` the scores of single items, of
    `samples_schema()`. `state` is one of `STATES`; `started` and `ended` are seconds since 1970. `assumed` and
    `left_out` are sentences.
    """

    kind: str
    key: str
    name: str
    source: str
    config: Mapping[str, Scalar] = field(default_factory=dict)
    final: Mapping[str, float] = field(default_factory=dict)
    points: Callable[[], Iterator[pl.DataFrame]] | None = None
    samples: Callable[[], Iterator[pl.DataFrame]] | None = None
    state: str = "unknown"
    started: float | None = None
    ended: float | None = None
    tags: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def curves(self) -> pl.DataFrame:
        """All points in one frame; of no rows where the log has none."""
        import polars as pl

        chunks = [] if self.points is None else list(self.points())
        return pl.concat(chunks) if chunks else pl.DataFrame(schema=points_schema())


def points_schema() -> dict[str, Any]:
    """Columns of points: metric, step, time in seconds since 1970 (null where not logged), value (NaN is a value)."""
    import polars as pl

    return {"metric": pl.String, "step": pl.Int64, "time": pl.Float64, "value": pl.Float64}


def samples_schema() -> dict[str, Any]:
    """Columns of samples: task, item as its id, metric, score."""
    import polars as pl

    return {"task": pl.String, "item": pl.String, "metric": pl.String, "score": pl.Float64}


def points_of(
    rows: Iterable[tuple[str, int, float | None, float]], size: int = CHUNK
) -> Callable[[], Iterator[pl.DataFrame]]:
    """Points that are in memory already, (metric, step, time, value) each, as `LoggedRun.points`."""
    kept = list(rows)

    def chunks() -> Iterator[pl.DataFrame]:
        import polars as pl

        for i in range(0, len(kept), size):
            columns = map(list, zip(*kept[i : i + size], strict=True))
            yield pl.DataFrame(dict(zip(points_schema(), columns, strict=True)), schema=points_schema())

    return chunks


def valid(text: str) -> str:
    """Text that can be written as UTF-8: halves of characters, which JSON and names of files may hold, replaced.

    >>> valid("a\\ud800")
    'a?'
    """
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def flat(settings: Any, prefix: str = "") -> dict[str, Scalar]:
    """Nested settings with dotted names; lists of plain values as text, what is longer than a setting can be is cut.

    Integers of more than 64 bits become floats; no more than 100,000 settings are kept.

    >>> flat({"model": {"n_layer": 12, "act": "gelu"}, "betas": [0.9, 0.95]})
    {'model.n_layer': 12, 'model.act': 'gelu', 'betas': '[0.9, 0.95]'}
    """
    found: dict[str, Scalar] = {}
    _flatten(settings, prefix, found, 0)
    return found


def _flatten(settings: Any, prefix: str, found: dict[str, Scalar], depth: int) -> None:
    for key, value in settings.items():
        if len(found) >= _MOST:
            return
        name = f"{prefix}{key}"[:_LONGEST]
        if value is None or isinstance(value, (float, bool)):
            found[name] = value
        elif isinstance(value, int):
            found[name] = value if -(1 << 63) <= value < 1 << 63 else _float(value)
        elif not isinstance(value, str) and isinstance(value, Mapping) and depth < _DEEPEST:
            _flatten(value, f"{name}.", found, depth + 1)
        else:
            found[name] = str(value)[:_LONGEST]


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
