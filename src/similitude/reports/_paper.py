"""Figures for paper: the same view values drawn with matplotlib, saved as SVG, PDF or PNG."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._digits import in_powers
from similitude._errors import ArgumentError
from similitude._view import Band, Figure, Line, Marker, Points, Rule
from similitude.reports._palette import LIGHT, RAMP_LIGHT, mark_of
from similitude.reports._scale import Scale, group_of, groups_of, rank_of, scales_of, shade_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_axes", "save_figure"]

_MPL_MARKS = {
    "circle": "o",
    "square": "s",
    "triangle": "^",
    "diamond": "D",
    "down": "v",
    "cross": "x",
    "star": "*",
    "ring": "o",
}
_DASHES: dict[str, Any] = {"extrapolated": (0, (5, 3)), "frontier": "-", "contour": "-", "reference": (0, (1, 2))}
_STYLE = {
    "font.size": 9,
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica Neue", "Arial", "DejaVu Sans"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": LIGHT["muted"],
    "axes.labelcolor": LIGHT["ink"],
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "grid.color": LIGHT["grid"],
    "grid.linewidth": 0.7,
    "xtick.color": LIGHT["muted"],
    "ytick.color": LIGHT["muted"],
    "legend.frameon": False,
    "legend.fontsize": 8,
    "pdf.fonttype": 42,  # TrueType outlines, so that text stays text in a paper's PDF
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "similitude",  # the same figure gives the same file
    "figure.dpi": 150,
    "savefig.bbox": "tight",
}


def draw_axes(figure: Figure, ax: Axes | None = None) -> Axes:
    """Draw a figure into matplotlib axes (those of a new sheet when None) and return them."""
    if ax is None:
        import matplotlib.pyplot as plt

        with _style():
            return draw_axes(figure, plt.subplots(figsize=(5.5, 3.6), layout="constrained")[1])
    x, y = scales_of(figure)
    shade = shade_of(figure)
    groups = groups_of(figure)
    for order, series in enumerate(figure.series):
        _draw(series, ax, shade, rank_of(series, groups), order, y)
    _dress(ax, figure, x, y)
    _add_legend(ax, figure, shade)
    return ax


def save_figure(figure: Figure, path: str | Path, *, width: float = 5.5, height: float = 3.6) -> Path:
    """Save a figure, inches wide and high, as .svg, .pdf or .png with fonts embedded; returns the path.

    Raises ArgumentError for another ending.
    """
    path = Path(path)
    if path.suffix not in (".svg", ".pdf", ".png"):
        raise ArgumentError(f"cannot save a figure as '{path.name}'; expected an ending of .svg, .pdf or .png")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Sheet

    with _style():
        sheet = Sheet(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(sheet)
        draw_axes(figure, sheet.add_subplot())
        metadata = {"Title": figure.title} | ({"CreationDate": None} if path.suffix == ".pdf" else {})
        metadata |= {"Date": None} if path.suffix == ".svg" else {}
        sheet.savefig(path, metadata=metadata, dpi=300 if path.suffix == ".png" else "figure")
    return path


@contextmanager
def _style() -> Iterator[None]:
    import logging

    import matplotlib

    # Names of fonts that are not installed are tried in turn; the search is not worth a warning a figure.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    with matplotlib.rc_context(dict[Any, Any](_STYLE)):
        yield


def _color(series: Any, shade: Scale | None, default: str) -> str:
    if shade is None or group_of(series) is None:
        return LIGHT[default]
    return _ramp()(float(np.clip(shade.place([series.group])[0], 0, 1)))


def _ramp() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("similitude", list(RAMP_LIGHT))


def _draw(series: Any, ax: Axes, shade: Scale | None, rank: int | None, order: int, y: Scale) -> None:
    if isinstance(series, Points):
        _draw_points(series, ax, shade, rank, order)
    elif isinstance(series, Line):
        _draw_line(series, ax, shade, order)
    elif isinstance(series, Band):
        color = _color(series, shade, "accent")
        low, high = (np.clip(np.asarray(v), y.low, y.high) for v in (series.low, series.high))
        ax.fill_between(series.x, low, high, color=color, alpha=0.16, lw=0, label=series.name, zorder=1)
    elif isinstance(series, Marker):
        _draw_marker(series, ax, shade, order)
    elif isinstance(series, Rule):
        line = ax.axvline if series.axis == "x" else ax.axhline
        line(series.at, color=LIGHT["muted"], lw=0.8, ls=(0, (4, 3)), label=series.name, zorder=1.5)


def _draw_points(series: Points, ax: Axes, shade: Scale | None, rank: int | None, order: int) -> None:
    mark = _MPL_MARKS[mark_of(series.role, rank)]
    color: Any = _color(series, shade, "point")
    if series.shade is not None and shade is not None:
        color = _ramp()(np.clip(shade.place(series.shade), 0, 1))
    if series.low is not None and series.high is not None:
        arms = np.abs(np.array([np.subtract(series.y, series.low), np.subtract(series.high, series.y)]))
        ax.errorbar(series.x, series.y, yerr=arms, fmt="none", ecolor=LIGHT["muted"], elinewidth=0.7, zorder=2)
    edge = {} if mark == "x" else {"edgecolors": "white", "linewidths": 0.3}
    paint = {"color": color} if series.shade is None or shade is None else {"c": color}
    ax.scatter(series.x, series.y, s=14, marker=mark, **paint, label=series.name, zorder=3 + order / 100, **edge)


def _draw_line(series: Line, ax: Axes, shade: Scale | None, order: int) -> None:
    thin = series.role in ("contour", "reference")
    color = _color(
        series, shade, {"frontier": "ink", "contour": "muted", "reference": "muted"}.get(series.role, "accent")
    )
    width = 0.8 if thin else 1.5
    ax.plot(series.x, series.y, color=color, lw=width, ls=_DASHES.get(series.role, "-"), label=series.name,
            zorder=(3.5 if series.role == "frontier" else 2.5) + order / 1000)  # fmt: skip
    if series.label and len(series.x):
        end = (series.x[-1], series.y[-1])
        ax.annotate(_plain(in_powers(series.label)), end, (3, 0), textcoords="offset points", fontsize=7, va="center",
                    color=color, annotation_clip=False)  # fmt: skip


def _draw_marker(series: Marker, ax: Axes, shade: Scale | None, order: int) -> None:
    role = series.role
    color = _color(series, shade, "signal" if role == "target" else "ink")
    for ends, xs, ys in (
        ((series.x_low, series.x_high), None, series.y),
        ((series.y_low, series.y_high), series.x, None),
    ):
        low, high = ends
        if low is not None and high is not None:
            ax.plot([low, high] if xs is None else [xs, xs], [low, high] if ys is None else [ys, ys], color=color, lw=1)
    hollow = {"markerfacecolor": "white", "markeredgewidth": 1.6} if role == "target" else {}
    mark = _MPL_MARKS[mark_of(role, None)]
    ax.plot([series.x], [series.y], mark, color=color, ms=9 if mark == "*" else 7, label=series.name, ls="none",
            zorder=4 + order / 100, **hollow)  # fmt: skip
    if series.label:
        ax.annotate(
            _plain(in_powers(series.label)),
            (series.x, series.y),
            (7, 5),
            textcoords="offset points",
            fontsize=8,
            color=color,
        )


def _dress(ax: Axes, figure: Figure, x: Scale, y: Scale) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator

    for scale, axis, name in ((x, ax.xaxis, "x"), (y, ax.yaxis, "y")):
        getattr(ax, f"set_{name}scale")("log" if scale.log else "linear")
        getattr(ax, f"set_{name}lim")(scale.low, scale.high)
        ticks = scale.ticks(6)
        major = [t for t in ticks if t.label]
        axis.set_major_locator(FixedLocator([t.value for t in major]))
        axis.set_major_formatter(FixedFormatter([t.label for t in major]))
        axis.set_minor_locator(FixedLocator([t.value for t in ticks if not t.label]))
        axis.set_minor_formatter(FixedFormatter([]))
    ax.set_xlabel(_plain(figure.x.title))
    ax.set_ylabel(_plain(figure.y.title))
    ax.set_title(_plain(figure.title))
    ax.set_axisbelow(True)


def _add_legend(ax: Axes, figure: Figure, shade: Scale | None) -> None:
    handles, labels = ax.get_legend_handles_labels()
    first = {_plain(label): handle for handle, label in reversed(list(zip(handles, labels)))}
    names = [n for n in dict.fromkeys(_plain(s.name) for s in figure.series) if n in first]
    if len(names) > 1:
        labelled = any(getattr(s, "label", "") for s in figure.series)  # words in the axes that a legend would cover
        where: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, -0.17), "ncols": 2} if labelled else {}
        ax.legend([first[n] for n in names], names, **where)
    owner = ax.get_figure()
    if shade is None or figure.shade is None or owner is None or figure.shade.names:
        return
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    norm = (LogNorm if shade.log else Normalize)(shade.low, shade.high)
    bar = owner.colorbar(ScalarMappable(norm, _ramp()), ax=ax, label=_plain(figure.shade.title), aspect=30, pad=0.02)
    ticks = [t for t in shade.ticks(5) if t.label]
    bar.ax.yaxis.set_major_locator(FixedLocator([t.value for t in ticks]))
    bar.ax.yaxis.set_major_formatter(FixedFormatter([t.label for t in ticks]))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]


def _plain(text: str) -> str:
    """matplotlib reads $...$ as mathematics; names from files are only names."""
    return text.replace("$", r"\$")
