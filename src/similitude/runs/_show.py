"""How a table of runs shows itself: one line, text, HTML; all from the same rows."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from similitude._quantity import SCORE, Unit, format_quantity

from ._roles import NUMERIC

if TYPE_CHECKING:
    from ._table import Runs

_SHOWN_ROWS, _SHOWN_COLUMNS = 10, 8


def one_line(runs: Runs) -> str:
    """``Runs(245 runs: N 57M to 16B, ...)``."""
    columns = [n for n in NUMERIC if n in runs.names and n not in ("step", runs.output)]
    columns += [runs.output] if runs.output in runs else []
    ranges = ", ".join(f"{n} {_range(runs.column(n), runs.unit(n))}" for n in columns)
    return f"Runs({len(runs)} runs{': ' + ranges if ranges else ''})"


def as_text(runs: Runs) -> str:
    """Header, the first rows, and everything assumed or done, for print."""
    head, rows = _cells(runs)
    widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
    lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths)) for row in [head, *rows]]
    return "\n".join([_title(runs), "", *lines, *([""] if _notes(runs) else []), *_notes(runs)])


def as_html(runs: Runs) -> str:
    """The same table as HTML."""
    head, rows = _cells(runs)
    top = "".join(f"<th>{escape(c)}</th>" for c in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    notes = "".join(f"<li>{escape(n)}</li>" for n in _notes(runs))
    return (
        f"<div class='runs'><p><b>{escape(_title(runs))}</b></p>"
        f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table><ul>{notes}</ul></div>"
    )


def _title(runs: Runs) -> str:
    marked = f", {int(runs.outliers.sum())} marked as outliers" if runs.outliers.any() else ""
    censored = f", {int(runs.censored.sum())} censored" if runs.censored.any() else ""
    counts = f"; N counts {runs.counts}" if "N" in runs else ""
    return f"{runs.source}: {len(runs)} runs{marked}{censored}{counts}"


def _notes(runs: Runs) -> list[str]:
    notes = [f"assumed: {a}" for a in runs.assumed] + [f"done: {p}" for p in runs.provenance]
    notes += [f"cite: {runs.citation}"] * bool(runs.citation)
    return notes + [f"licence: {runs.licence}"] * bool(runs.licence)


def _cells(runs: Runs) -> tuple[list[str], list[list[str]]]:
    names = _leading(runs)
    more = len(runs.names) > len(names)
    units = [runs.unit(n).name if runs.unit(n) != SCORE else "" for n in names]
    head = ["row", *(f"{n} ({u})" if u else n for n, u in zip(names, units)), *["..."] * more]
    rows = [
        [str(runs.row_numbers[i]), *(_cell(runs, n, i) for n in names), *[""] * more]
        for i in range(min(len(runs), _SHOWN_ROWS))
    ]
    if len(runs) > _SHOWN_ROWS:
        rows.append(["..."] + [""] * (len(head) - 1))
    return head, rows


def _leading(runs: Runs) -> list[str]:
    """The columns worth the width: roles first, then the output, then the others as they come."""
    first = [n for n in (*NUMERIC, runs.output) if n in runs.names]
    return list(dict.fromkeys([*first, *runs.names]))[:_SHOWN_COLUMNS]


def _cell(runs: Runs, name: str, row: int) -> str:
    value = runs.frame[name][row]
    if value is None:
        return ""
    return format_quantity(float(value), Unit("", runs.unit(name).kind), 4) if isinstance(value, float) else str(value)


def _range(values: np.ndarray, unit: Unit) -> str:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return "none"
    low, high = (format_quantity(float(v), Unit("", unit.kind)) for v in (finite.min(), finite.max()))
    return low if low == high else f"{low} to {high}"
