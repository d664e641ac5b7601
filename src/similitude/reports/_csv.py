"""The table behind a figure as CSV, series by series: measured values keep ten digits, curves seven."""

from __future__ import annotations

import csv
import io
from typing import Any
from urllib.parse import quote

from similitude._view import Band, Figure, Interval, Line, Marker, Points, Rule

__all__ = ["csv_link", "first_rows", "write_csv"]

_FIXED = ("series", "role", "group", "label", "x", "y", "low", "high", "x_low", "x_high", "shade")


def write_csv(figure: Figure) -> str:
    """The figure's values as CSV with a header; columns that no series uses are left out, missing values empty."""
    extra = list(dict.fromkeys(k for s in figure.series if isinstance(s, Points) for k in s.values))
    rows = [row for s in figure.series for row in _rows(s)]
    called = figure.shade.names if figure.shade else {}
    for row in rows:
        row["group"] = called.get(row["group"], row["group"]) if row.get("group") is not None else None
    names = [n for n in _FIXED if n in ("series", "role", "x", "y") or any(r.get(n) not in (None, "") for r in rows)]
    taken = {n: (n if n not in _FIXED else f"{n} (column)") for n in extra}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    shade = figure.shade.label if figure.shade else "shade"
    writer.writerow(
        [*(_harmless(shade) if n == "shade" else n for n in names), *(_harmless(v) for v in taken.values())]
    )
    for row in rows:
        write = _drawn if row["curve"] else _written
        writer.writerow([write(row.get(n)) for n in names] + [_written(row.get(("value", n))) for n in extra])
    return out.getvalue()


def csv_link(figure: Figure) -> str:
    """The CSV as a data: address, so that a saved page keeps it."""
    return "data:text/csv;charset=utf-8," + quote(write_csv(figure), safe=",;:/@!*()$-_.~")


def first_rows(figure: Figure) -> list[int]:
    """The data row (from 0) at which each series starts."""
    starts, row = [], 0
    for series in figure.series:
        starts.append(row)
        row += 1 if isinstance(series, (Marker, Rule)) else len(series.x)
    return starts


def _rows(series: Any) -> list[dict[Any, Any]]:
    curve = isinstance(series, (Line, Band))
    head = {"series": series.name, "role": series.role, "group": getattr(series, "group", None), "curve": curve}
    if isinstance(series, Marker):
        ends = {"low": series.y_low, "high": series.y_high, "x_low": series.x_low, "x_high": series.x_high}
        return [{**head, "label": series.label, "x": series.x, "y": series.y, **ends}]
    if isinstance(series, Rule):
        return [{**head, series.axis: series.at}]
    columns: dict[Any, Any] = {"x": series.x}
    if isinstance(series, Line):
        columns["y"] = series.y
    elif isinstance(series, Band):
        columns |= {"low": series.low, "high": series.high}
    else:
        columns |= {
            "y": series.y,
            "low": series.low,
            "high": series.high,
            "shade": series.shade,
            "label": series.labels,
        }
        columns |= {("value", k): v for k, v in series.values.items()}
    columns = {k: v for k, v in columns.items() if v is not None}
    return [{**head, **dict(zip(columns, values))} for values in zip(*columns.values())]


def _written(value: Any) -> str:
    if value is None or value != value:  # NaN
        return ""
    if isinstance(value, Interval):
        return value.text()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.10g}"
    return _harmless(value) if isinstance(value, str) else str(value)


def _drawn(value: Any) -> str:
    return f"{value:.7g}" if isinstance(value, float) and value == value else _written(value)


def _harmless(text: str) -> str:
    """A name that a spreadsheet would run as a formula is quoted with an apostrophe."""
    return f"'{text}" if text[:1] in ("=", "+", "@", "\t", "\r") else text
