"""Views as HTML fragments. Every word that comes from outside is escaped here; nothing is computed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache, singledispatch
from html import escape
from importlib.resources import files
from typing import Any

from similitude._digits import format_number, in_powers
from similitude._view import (
    Axis,
    Band,
    Cell,
    Column,
    Figure,
    FirstScreen,
    Interval,
    Points,
    Report,
    Ruler,
    Section,
    Table,
    Text,
    View,
)
from similitude.reports._csv import csv_link, first_rows
from similitude.reports._mathml import only_math
from similitude.reports._palette import DARK, LIGHT, RAMP_DARK, RAMP_LIGHT, mark_of
from similitude.reports._scale import Scale, group_of, groups_of, scales_of, shade_of
from similitude.reports._svg import MARK_SHEET, draw_svg, steps_of, swatch
from similitude.reports._text import aligned_right, cell_text
from similitude.reports._thin import thin

__all__ = ["asset", "draw_html", "draw_notebook", "style"]

LONG = 36  # characters from which a cell needs room to wrap in
_KEYED = 12  # up to so many groups are named one by one, more become a colour bar


def draw_html(view: View) -> str:
    """A view as an HTML fragment, to be placed inside an element of class "similitude".

    >>> draw_html(Text("Note", ["a < b"]))
    '<div class="text plain"><h3>Note</h3><p>a &lt; b</p></div>'
    """
    return _html(view)


def draw_notebook(view: View) -> str:
    """A view as a fragment with its style beside it, for a notebook's output cell."""
    if isinstance(view, Report):
        from similitude.reports._page import page

        framed = escape(page(view), quote=True)
        return (
            f'<iframe srcdoc="{framed}" style="width:100%;height:720px;border:0" title="{escape(view.title)}"></iframe>'
        )
    return f"<style>{style()}</style>{MARK_SHEET}<div class='similitude'>{draw_html(view)}</div>"


@cache
def asset(name: str) -> str:
    """The text of a file shipped beside this one."""
    return files("similitude.reports").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def style() -> str:
    """The style sheet, colours written from the palette."""
    light, dark = (_variables(c, r) for c, r in ((LIGHT, RAMP_LIGHT), (DARK, RAMP_DARK)))
    return (
        f".similitude{{{light}color-scheme:light dark}}"
        f"@media screen and (prefers-color-scheme:dark){{.similitude:not(.light){{{dark}}}}}"
        f"@media screen{{.similitude.dark{{{dark}}}}}" + asset("report.css")
    )


def _variables(colors: dict[str, str], ramp: tuple[str, ...]) -> str:
    named = {**colors, **{f"s{i}": c for i, c in enumerate(ramp)}}
    return "".join(f"--{k}:{v};" for k, v in named.items())


def prose(text: str) -> str:
    """A sentence, escaped, with 5.8e23 written as a power of ten."""
    return escape(in_powers(text))


@singledispatch
def _html(view: Any) -> str:
    raise TypeError(f"{type(view).__name__} is not a view")


@_html.register
def _(view: Interval) -> str:
    return f'<span class="interval">{prose(view.text())}</span>'


@_html.register
def _(view: Text) -> str:
    title = f"<h3>{prose(view.title)}</h3>" if view.title else ""
    if view.markup == "mathml":
        body = "".join(f'<div class="formula">{p if only_math(p) else escape(p)}</div>' for p in view.paragraphs)
    else:
        body = "".join(f"<p>{prose(p)}</p>" for p in view.paragraphs)
    points = f"<ul>{''.join(f'<li>{prose(p)}</li>' for p in view.points)}</ul>" if view.points else ""
    return f'<div class="text {view.tone}">{title}{body}{points}</div>'


@_html.register
def _(view: Table) -> str:
    right = [aligned_right(view, i) for i in range(len(view.heads))]
    heads = "".join(f'<th scope="col"{_right(r)}>{_head(c)}</th>' for c, r in zip(view.heads, right))
    rows = "".join(f"<tr>{_row(row, view, right)}</tr>" for row in view.rows)
    caption = f"<caption>{prose(view.title)}</caption>" if view.title else ""
    note = f'<p class="note">{prose(view.note)}</p>' if view.note else ""
    label = escape(view.title or "table")
    table = f"<table>{caption}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    scroll = f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">{table}</div>'
    return f'<div class="table">{scroll}{note}</div>'


def _right(right: bool) -> str:
    return ' class="num"' if right else ""


def _head(column: Column) -> str:
    unit = f' <span class="unit">[{escape(column.unit)}]</span>' if column.unit else ""
    return f"{escape(column.name)}{unit}"


def _row(row: Any, table: Table, right: list[bool]) -> str:
    parts = []
    for i, (value, column) in enumerate(zip(row, table.heads)):
        name = "num" if right[i] else "long" if isinstance(value, str) and len(value) > LONG else ""
        tag, scope = ("th", ' scope="row"') if i == 0 else ("td", "")
        shown = f' class="{name}"' if name else ""
        parts.append(f"<{tag}{scope}{shown}>{_cell(value, column)}</{tag}>")
    return "".join(parts)


def _cell(cell: Cell, column: Column) -> str:
    text = cell_text(cell, column)
    if isinstance(cell, str):
        return escape(text)  # a name or a hash: nothing in it is a power of ten
    if isinstance(cell, Interval):
        value, bracket, ends = text.partition(" [")
        return prose(value) + (f' <span class="ends">{prose(bracket[1:] + ends)}</span>' if bracket else "")
    return prose(text)


@_html.register
def _(view: Ruler) -> str:
    low, high = min(view.smallest, view.target), max(view.largest, view.target)
    scale = Scale(low, high if high > low else low * 10, True, "power" if view.unit == "FLOP" else "count")
    a, b, t = (float(v) for v in scale.place([view.smallest, view.largest, view.target]))
    beyond = view.target / view.largest
    far = f"{format_number(beyond, digits=2)}× the largest run" if beyond > 1 else "within the measured range"
    ticks = "".join(f'<line class="tick" x1="{_pc(f)}" x2="{_pc(f)}" y1="33" y2="39"/>' for f in _ticks(scale))
    tested = ""
    if view.tested is not None and view.tested > 1 and beyond > 1:
        end = min(1.0, float(scale.place([view.largest * view.tested])[0]))
        tested = f'<line class="tested" x1="{_pc(b)}" x2="{_pc(end)}" y1="36" y2="36"/>'
    smallest, largest, target = (format_number(v, view.unit, 3) for v in (view.smallest, view.largest, view.target))
    said = f"{view.label}: runs from {smallest} to {largest}; target {target}, {far}"
    key = f'<p class="note">{_tested(view.tested)}</p>' if tested else ""
    labels = [_ruler_label(b, "largest run", view.largest, view.unit, 58)]
    if b - a > 0.4:  # both names fit on a phone
        labels.append(_ruler_label(a, "smallest run", view.smallest, view.unit, 58))
    labels.append(_ruler_label(t, f"target: {far}", view.target, view.unit, 5))
    return (
        f'<div class="ruler"><svg role="img" aria-label="{escape(said)}" width="100%" height="84">'
        f'<line class="beyond" x1="0" x2="100%" y1="36" y2="36"/>{ticks}{tested}'
        f'<line class="runs" x1="{_pc(a)}" x2="{_pc(b)}" y1="36" y2="36"/>'
        f'<use class="target" href="#mk-target" x="{_pc(t)}" y="36"/>{"".join(labels)}</svg>'
        f'<p class="note">{escape(view.label)}, log scale.</p>{key}</div>'
    )


def _tested(ratio: float | None) -> str:
    return (
        "The thin part was back-tested: laws fitted to the smaller of these runs were checked up to "
        f"{format_number(ratio, digits=2)}× beyond the runs they saw."
    )


def _pc(fraction: float) -> str:
    return f"{round(100 * fraction, 2):g}%"


def _ticks(scale: Scale) -> list[float]:
    return [float(f) for f in scale.place([t.value for t in scale.ticks(30) if t.label])]


def _ruler_label(at: float, name: str, value: float, unit: str, y: int) -> str:
    anchor = "start" if at < 0.25 else "end" if at > 0.6 else "middle"
    number = prose(format_number(value, unit, 3))
    return (
        f'<text x="{_pc(at)}" y="{y}" text-anchor="{anchor}" dy=".5em">{number}</text>'
        f'<text class="name" x="{_pc(at)}" y="{y + 14}" text-anchor="{anchor}" dy=".5em">{escape(name)}</text>'
    )


@_html.register
def _(view: FirstScreen) -> str:
    score = f'<span class="score">{_cell(view.score, Column(""))}</span> ' if view.score else ""
    ruler = draw_html(view.ruler) if view.ruler else ""
    change = "".join(f"<li>{prose(c)}</li>" for c in view.change)
    parts = [
        ("What should we run", f'<p class="run">{prose(view.run)}</p>'),
        ("What will we get", f"{score}<p>{prose(view.get)}</p>"),
        ("How sure are we", f"<p>{prose(view.sure)}</p>{ruler}"),
        ("What would change the answer", f"<ol>{change}</ol>" if change else "<p>Nothing was varied.</p>"),
    ]
    answers = "".join(f"<div><dt>{name}</dt><dd>{answer}</dd></div>" for name, answer in parts)
    return f'<dl class="first">{answers}</dl>'


@_html.register
def _(view: Section) -> str:
    return section_html(view, slug(view.title))


def slug(title: str) -> str:
    """A title as the name of its place on the page."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"


def section_html(section: Section, name: str) -> str:
    """A section under the id `name`, which must be its own on the page."""
    return (
        f'<section id="{name}"><h2>{prose(section.title)}</h2>{"".join(draw_html(v) for v in section.items)}</section>'
    )


@_html.register
def _(view: Report) -> str:
    parts = [v for v in (view.first, *view.sections, view.provenance) if v is not None]
    return "".join(draw_html(v) for v in parts)


@_html.register
def _(view: Figure) -> str:
    figure, binned = thin(view)
    x, y = scales_of(figure)
    axes = {n: {"lo": s.low, "hi": s.high, "log": s.log, "ticks": s.ticks_as} for n, s in (("x", x), ("y", y))}
    wide = " labelled" if any(getattr(s, "label", "") for s in figure.series if not isinstance(s, Points)) else ""
    note = " ".join(n for n in (figure.note, binned) if n)
    name = escape(f"{figure.name}.csv")
    return (
        f'<figure class="figure{wide}" data-axes="{escape(json.dumps(axes))}">'
        f"<figcaption><h3>{prose(figure.title)}</h3></figcaption>{_legend(figure)}"
        f'<p class="axis y">↑ {_axis(figure.y.label, figure.y.unit)}</p>'
        f'<div class="frame">{draw_svg(figure, first_rows(figure))}</div>'
        f'<p class="axis x">{_axis(figure.x.label, figure.x.unit)} →</p>'
        f'<p class="note">{prose(note)} <a class="csv" download="{name}" href="{escape(csv_link(figure))}">CSV</a></p>'
        "</figure>"
    )


def _axis(label: str, unit: str) -> str:
    return (
        f'{escape(label)} <span class="unit">[{escape(str(unit))}]</span>'
        if unit and unit.casefold() != label.casefold()
        else escape(label)
    )


def _legend(figure: Figure) -> str:
    names = list(dict.fromkeys(s.name for s in figure.series))
    first = {s.name: s for s in reversed(figure.series)}
    steps = steps_of(figure)
    alone = {n for n in names if len({group_of(s) for s in figure.series if s.name == n}) == 1}
    samples = [swatch(first[n], steps if n in alone else None) for n in names]
    items = "".join(
        f'<li data-k="{i}">{sample}<span>{escape(_said(first[n]))}</span></li>'
        for i, (n, sample) in enumerate(zip(names, samples, strict=True))
    )
    told = {group_of(first[n]) for n in alone} - {None}  # groups that a name of their own says already
    key = "" if len(told) > 1 and told == set(groups_of(figure)) else _shade_key(figure)
    return f'<ul class="legend">{items}</ul>{key}'


def _said(series: Any) -> str:
    dashed = {"extrapolated": " (dashed)", "outlier": " (×)"}.get(series.role, "")
    band = " (band)" if isinstance(series, Band) and "band" not in series.name else ""
    return series.name + band + ("" if dashed.strip(" ()") in series.name else dashed)


def _shade_key(figure: Figure) -> str:
    shade = shade_of(figure)
    if shade is None or figure.shade is None:
        return ""
    groups = groups_of(figure)
    title = _axis(figure.shade.label, figure.shade.unit)
    if 0 < len(groups) <= _KEYED:
        marked = any(isinstance(s, Points) and s.group is not None for s in figure.series)
        steps = steps_of(figure)
        items = "".join(_group_item(g, i, steps, figure.shade, marked) for i, g in enumerate(groups))
        return f'<div class="key"><span>{title}</span>{items}</div>'
    ends = [prose(format_number(v, figure.shade.unit, 2, show_unit=False)) for v in (shade.low, shade.high)]
    bar = f'<span>{ends[0]}</span><span class="ramp"></span><span>{ends[1]}</span>'
    return f'<div class="key"><span>{title}</span>{bar}</div>'


def _group_item(group: float, rank: int, steps: Mapping[float, int], shade: Axis, marked: bool) -> str:
    step = steps[group]
    mark = mark_of("measured", rank) if marked else "square"
    text = escape(shade.names.get(group, "")) or prose(format_number(group, shade.unit, 3, show_unit=False))
    use = f'<g class="points s{step}"><use href="#mk-{mark}" x="50%" y="50%"/></g>'
    sample = f'<svg width="12" height="12" aria-hidden="true">{use}</svg>'
    return f"<span>{sample}<span>{text}</span></span>"
