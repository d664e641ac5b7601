"""Very many points drawn as counts in bins, so that a page stays small and a cloud stays readable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from similitude._view import Figure, Points
from similitude.reports._scale import Scale, scales_of

__all__ = ["thin"]

MOST_POINTS = 2000
_BINS = (72, 48)


def thin(figure: Figure) -> tuple[Figure, str]:
    """The figure with series of more than 2,000 points binned, and a sentence that says so (empty if none were)."""
    big = [s for s in figure.series if isinstance(s, Points) and len(s.x) > MOST_POINTS]
    if not big:
        return figure, ""
    x, y = scales_of(figure)
    series = tuple(_binned(s, x, y) if s in big else s for s in figure.series)
    counted = sum(len(s.x) for s in big)
    note = f"{counted:,} points are shown as counts in bins; the table they come from is named in the provenance."
    # The axes stay those of all points.
    held = replace(
        figure, series=series, x=replace(figure.x, low=x.low, high=x.high), y=replace(figure.y, low=y.low, high=y.high)
    )
    return held, note


def _binned(points: Points, x: Scale, y: Scale) -> Points:
    places = np.stack([x.place(points.x), y.place(points.y)])
    places = places[:, np.isfinite(places).all(0)]
    cells = np.floor(places * np.array(_BINS)[:, None]).astype(int)
    (columns, rows), counts = np.unique(cells, axis=1, return_counts=True)
    xs, ys = (_back(s, (c + 0.5) / n) for s, c, n in ((x, columns, _BINS[0]), (y, rows, _BINS[1])))
    return Points(points.name, xs, ys, role="binned", group=points.group, values={"count": counts.tolist()})


def _back(scale: Scale, fraction: np.ndarray) -> np.ndarray:
    if scale.log:
        return scale.low * (scale.high / scale.low) ** fraction
    return scale.low + fraction * (scale.high - scale.low)
