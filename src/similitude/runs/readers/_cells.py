"""Cells of a table as numbers, as names of runs and as times."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Clock", "is_odd", "label_of", "number_of"]

_ODD = {"nan": "NaN", "inf": "inf", "infinity": "inf", "-inf": "-inf", "-infinity": "-inf"}
# a day, with a time and a zone or without
_DATE = r"^(?<day>\d{4}-\d\d-\d\d)(?:[T ](?<clock>\d\d:\d\d:\d\d(?:\.\d+)?))? ?(?<zone>Z|UTC|[+-]\d\d(?::?\d\d)?)?$"
_UNITS = {"seconds": 1.0, "milliseconds": 1e3, "microseconds": 1e6, "nanoseconds": 1e9}
_FIRST, _LAST = 946_684_800.0, 4_102_444_800.0  # 2000 to 2100, in seconds since 1970


def is_odd(kind: pl.DataType) -> bool:
    """Whether a column holds lists, objects or bytes, which are no numbers and no words."""
    import polars as pl

    return kind.is_nested() or kind in (pl.Binary, pl.Object)


def label_of(frame: pl.DataFrame, column: str) -> pl.Expr:
    """A column as names of runs."""
    import polars as pl

    return pl.lit(None, pl.String) if is_odd(frame.schema[column]) else pl.col(column).cast(pl.String, strict=False)


def number_of(column: str, kind: pl.DataType) -> pl.Expr:
    """A column as numbers: numbers as they are, text as it is written, null for words."""
    import polars as pl

    if kind.is_numeric():
        return pl.col(column).cast(pl.Float64)
    given = pl.col(column).cast(pl.String, strict=False).str.strip_chars()
    word = given.str.to_lowercase()
    odd = pl.when(word.is_in(list(_ODD))).then(word.replace_strict(_ODD, default=None)).otherwise(given)
    return odd.cast(pl.Float64, strict=False)


class Clock:
    """What a column of times counts, told by the first piece in which it is not empty, and held to for all of them.

    `said` is what was assumed; `is_none` where the column holds no times since 1970. Without a column there are none.
    """

    def __init__(self, column: str | None) -> None:
        self.column, self.is_none = column, False
        self.said: tuple[str, ...] = ()
        self._unit: float | None = None

    def times(self, frame: pl.DataFrame) -> pl.Expr:
        """The column of a piece in seconds since 1970; null where it has no time in the years of its unit."""
        import polars as pl

        if self.column not in frame.columns or self.is_none or is_odd(kind := frame.schema[self.column]):
            return pl.lit(None, pl.Float64)
        counts = pl.lit(None, pl.Float64) if kind.is_temporal() else number_of(self.column, kind)
        dates, zoned = _dates(frame[self.column])
        if self._unit is None:
            middle = counts.filter(counts.is_finite()).median()
            self._learn(frame.select(middle).item(), dates.count(), zoned)
        seconds = counts / (self._unit or float("nan"))
        return pl.coalesce(pl.when((seconds >= _FIRST) & (seconds < _LAST)).then(seconds), pl.lit(dates))

    def _learn(self, middle: float | None, dates: int, zoned: bool) -> None:
        """From the middle of the numbers in a piece, how many dates it has and whether all have a zone."""
        if dates:
            self._unit = 1.0
            self.said = () if zoned else (f"'{self.column}' has no time zone, so it is taken for UTC",)
        elif middle is not None:
            name = next((n for n, unit in _UNITS.items() if _FIRST <= middle / unit < _LAST), None)
            if name is None:
                self.is_none = True
                self.said = (f"'{self.column}' holds no times since 1970; it is read as a metric",)
            else:
                self._unit = _UNITS[name]
                self.said = () if name == "seconds" else (f"'{self.column}' is in {name} since 1970, by its size",)


def _dates(cells: pl.Series) -> tuple[pl.Series, bool]:
    """A column's dates in seconds since 1970, null where it has none, and whether all have a zone."""
    import polars as pl

    if isinstance(cells.dtype, (pl.Datetime, pl.Date)):
        return cells.dt.epoch("us") / 1e6, getattr(cells.dtype, "time_zone", None) is not None
    if cells.dtype != pl.String:
        return pl.Series([None] * len(cells), dtype=pl.Float64), True
    parts = cells.str.strip_chars().str.extract_groups(_DATE).struct.unnest()
    text = pl.concat_str("day", pl.lit(" "), pl.col("clock").fill_null("00:00:00"))
    local = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us").dt.epoch("us") / 1e6
    if not parts["zone"].count():
        return parts.select(local).to_series(), not parts["day"].count()
    digits = pl.col("zone").str.replace_all(r"[A-Z:]", "")
    hours = digits.str.slice(0, 3).cast(pl.Float64, strict=False).fill_null(0.0)
    minutes = digits.str.slice(3).cast(pl.Float64, strict=False).fill_null(0.0)
    sign = pl.when(digits.str.starts_with("-")).then(-1.0).otherwise(1.0)
    zoned = parts["zone"].is_not_null() | parts["day"].is_null()
    return parts.select(local - 3600 * hours - 60 * sign * minutes).to_series(), bool(zoned.all())
