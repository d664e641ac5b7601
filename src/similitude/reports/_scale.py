"""Where a value lies along an axis, and which ticks an axis shows; shared by every drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from similitude._digits import format_number, in_powers
from similitude._view import Axis, Band, Figure, Line, Marker, Points, Rule

__all__ = ["Scale", "Tick", "group_of", "groups_of", "rank_of", "scales_of", "shade_of"]

_MARGIN = 0.04  # of the axis, on either side of the data


@dataclass(frozen=True)
class Tick:
    """A tick: its value, its label, empty for a minor one."""

    value: float
    label: str


@dataclass(frozen=True)
class Scale:
    """An axis with its ends. `place` gives the fraction of the way along it."""

    low: float
    high: float
    log: bool
    ticks_as: str

    def place(self, values: Sequence[float] | np.ndarray) -> np.ndarray:
        """Fractions from 0 to 1; NaN for what has no place, such as zero on a log axis."""
        v, ends = np.asarray(values, float), np.array([self.low, self.high])
        if self.log:
            v, ends = np.log(np.where(v > 0, v, np.nan)), np.log(ends)
        return (v - ends[0]) / (ends[1] - ends[0])

    def ticks(self, about: int = 8) -> list[Tick]:
        """Ticks inside the axis: labelled ones, and on log axes the minor ones between."""
        ticks = self._log_ticks(about) if self.log else self._even_ticks(min(about, 6))
        return [t for t in ticks if self.low <= t.value <= self.high]

    def _log_ticks(self, about: int) -> list[Tick]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        decades = math.log10(self.high / self.low)
        if decades < 0.75:
            return self._even_ticks(min(about, 6))
        if decades > 2.2:
            every = max(1, math.ceil(decades / about))
            major = {10.0**p for p in range(first, last + 1) if p % every == 0}
        else:
            major = {m * 10.0**p for p in range(first, last + 1) for m in ((1, 2, 5) if decades < 1.5 else (1, 3))}
        minor = {m * 10.0**p for p in range(first, last + 1) for m in range(1, 10)} if decades < 12 else set()
        return [Tick(v, self._label(v) if v in major else "") for v in sorted(major | minor)]

    def _even_ticks(self, about: int) -> list[Tick]:
        rough = (self.high - self.low) / about
        size = 10.0 ** math.floor(math.log10(rough))
        first = next(m for m in (1, 2, 2.5, 5, 10) if m * size >= rough * 0.999)
        step = first * size
        values = [i * step for i in range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)]
        largest, finer = max(abs(self.low), abs(self.high)), first == 2.5
        if self.ticks_as == "plain" and step > 1e-4 and largest < 1e5:
            places = max(0, finer - math.floor(math.log10(step) + 1e-9))
            return [Tick(v, f"{v + 0.0:.{places}f}") for v in values]
        digits = max(1, math.floor(math.log10(largest / step) + 1e-9) + 2) + finer
        return [Tick(v, self._label(v, digits)) for v in values]

    def _label(self, value: float, digits: int = 3) -> str:
        if self.ticks_as == "power" and value > 0:
            power = math.floor(math.log10(value) + 1e-9)
            return in_powers(f"{format_number(value / 10.0**power, digits=digits)}e{power}")
        return format_number(value, "tokens" if self.ticks_as == "count" else "", digits, show_unit=False)


def scales_of(figure: Figure) -> tuple[Scale, Scale]:
    """The two axes of a figure, wide enough for its series and for the ends its axes ask for."""
    return (
        _scale(figure.x, [v for s in figure.series for v in _along_x(s)], ()),
        _scale(figure.y, [v for s in figure.series for v in _along_y(s)], [s for s in figure.series if _is_band(s)]),
    )


def group_of(series: object) -> float | None:
    """The group a series belongs to, None for none."""
    return getattr(series, "group", None)


def groups_of(figure: Figure) -> list[float]:
    """The groups of a figure, increasing."""
    return sorted({g for s in figure.series if (g := group_of(s)) is not None})


def rank_of(series: object, groups: list[float]) -> int | None:
    """The place of a series' group among the figure's groups."""
    group = group_of(series)
    return None if group is None else groups.index(group)


def shade_of(figure: Figure) -> Scale | None:
    """The scale colours stand for; None when nothing is grouped."""
    values = groups_of(figure)
    values += [float(v) for s in figure.series if isinstance(s, Points) and s.shade is not None for v in s.shade]
    if figure.shade is None or not values:
        return None
    low, high = _ends(values, figure.shade.scale == "log") or (1.0, 1.0)
    return Scale(low, high if high > low else low * 1.0001, figure.shade.scale == "log", figure.shade.ticks or "plain")


def _is_band(series: object) -> bool:
    return isinstance(series, Band)


def _along_x(series: object) -> Iterable[float]:
    if isinstance(series, (Points, Line, Band)):
        return series.x
    if isinstance(series, Marker):
        return [v for v in (series.x, series.x_low, series.x_high) if v is not None]
    return [series.at] if isinstance(series, Rule) and series.axis == "x" else []


def _along_y(series: object) -> Iterable[float]:
    if isinstance(series, Points):
        return [*series.y, *(series.low or ()), *(series.high or ())]
    if isinstance(series, Line):
        return series.y
    if isinstance(series, Marker):
        return [v for v in (series.y, series.y_low, series.y_high) if v is not None]
    return [series.at] if isinstance(series, Rule) and series.axis == "y" else []


def _scale(axis: Axis, values: Sequence[float], bands: Sequence[object]) -> Scale:
    log = axis.scale == "log"
    low, high = _ends(values, log) or ((1.0, 10.0) if log else (0.0, 1.0))
    if bands:
        low, high = _with_bands(low, high, bands, log)
    into, out = (math.log, math.exp) if log else (float, float)
    a, b = into(low), into(high)
    room = (b - a) * _MARGIN or max(abs(a), 1.0) * _MARGIN
    low = axis.low if axis.low is not None else out(a - room)
    high = axis.high if axis.high is not None else out(b + room)
    return Scale(low, high, log, axis.ticks or "plain")


def _ends(values: Iterable[float], log: bool) -> tuple[float, float] | None:
    v = np.asarray(list(values), float)
    v = v[np.isfinite(v) & ((v > 0) | (not log))]
    return (float(v.min()), float(v.max())) if v.size else None


def _with_bands(low: float, high: float, bands: Sequence[object], log: bool) -> tuple[float, float]:
    """Room for the bands, but never so much that an open band squeezes the data."""
    found = _ends([v for b in bands if isinstance(b, Band) for v in (*b.low, *b.high)], log)
    if found is None:
        return low, high
    if log:
        room = (high / low) ** 0.35
        return max(min(low, found[0]), low / room), min(max(high, found[1]), high * room)
    room = (high - low) * 0.35
    return max(min(low, found[0]), low - room), min(max(high, found[1]), high + room)
