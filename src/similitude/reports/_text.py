"""Views as terminal text: aligned tables, a plot in characters, colour only where it is wanted."""

from __future__ import annotations

import os
import textwrap
import unicodedata
from collections.abc import Sequence
from functools import singledispatch
from typing import Any, TextIO

import numpy as np

from similitude._digits import format_number
from similitude._view import (
    Band,
    Cell,
    Column,
    Figure,
    FirstScreen,
    Interval,
    Line,
    Marker,
    Points,
    Report,
    Rule,
    Ruler,
    Section,
    Table,
    Text,
    View,
)
from similitude.reports._scale import Scale, scales_of

__all__ = ["cell_text", "draw_text", "wants_color"]

_STYLES = {"bold": "1", "dim": "2", "accent": "34", "signal": "33"}
_GAP = "  "
_INDENT = 17
_SIGNS = {"measured": "o", "outlier": "x", "optimum": "*", "target": "@", "extrapolated": ":", "frontier": "+"}


def wants_color(stream: TextIO) -> bool:
    """Whether a stream is a terminal that was not asked to be plain (NO_COLOR, TERM=dumb)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def draw_text(view: View, width: int = 80, color: bool = False) -> str:
    """A view as text of at most `width` columns where its words can be wrapped; numbers are never cut.

    >>> from similitude._view import Text
    >>> print(draw_text(Text("Note", ["Loss is in nats."])))
    Note
    Loss is in nats.
    """
    return "\n".join(line.rstrip() for line in _lines(view, max(width, 20), color))


def cell_text(cell: Cell, column: Column) -> str:
    """A table cell as text; the column's unit stands in its header, any other unit beside the number."""
    if cell is None:
        return "–"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, Interval):
        own = Interval(cell.value, cell.low, cell.high, cell.unit or column.unit).text()
        return own.removesuffix(f" {column.unit}") if column.unit else own
    if isinstance(cell, int) and abs(cell) < 1_000_000:
        return str(cell)
    if isinstance(cell, (int, float)):
        return format_number(cell, column.unit, column.digits, show_unit=column.unit == "$")
    return _printable(cell)


def is_number(cell: Cell) -> bool:
    """Whether a cell aligns as a number."""
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def aligned_right(table: Table, index: int) -> bool:
    """Whether a column stands to the right: asked for, or all numbers."""
    asked = table.heads[index].align
    cells = [row[index] for row in table.rows if row[index] is not None]
    return asked == "right" or (asked is None and bool(cells) and all(is_number(c) for c in cells))


@singledispatch
def _lines(view: Any, width: int, color: bool) -> list[str]:
    raise TypeError(f"{type(view).__name__} is not a view")


@_lines.register
def _(view: Interval, width: int, color: bool) -> list[str]:
    return [view.text()]


@_lines.register
def _(view: Text, width: int, color: bool) -> list[str]:
    style = {"warning": "signal", "headline": "bold"}.get(view.tone, "")
    title = (
        [_styled(_printable(view.title), "bold" if view.tone != "warning" else "signal", color)] if view.title else []
    )
    paragraphs = view.paragraphs if view.markup == "text" else ()
    body = [_styled(line, style, color) for p in paragraphs for line in _wrapped(p, width)]
    points = [line for p in view.points for line in _wrapped(p, width, "- ")]
    return title + body + points


@_lines.register
def _(view: Table, width: int, color: bool) -> list[str]:
    heads = [f"{c.name} [{c.unit}]" if c.unit else c.name for c in view.heads]
    cells = [[_printable(h) for h in heads]]
    cells += [[cell_text(v, c) for v, c in zip(row, view.heads)] for row in view.rows]
    right = [aligned_right(view, i) for i in range(len(view.heads))]
    rigid = [r or any(isinstance(row[i], Interval) for row in view.rows) for i, r in enumerate(right)]
    widths = _column_widths(cells, rigid, width)
    head = _row_lines(cells[0], widths, right)
    rule = _GAP.join("─" * w for w in widths)
    title = [_styled(_printable(view.title), "bold", color)] if view.title else []
    body = [line for row in cells[1:] for line in _row_lines(row, widths, right)]
    note = _wrapped(view.note, width) if view.note else []
    dim = [_styled(line.rstrip(), "dim", color) for line in (*head, rule)]
    return [*title, *dim, *body, *(_styled(line, "dim", color) for line in note)]


@_lines.register
def _(view: Ruler, width: int, color: bool) -> list[str]:
    places = {"smallest run": view.smallest, "largest run": view.largest, "target": view.target}
    ends = min(places.values()), max(places.values())
    scale = Scale(ends[0], ends[1] if ends[1] > ends[0] else ends[0] * 10, True, "plain")
    bar = list("·" * width)
    at = {k: int(f * (width - 1)) for k, f in zip(places, scale.place(list(places.values())))}
    bar[at["smallest run"] : at["largest run"] + 1] = "━" * (at["largest run"] - at["smallest run"] + 1)
    bar[at["target"]] = "◆"
    said = ", ".join(f"{k} {format_number(v, view.unit, 3)}" for k, v in places.items())
    return ["".join(bar), *_wrapped(f"{view.label}: {said} ({_distance(view)})", width)]


@_lines.register
def _(view: FirstScreen, width: int, color: bool) -> list[str]:
    parts = [("Run", [view.run]), ("Get", [view.get]), ("Sure", [view.sure]), ("Would change it", view.change)]
    lines = []
    for name, sentences in parts:
        answer = [line for sentence in sentences for line in _wrapped(sentence, width - _INDENT)]
        if name == "Get" and view.score:
            answer.insert(0, _styled(view.score.text(), "bold", color))
        if name == "Sure" and view.ruler:
            answer += _lines(view.ruler, width - _INDENT, color)
        label = _styled(f"{name:<{_INDENT}}", "accent", color)
        lines += [(label if i == 0 else " " * _INDENT) + line for i, line in enumerate(answer)]
    return lines


@_lines.register
def _(view: Section, width: int, color: bool) -> list[str]:
    title = _printable(view.title)
    lines = [_styled(title, "bold", color), "═" * min(_columns(title), width)]
    for item in view.items:
        lines += [*_lines(item, width, color), ""]
    return lines


@_lines.register
def _(view: Report, width: int, color: bool) -> list[str]:
    lines = [_styled(_printable(view.title), "bold", color), *_wrapped(view.subtitle, width), ""]
    if view.simulated:
        lines = [_styled("SIMULATED: these runs were simulated, not trained", "signal", color), *lines]
    views = [v for v in (view.first, *view.sections, view.provenance) if v is not None]
    for part in views:
        lines += [*_lines(part, width, color), ""]
    return lines


@_lines.register
def _(view: Figure, width: int, color: bool) -> list[str]:
    x, y = scales_of(view)
    y_ticks = {round((1 - float(y.place([t.value])[0])) * 15): t.label for t in y.ticks() if t.label}
    gutter = max((_columns(label) for label in y_ticks.values()), default=0) + 1
    grid = _plotted(view, x, y, width - gutter - 1)
    rows = [f"{y_ticks.get(i, ''):>{gutter - 1}} │" + "".join(line) for i, line in enumerate(grid)]
    axis = " " * gutter + "└" + "─" * (width - gutter - 1)
    names = dict.fromkeys((_SIGNS.get(s.role, "."), _printable(s.name)) for s in view.series if not isinstance(s, Band))
    legend = _wrapped("   ".join(f"{sign} {name}" for sign, name in names), width)
    title = _styled(_printable(view.title), "bold", color)
    ticks = _tick_line(x, width - gutter - 1)
    return [title, f"↑ {_printable(view.y.title)}", *rows, axis, " " * (gutter + 1) + ticks,
            f"{'→ ' + _printable(view.x.title):>{width}}", *legend, *_wrapped(view.note, width)]  # fmt: skip


def _distance(ruler: Ruler) -> str:
    ratio = ruler.target / ruler.largest
    return f"{format_number(ratio, digits=2)}x the largest run" if ratio > 1 else "within the measured range"


def _plotted(figure: Figure, x: Scale, y: Scale, width: int) -> list[list[str]]:
    grid = [[" "] * width for _ in range(16)]
    order = sorted(figure.series, key=lambda s: not isinstance(s, (Line, Rule)))
    for series in order:
        for column, row in _places(series, x, y, width):
            grid[row][column] = _SIGNS.get(series.role, ".")
    return grid


def _places(series: Any, x: Scale, y: Scale, width: int) -> list[tuple[int, int]]:
    if isinstance(series, Points):
        xs, ys = x.place(series.x), y.place(series.y)
    elif isinstance(series, Marker):
        xs, ys = x.place([series.x]), y.place([series.y])
    elif isinstance(series, Line) and len(series.x) > 1:
        along = np.linspace(0, len(series.x) - 1, 4 * width)
        xs, ys = (np.interp(along, np.arange(len(series.x)), s) for s in (x.place(series.x), y.place(series.y)))
    else:
        return []
    inside = (xs >= 0) & (xs <= 1) & (ys >= 0) & (ys <= 1)
    return [(int(a * (width - 1)), round((1 - b) * 15)) for a, b in zip(xs[inside], ys[inside])]


def _tick_line(scale: Scale, width: int) -> str:
    line = [" "] * width
    free = 0
    for tick in scale.ticks(max(2, width // 12)):
        start = min(int(float(scale.place([tick.value])[0]) * (width - 1)), width - len(tick.label))
        if tick.label and start >= free:
            line[start : start + len(tick.label)] = tick.label
            free = start + len(tick.label) + 2
    return "".join(line)


def _column_widths(cells: Sequence[Sequence[str]], rigid: Sequence[bool], width: int) -> list[int]:
    """Natural widths; when they do not fit, the widest column of words gives way first."""
    widths = [max(_columns(row[i]) for row in cells) for i in range(len(rigid))]
    least = [max((_columns(w) for row in cells for w in row[i].split()), default=1) for i in range(len(rigid))]
    while sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        able = [i for i in range(len(widths)) if not rigid[i] and widths[i] > max(least[i], 8)]
        if not able:
            break
        widths[max(able, key=lambda i: widths[i])] -= 1
    return widths


def _row_lines(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    parts = [_wrapped(cell, w) if _columns(cell) > w else [cell] for cell, w in zip(row, widths)]
    height = max(map(len, parts))
    padded = [p + [""] * (height - len(p)) for p in parts]
    return [_GAP.join(_padded(p[i], w, r) for p, w, r in zip(padded, widths, right)) for i in range(height)]


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - _columns(text))
    return space + text if right else text + space


def _columns(text: str) -> int:
    """Terminal columns: wide East Asian characters take two, combining marks none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _wrapped(text: str, width: int, bullet: str = "") -> list[str]:
    if not text:
        return []
    return textwrap.wrap(_printable(text), max(width, 8), initial_indent=bullet, subsequent_indent=" " * len(bullet),
                         break_long_words=False, break_on_hyphens=False) or [""]  # fmt: skip


def _printable(text: str) -> str:
    """Names come from files: control characters could drive the terminal and are replaced."""
    return "".join("�" if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in str(text).replace("\n", " "))


def _styled(text: str, style: str, color: bool) -> str:
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if color and style and text else text
