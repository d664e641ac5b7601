"""Columns of text into columns of numbers, vectorised; only values polars cannot read are looked at one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from similitude._errors import ArgumentError, DataError
from similitude._quantity import Quantity, Unit, parse_quantity

if TYPE_CHECKING:
    import polars as pl

_MISSING = ("", "null", "na", "n/a", "none", "-", "--", "–", "—", "?", "missing", "#n/a")
_TRUE = ("true", "yes", "y", "1", "1.0", "t")
_FALSE = ("false", "no", "n", "0", "0.0", "f")


def blank_missing(series: pl.Series) -> pl.Series:
    """The text column with every way of writing "missing" as null, and spaces trimmed."""
    text = series.str.strip_chars()
    return text.set(text.str.to_lowercase().is_in(list(_MISSING)).fill_null(False), None)


def read_numbers(series: pl.Series, where: str, rows: np.ndarray) -> tuple[pl.Series, Unit | None, bool]:
    """The column as Float64, the unit written beside its values if any, and whether any had to be read one by one.

    `where` is "file, column 'x'" and `rows` the 1-based row numbers for the error.
    Raises DataError naming the row and value that is no number.
    """
    import polars as pl

    if series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null):
        return series.cast(pl.Float64), None, False
    if series.dtype != pl.String:
        raise DataError(f"{where}: the values are of kind {series.dtype}; expected numbers")
    text = blank_missing(series)
    numbers = text.cast(pl.Float64, strict=False)
    odd = numbers.is_null() & text.is_not_null()
    if not odd.any():
        return numbers, None, False
    values, unit = _read_odd(text.filter(odd).unique(maintain_order=True).to_list(), text, where, rows)
    return numbers.fill_null(text.replace_strict(values, default=None, return_dtype=pl.Float64)), unit, True


def _read_odd(odd: list[str], text: pl.Series, where: str, rows: np.ndarray) -> tuple[dict[str, float], Unit | None]:
    values: dict[str, float] = {}
    units: dict[Unit, str] = {}
    for value in odd:
        try:
            read = parse_quantity(value)
        except ArgumentError as error:
            row = rows[int((text == value).fill_null(False).arg_max() or 0)]
            raise DataError(f"{where}, row {row}: {error}") from None
        values[value] = read.value if isinstance(read, Quantity) else read
        if isinstance(read, Quantity):
            units.setdefault(read.unit, value)
    if len(units) > 1:
        first, second = list(units.values())[:2]
        raise DataError(f"{where}: '{first}' and '{second}' are in different units; expected one unit a column")
    return values, next(iter(units), None)


def read_flags(series: pl.Series, where: str, rows: np.ndarray) -> np.ndarray:
    """A column of true/false, yes/no or 1/0 as booleans; missing is false. Raises DataError on anything else."""
    import polars as pl

    if series.dtype == pl.Boolean:
        return series.fill_null(False).to_numpy().astype(bool)
    text = blank_missing(series.cast(pl.String)).str.to_lowercase()
    true = text.is_in(list(_TRUE)).fill_null(False)
    bad = ~(true | text.is_in(list(_FALSE)).fill_null(False) | text.is_null())
    if bad.any():
        at = int(bad.arg_max() or 0)
        raise DataError(f"{where}, row {rows[at]}: {series[at]!r}; expected true or false")
    return true.to_numpy().astype(bool)


def guess_kind(series: pl.Series) -> pl.Series:
    """A text column nobody asked for: whole numbers, numbers, or text with the missing ones null.

    Numbers written with leading zeros stay text, since they are names.
    """
    import polars as pl

    if series.dtype != pl.String:
        return series
    text = blank_missing(series)
    if text.null_count() == len(text):
        return text
    for dtype in (pl.Int64, pl.Float64):
        numbers = text.cast(dtype, strict=False)
        if numbers.null_count() == text.null_count():
            named = text.str.contains(r"^[+-]?0\d").any()
            return text if named else numbers
    return text
