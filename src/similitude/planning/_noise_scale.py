"""The gradient noise scale from gradient norms at two batch sizes, with an interval that may be open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude._digits import format_number
from similitude._errors import ArgumentError, DataError
from similitude._result import Result
from similitude._view import Axis, Band, Figure, Interval, Line, Section, Table, Text

__all__ = ["NoiseScale", "noise_scale"]

LEAST = 8  # measurements
STRETCHES = 8  # of consecutive measurements, whose means are taken as independent


@dataclass(frozen=True)
class NoiseScale(Result):
    """The simple noise scale tr(S) / |G|^2 in the unit of the batch, over all measurements and along them.

    It is that of the period measured: the mean trace over the mean squared gradient. `gradient` is |G|^2 and `noise`
    tr(S), each averaged over measurements before they are divided. Ends of the interval are None where the measurements
    do not bound it: |G|^2 is then not told from zero. `series` holds (middle, estimate, low, high) of consecutive
    windows, the middle counted in measurements, or in what was given as `at`. Made by `noise_scale`.

    >>> import similitude as sim
    >>> rng = np.random.default_rng(0)
    >>> small, big = (1 + 500 / b + 0.05 * rng.standard_normal(400) for b in (50, 800))
    >>> found = sim.noise_scale(small, big, batch_small=50, batch_big=800)
    >>> bool(found.value.low < 500 < found.value.high)
    True
    """

    value: Interval
    gradient: Interval
    noise: Interval
    batches: tuple[float, float]
    measurements: int
    correlation: float
    level: float
    along: str = "measurement"
    series: tuple[tuple[float, float, float | None, float | None], ...] = ()
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"NoiseScale({self.value.text()} at batches {self.batches[0]:g} and {self.batches[1]:g})"

    def view(self) -> Section:
        """The estimate, its two parts and how it moves."""
        rows = [
            ("noise scale", self.value),
            ("squared gradient", self.gradient),
            ("trace of the covariance", self.noise),
            ("measurements", f"{self.measurements:,} at batches {self.batches[0]:g} and {self.batches[1]:g}"),
            ("autocorrelation", f"{self.correlation:.2f}"),
        ]
        note = (
            f"Intervals at {self.level:.0%}, of the period measured; the ratio of averages, not the average of ratios. "
            "It foretells the critical batch where curvature is even and the learning rate well tuned: a low rate "
            "makes it larger, and it grows during training."
        )
        items: list[Any] = [Table("Gradient noise scale", ("quantity", "value"), rows, note)]
        if self.warnings:
            items.append(Text("Beware", points=self.warnings, tone="warning"))
        known = [s for s in self.series if s[2] is not None and s[3] is not None and s[1] > 0]
        if len(known) > 1:
            x, y, low, high = (np.array(v, float) for v in zip(*known, strict=True))
            band = Band(f"{self.level:.0%}", x, np.maximum(low, y / 100), high)
            axes = Axis(self.along.capitalize(), scale="linear"), Axis("Noise scale")
            items.append(
                Figure("Noise scale along training", *axes, [band, Line("noise scale", x, y)], name="noise-scale")
            )
        return Section("Gradient noise scale", tuple(items))


def noise_scale(
    small: Sequence[float] | np.ndarray,
    big: Sequence[float] | np.ndarray,
    *,
    batch_small: float = 1.0,
    batch_big: float,
    windows: int = 1,
    at: Sequence[float] | np.ndarray | None = None,
    along: str = "step",
    level: float = 0.9,
) -> NoiseScale:
    """The noise scale from squared gradient norms at two batches, each (measurements,) in order of training.

    Per-example squared norms (their mean over the batch at each step) are a small batch of one. With B the batches,
    |G|^2 = (B_big big - B_small small) / (B_big - B_small) and tr(S) = (small - big) / (1/B_small - 1/B_big) are free
    of bias at every step; both are averaged, and then divided (McCandlish et al. 2018, appendix A). The interval
    inverts the test of tr(S) - b |G|^2 = 0 (Fieller) with Student's t on the means of eight consecutive stretches, so
    that neighbours may be correlated; it is open where |G|^2 is not told from zero. `windows` splits the measurements
    to show how the scale moves; `at` says where each was taken, in what `along` names.

    Raises ArgumentError for batches that do not grow or lengths that differ, DataError for fewer than eight
    measurements or values that are no squared norms.

    >>> import similitude as sim
    >>> sim.noise_scale([3.0] * 10, [1.2] * 10, batch_small=1, batch_big=10).value.value
    2.0
    """
    one, two = (np.asarray(v, float).ravel() for v in (small, big))
    if not 0 < batch_small < batch_big < float("inf"):
        raise ArgumentError(f"batches {batch_small:g} and {batch_big:g}: expected the second larger than the first")
    if one.size != two.size:
        raise ArgumentError(f"{one.size} norms at the small batch and {two.size} at the big: expected as many")
    bad = np.flatnonzero(~(np.isfinite(one) & np.isfinite(two) & (one >= 0) & (two >= 0)))
    if bad.size:
        i = int(bad[0])
        raise DataError(
            f"measurement {i + 1}: {one[i]:g} and {two[i]:g}; expected squared norms, finite and not negative"
        )
    if one.size < LEAST:
        raise DataError(f"{one.size} measurements; a noise scale takes at least {LEAST}")
    if windows < 1 or windows != int(windows):
        raise ArgumentError(f"windows = {windows:g}; expected a whole number of parts, at least 1")
    if not 0 < level < 1:
        raise ArgumentError(f"level = {level:g}; expected a number between 0 and 1, such as 0.9")
    gradient = (batch_big * two - batch_small * one) / (batch_big - batch_small)
    noise = (one - two) / (1 / batch_small - 1 / batch_big)
    places = np.arange(1.0, one.size + 1) if at is None else np.asarray(at, float).ravel()
    if places.size != one.size or not np.isfinite(places).all():
        raise ArgumentError(f"at: expected {one.size} numbers, as many as there are measurements")
    value, parts, correlation = _ratio(noise, gradient, level)
    series = []
    if windows > 1:
        for rows in np.array_split(np.arange(one.size), windows):
            if rows.size >= LEAST:
                part = _ratio(noise[rows], gradient[rows], level)[0]
                series.append((float(places[rows].mean()), part.value, part.low, part.high))
    return NoiseScale(
        value=value,
        gradient=parts[0],
        noise=parts[1],
        batches=(float(batch_small), float(batch_big)),
        measurements=one.size,
        correlation=correlation,
        level=level,
        along="measurement" if at is None else along,
        series=tuple(series),
        warnings=_warnings(value, parts[0], series, one.size, correlation),
    )


def _ratio(top: np.ndarray, bottom: np.ndarray, level: float) -> tuple[Interval, tuple[Interval, Interval], float]:
    """mean(top) / mean(bottom) with Fieller's interval, both means with theirs, the bottom's autocorrelation."""
    from scipy.stats import t as student

    pairs = np.column_stack([top, bottom])
    count = min(STRETCHES, len(pairs) // 2)
    stretches = np.array([part.mean(0) for part in np.array_split(pairs, count)])
    covariance = np.cov(stretches.T) / count
    t = float(student.ppf(0.5 + level / 2, count - 1))
    s, g = pairs.mean(0)
    half = t * np.sqrt(np.diag(covariance))
    means = (
        Interval(float(g), float(g - half[1]), float(g + half[1])),
        Interval(float(s), float(s - half[0]), float(s + half[0])),
    )
    a = g * g - t * t * covariance[1, 1]
    b = s * g - t * t * covariance[0, 1]
    c = s * s - t * t * covariance[0, 0]
    inside = b * b - a * c
    low: float | None
    high: float | None
    if a > 0 and inside >= 0:
        root = float(np.sqrt(inside))
        low, high = float(max((b - root) / a, 0.0)), float((b + root) / a)
    else:  # |G|^2 is not told from zero: no upper end
        low, high = None, None
        if a < 0 and inside >= 0 and s > 0:
            low = max(0.0, float((b + np.sqrt(inside)) / a), float((b - np.sqrt(inside)) / a)) or None
    centred = bottom - bottom.mean()
    power = float(centred @ centred)
    correlation = float(centred[1:] @ centred[:-1] / power) if power > 0 else 0.0
    value = max(float(s / g), 0.0) if g > 0 else float("inf")
    return Interval(value, low, high), means, correlation


def _warnings(
    value: Interval, gradient: Interval, series: list[Any], count: int, correlation: float
) -> tuple[str, ...]:
    said = []
    memory = (1 + correlation) / max(1 - correlation, 1e-9)
    if memory > count / STRETCHES / 2:
        said.append(
            "Measurements follow one another closely (smoothed, or a gradient that wanders slowly): the interval may "
            "be too narrow for any other period; log raw norms, or more of them."
        )
    if gradient.value <= 0:
        said.append(
            "The squared gradient is not above zero on average: the noise scale is larger than these batches can tell."
        )
    elif value.high is None:
        said.append("The squared gradient is not told from zero: no upper end; measure more, or a larger batch.")
    known = [s[1] for s in series if np.isfinite(s[1]) and s[1] > 0]
    if len(known) > 1 and max(known) > 3 * min(known):
        ends = (format_number(v, "", 3) for v in (min(known), max(known)))
        said.append(f"It moves from {' to '.join(ends)} along the measurements: one number stands for no step of it.")
    return tuple(said)
