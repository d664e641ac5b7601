"""Very many points thinned to counts or a share of them, so that a page stays small and a cloud readable."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from similitude._view import Figure, Points
from similitude.reports._scale import Scale, scales_of

__all__ = ["thin"]

MOST_POINTS = 2000
SHARED = 1000  # points shown of several large groups together
_BINS = (48, 32)


def thin(figure: Figure) -> tuple[Figure, str]:
    """The figure with more than 2,000 points thinned, and a sentence that says so (empty if it was not).

    One cloud becomes counts in bins; of several groups, whose shapes matter, an even share of each is shown.
    """
    clouds = [s for s in figure.series if isinstance(s, Points) and s.role == "measured"]
    total = sum(len(s.x) for s in clouds)
    if total <= MOST_POINTS:
        return figure, ""
    x, y = scales_of(figure)
    if len(clouds) == 1:
        series = tuple(_binned(s, x, y) if s in clouds else s for s in figure.series)
        said = f"{total:,} points are shown as counts in bins"
    else:
        every = -(-total // SHARED)
        series = tuple(_every(s, every) if isinstance(s, Points) and s in clouds else s for s in figure.series)
        said = f"One in {every} of {total:,} points is shown, evenly along each group"
    # The axes stay those of all points.
    ends = {"x": replace(figure.x, low=x.low, high=x.high), "y": replace(figure.y, low=y.low, high=y.high)}
    return replace(figure, series=series, **ends), f"{said}; the table they come from is named in the provenance."


def _every(points: Points, every: int) -> Points:
    kept = np.argsort(points.x, kind="stable")[::every].tolist()

    def take(column: Any) -> Any:
        return None if column is None else [column[i] for i in kept]

    columns = {k: take(getattr(points, k)) for k in ("x", "y", "shade", "low", "high", "labels")}
    return replace(points, **columns, values={k: take(v) for k, v in points.values.items()})


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
