"""A figure as inline SVG that fits any width: places are percentages, text and marks keep their size.

Curves lie in a nested 1000 x 1000 view box stretched to the frame with strokes that do not scale; marks are `use`
elements at percentages. So one drawing serves the phone, the desktop and paper, and needs no script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from similitude._digits import in_powers
from similitude._view import Band, Figure, Line, Marker, Points, Rule
from similitude.reports._palette import MARKS, RAMP_LIGHT, mark_of, step_of
from similitude.reports._scale import Scale, group_of, groups_of, rank_of, scales_of, shade_of

__all__ = ["MARK_SHEET", "draw_svg", "steps_of", "swatch"]

MARK_SHEET = (
    '<svg class="marks" width="0" height="0" aria-hidden="true"><defs>'
    + "".join(f'<path id="mk-{name}" d="{d}"/>' for name, d in MARKS.items())
    + "</defs></svg>"
)


def draw_svg(figure: Figure, first_rows: Sequence[int]) -> str:
    """The SVG of a figure. `first_rows` gives the row of the figure's CSV at which each series starts."""
    x, y = scales_of(figure)
    shade, steps = shade_of(figure), steps_of(figure)
    names = list(dict.fromkeys(s.name for s in figure.series))
    groups = groups_of(figure)
    under, over, front = [], [], []
    for series, row in zip(figure.series, first_rows):
        rank = rank_of(series, groups)
        classes = _classes(series, steps, names.index(series.name))
        drawn = _draw(series, x, y, shade, rank)
        target = over if isinstance(series, (Points, Marker)) else front if series.role == "frontier" else under
        target.append(f'<g class="{classes}" data-row="{row}">{drawn}</g>')
    labels = "".join(_end_label(s, x, y, _classes(s, steps, names.index(s.name))) for s in figure.series)
    alt = figure.alt or f"{figure.title}: {figure.y.title} against {figure.x.title}"
    below, above = _curves(under), _curves(front)  # a frontier is the lower edge of a cloud and lies on top of it
    return (
        f'<svg class="plot" role="img" aria-label="{escape(alt)}" width="100%" height="100%">'
        f'<g class="axes">{_axes(x, y)}</g>'
        f'<svg class="clip" width="100%" height="100%">{below}<g class="over">{"".join(over)}</g>{above}</svg>'
        f'<g class="labels">{labels}</g></svg>'
    )


def _curves(drawn: Sequence[str]) -> str:
    box = 'viewBox="0 0 1000 1000" preserveAspectRatio="none" width="100%" height="100%"'
    return f'<svg {box} class="curves">{"".join(drawn)}</svg>' if drawn else ""


def steps_of(figure: Figure) -> dict[float, int]:
    """The ramp's step of each group: by rank where few groups alone are coloured, else by place on the shade axis."""
    groups = groups_of(figure)
    shade = shade_of(figure)
    if shade is None or not groups:
        return {}
    if len(groups) <= len(RAMP_LIGHT) and not any(isinstance(s, Points) and s.shade for s in figure.series):
        return {g: step_of((i + 0.5) / len(groups)) for i, g in enumerate(groups)}
    return {g: step_of(float(p)) for g, p in zip(groups, shade.place(groups))}


def swatch(series: Any, steps: Mapping[float, int] | None = None) -> str:
    """The small sample of a series in the legend, in its group's colour where `steps` are given."""
    classes = _classes(series, steps or {}, None)
    if isinstance(series, (Points, Marker)):
        inner = f'<use href="#mk-{mark_of(series.role, None)}" x="50%" y="50%"/>'
    elif isinstance(series, Band):
        inner = '<rect class="fill" x="1" y="2" width="20" height="10"/>'
    else:
        inner = '<line x1="0" x2="22" y1="7" y2="7"/>'
    return f'<svg class="swatch" width="22" height="14" aria-hidden="true"><g class="{classes}">{inner}</g></svg>'


def _classes(series: Any, steps: Mapping[float, int], index: int | None) -> str:
    kind = type(series).__name__.lower()
    parts = [kind, series.role] if series.role != kind else [kind]
    if group_of(series) in steps:
        parts.append(f"s{steps[series.group]}")
    return " ".join(parts if index is None else [*parts, f"k{index}"])


def _draw(series: Any, x: Scale, y: Scale, shade: Scale | None, rank: int | None) -> str:
    if isinstance(series, Points):
        return _points(series, x, y, shade, rank)
    if isinstance(series, Line):
        return _path(_steps(x.place(series.x), y.place(series.y)))
    if isinstance(series, Band):
        return _band(series, x, y)
    if isinstance(series, Marker):
        return _marker(series, x, y)
    return _rule(series, x, y)


def _points(series: Points, x: Scale, y: Scale, shade: Scale | None, rank: int | None) -> str:
    xs, ys = x.place(series.x), y.place(series.y)
    mark = mark_of(series.role, rank)
    steps: list[str] = [""] * len(xs)
    if series.shade is not None and shade is not None:
        places = shade.place(series.shade)
        steps = [f' class="s{step_of(float(p))}"' if np.isfinite(p) else "" for p in places]
    if series.role == "binned":
        steps = _weights(series.values["count"])
    arms = _error_bars(series, xs, y)
    # A point without a place (missing, or not positive on a log axis) still takes its row, so rows and marks agree.
    marks = (f'<use href="#mk-{mark}"{_at(a, b)}{s}/>' for a, b, s in zip(xs, ys, steps))
    return arms + "".join(marks)


def _weights(counts: Sequence[Any]) -> list[str]:
    """Opacity by the logarithm of a bin's count."""
    full = np.log1p(max(counts))
    return [f' opacity="{0.15 + 0.85 * float(np.log1p(c) / full):.2f}"' for c in counts]


def _at(a: float, b: float) -> str:
    return f' x="{_percent(a)}" y="{_percent(1 - b)}"' if np.isfinite(a) and np.isfinite(b) else ' x="-99%" y="-99%"'


def _percent(fraction: float) -> str:
    return f"{round(100 * float(fraction), 2):g}%"


def _error_bars(series: Points, xs: np.ndarray, y: Scale) -> str:
    if series.low is None or series.high is None:
        return ""
    ends = zip(xs, y.place(series.low), y.place(series.high))
    return "".join(_segment(a, a, low, high) for a, low, high in ends if np.isfinite([a, low, high]).all())


def _segment(x1: float, x2: float, y1: float, y2: float) -> str:
    ends = (("x1", x1), ("x2", x2), ("y1", 1 - y1), ("y2", 1 - y2))
    return "<line " + " ".join(f'{k}="{_percent(v)}"' for k, v in ends) + "/>"


def _steps(xs: np.ndarray, ys: np.ndarray) -> str:
    """Path data of a curve; it breaks where a value has no place."""
    out, pen = [], "M"
    for a, b in zip(xs, ys):
        if not (np.isfinite(a) and np.isfinite(b)):
            pen = "M"
            continue
        out.append(f"{pen}{round(1000 * a, 1):g} {round(1000 * (1 - b), 1):g}")
        pen = "L"
    return "".join(out)


def _path(d: str, extra: str = "") -> str:
    return f'<path vector-effect="non-scaling-stroke"{extra} d="{d}"/>' if d else ""


def _band(series: Band, x: Scale, y: Scale) -> str:
    xs, low, high = x.place(series.x), y.place(series.low), y.place(series.high)
    known = np.isfinite(xs) & np.isfinite(low) & np.isfinite(high)
    xs, low, high = xs[known], np.clip(low[known], -1, 2), np.clip(high[known], -1, 2)
    if not xs.size:
        return ""
    around = _steps(np.concatenate([xs, xs[::-1]]), np.concatenate([high, low[::-1]]))
    return _path(around + "z", ' class="fill"') + _path(_steps(xs, low)) + _path(_steps(xs, high))


def _marker(series: Marker, x: Scale, y: Scale) -> str:
    (a,), (b,) = x.place([series.x]), y.place([series.y])
    arms = ""
    if series.x_low is not None and series.x_high is not None:
        left, right = x.place([series.x_low, series.x_high])
        arms += _segment(left, right, b, b)
    if series.y_low is not None and series.y_high is not None:
        low, high = y.place([series.y_low, series.y_high])
        arms += _segment(a, a, low, high)
    return f'{arms}<use href="#mk-{mark_of(series.role, None)}"{_at(a, b)}/>'


def _rule(series: Rule, x: Scale, y: Scale) -> str:
    at = (x if series.axis == "x" else y).place([series.at])[0] * 1000
    d = f"M{at:.1f} 0V1000" if series.axis == "x" else f"M0 {1000 - at:.1f}H1000"
    return _path(d)


def _axes(x: Scale, y: Scale) -> str:
    parts = []
    for tick, at in zip(x.ticks(), x.place([t.value for t in x.ticks()])):
        p, kind = _percent(at), "" if tick.label else ' class="minor"'
        parts.append(f'<line{kind} x1="{p}" x2="{p}" y1="0" y2="100%"/>')
        if tick.label:
            parts.append(f'<text class="xt" x="{p}" y="100%" dy="17">{escape(tick.label)}</text>')
    for tick, at in zip(y.ticks(), y.place([t.value for t in y.ticks()])):
        p, kind = _percent(1 - at), "" if tick.label else ' class="minor"'
        parts.append(f'<line{kind} x1="0" x2="100%" y1="{p}" y2="{p}"/>')
        if tick.label:
            parts.append(f'<text class="yt" x="0" y="{p}" dx="-7" dy=".35em">{escape(tick.label)}</text>')
    frame = (
        '<line class="base" x1="0" x2="100%" y1="100%" y2="100%"/><line class="base" x1="0" x2="0" y1="0" y2="100%"/>'
    )
    return "".join(parts) + frame


def _end_label(series: Any, x: Scale, y: Scale, classes: str) -> str:
    label = getattr(series, "label", "")
    if not label:
        return ""
    if isinstance(series, Marker):
        a, b = x.place([series.x])[0], y.place([series.y])[0]
        left = a > 0.75  # words of a mark near the right edge stand to its left
        return _label(label, float(a), float(b), -10 if left else 10, "-1.15em", classes + (" left" if left else ""))
    if isinstance(series, Line):
        xs, ys = x.place(series.x), y.place(series.y)
        inside = np.flatnonzero((xs >= 0) & (xs <= 1) & (ys >= 0) & (ys <= 1))
        return _label(label, float(xs[inside[-1]]), float(ys[inside[-1]]), 5, ".35em", classes) if inside.size else ""
    return ""


def _label(text: str, a: float, b: float, dx: int, dy: str, classes: str) -> str:
    at = f'x="{_percent(a)}" y="{_percent(1 - b)}" dx="{dx}" dy="{dy}"'
    return f'<text class="{classes}" {at}>{escape(in_powers(text))}</text>'
