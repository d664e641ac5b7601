"""Where two curves cross, by the set of scales at which the runs do not tell them apart; and what lies between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from similitude._digits import format_number, in_powers
from similitude._view import Interval
from similitude.comparison._joint import Scale
from similitude.comparison._result import Crossing, Gap
from similitude.fitting import Fit

__all__ = ["crossings_of", "gaps_of", "interval_of", "verdict_of"]

GRID = 61  # points of the log scale at which the difference is bounded
FINE = 9  # points between two of them, where an end is looked for
ROUNDS = 3
BELOW = 3.0  # times below the smallest run that curves are followed

Sides = Callable[[Mapping[str, Any], int], dict[str, Any]]
Stretch = tuple[float | None, float | None]


def crossings_of(
    scale: Scale,
    joint: Fit,
    sides: Sides,
    names: tuple[str, str],
    where: tuple[tuple[float, float], float],
    higher: bool,
    level: float,
) -> tuple[tuple[Crossing, ...], tuple[Stretch, ...]]:
    """Crossings of the fitted curves with their intervals, and the stretches where neither is told to be ahead.

    The difference is bounded at every point of a grid by profile likelihood; a scale belongs to the confidence set of
    the crossing unless the bounds exclude zero (Fieller's construction). An end on the grid's edge is not known.
    """
    (low, high), reach = where
    grid = np.linspace(np.log(low / BELOW), np.log(high * reach), GRID)
    bounds = _bounds(scale, joint, sides, grid, level)
    told = _told(bounds)
    stretches = []
    for first, last in _runs_of(~told):
        left = None if first == 0 else _end(scale, joint, sides, (grid[first - 1], grid[first]), level, True)
        right = None if last == GRID - 1 else _end(scale, joint, sides, (grid[last], grid[last + 1]), level, False)
        stretches.append((left, right))
    found = []
    for i in np.flatnonzero(np.sign(bounds[1:, 0]) != np.sign(bounds[:-1, 0])):
        at = _root(scale, joint, sides, grid[i], grid[i + 1])
        less = bounds[i + 1, 0] < 0  # the second is lower beyond
        ahead = names[1] if less != higher else names[0]
        held = next((s for s in stretches if _inside(at, s)), None)
        if held is None:  # narrower than the grid: its ends lie between the root and the points on either side
            left = _end(scale, joint, sides, (grid[i], at), level, True)
            held = left, _end(scale, joint, sides, (at, grid[i + 1]), level, False)
            stretches.append(held)
        ends = (None if e is None else float(np.exp(e)) for e in held)
        found.append(Crossing(Interval(float(np.exp(at)), *ends, unit=scale.unit), ahead, float(np.exp(at) / high)))
    plain = tuple(tuple(None if e is None else float(np.exp(e)) for e in s) for s in stretches)
    return tuple(found), plain  # pyright: ignore[reportReturnType]


def _difference(scale: Scale, sides: Sides) -> Callable[[Mapping[str, Any], Any], Any]:
    return lambda p, log_x: scale.value(sides(p, 2), log_x) - scale.value(sides(p, 1), log_x)


def _bounds(scale: Scale, joint: Fit, sides: Sides, grid: np.ndarray, level: float) -> np.ndarray:
    return joint.intervals_along(_difference(scale, sides), grid, level)


def _told(bounds: np.ndarray) -> np.ndarray:
    """Where the bounds exclude zero; an end that is not known excludes nothing."""
    return (bounds[:, 1] > 0) | (bounds[:, 2] < 0)


def _runs_of(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2])]


def _end(scale: Scale, joint: Fit, sides: Sides, between: tuple[float, float], level: float, left: bool) -> float:
    """Where, between two points, telling the curves apart begins or ends."""
    low, high = between
    for _ in range(ROUNDS):
        inner = np.linspace(low, high, FINE)
        told = _told(_bounds(scale, joint, sides, inner, level))
        told[0], told[-1] = left, not left
        i = int(np.flatnonzero(told == left)[-1])
        low, high = inner[i], inner[min(i + 1, FINE - 1)]
    return 0.5 * (low + high)


def _root(scale: Scale, joint: Fit, sides: Sides, low: float, high: float) -> float:
    from scipy.optimize import brentq

    params = {k: np.array([v]) for k, v in joint.values.items()}

    def gap(x: float) -> float:
        return float(_difference(scale, sides)(params, x)[0])

    at: Any = brentq(gap, low, high, xtol=1e-12)
    return float(at)


def _inside(at: float, stretch: Stretch) -> bool:
    low, high = stretch
    return (low is None or low <= at) and (high is None or at <= high)


def gaps_of(
    scale: Scale,
    joint: Fit,
    sides: Sides,
    spots: tuple[float, ...],
    largest: float,
    noises: tuple[float, float],
    higher: bool,
    level: float,
) -> tuple[Gap, ...]:
    """The difference at each scale, the multiple at equal score, and how probable it is that the second is ahead.

    `noises` is the scatter of each procedure's runs.
    """
    difference, log_x = _difference(scale, sides), np.log(spots)

    def multiple(p: Mapping[str, Any], log_x: Any) -> Any:
        return scale.reaching(sides(p, 1), scale.value(sides(p, 2), log_x), log_x) - log_x

    with np.errstate(all="ignore"):
        multiples = np.exp(joint.intervals_along(multiple, log_x, level))
    params = {k: np.full(len(spots), v) for k, v in joint.values.items()}
    curves = np.array([scale.value(sides(params, side), log_x) for side in (1, 2)])
    noise = np.hypot(*(np.array(noises)[:, None] * (curves if joint.objective.log else np.ones_like(curves))))
    ends = joint.intervals_along(difference, log_x, level)
    out = []
    for i, (spot, more) in enumerate(zip(spots, joint.confidence_along(difference, log_x).tolist())):
        new = _of_new_runs(joint, float(ends[i, 0]), more, float(noise[i]))
        wins, wins_new = (more, new) if higher else (1 - more, 1 - new)
        times = interval_of(*multiples[i]) if np.isfinite(multiples[i, 0]) else Interval(float("nan"))
        out.append(Gap(spot, spot / largest, interval_of(*ends[i]), times, wins, wins_new))
    return tuple(out)


def _of_new_runs(joint: Fit, value: float, sure: float, noise: float) -> float:
    """The probability that a new run of the one is above a new run of the other.

    The curves' own error is read off the confidence in their difference, as of a t variable, and noise added to it.
    """
    from scipy.stats import t as student

    freedom = max(joint.solution.freedom, 1)
    ratio = float(student.ppf(min(max(sure, 1e-9), 1 - 1e-9), freedom))
    if abs(ratio) < 1e-9:
        return 0.5
    return float(student.cdf(value / np.hypot(value / ratio, noise), freedom))


def interval_of(value: float, low: float, high: float) -> Interval:
    """An interval whose ends are None where they are not finite."""
    return Interval(float(value), _known(low), _known(high))


def _known(end: Any) -> float | None:
    return float(end) if np.isfinite(end) else None


def verdict_of(
    names: tuple[str, str],
    crossings: tuple[Crossing, ...],
    undecided: tuple[Stretch, ...],
    gaps: tuple[Gap, ...],
    span: tuple[float, float],
    reach: float,
) -> str:
    """Who is ahead where, in a sentence."""
    if crossings:
        parts = []
        for c in crossings:
            place = c.at.text() if c.at.low is not None or c.at.high is not None else _at(c.at.value, c.at.unit)
            far = f"{c.reach:.3g} times the largest run" if c.reach > 1 else "within the runs"
            open_ = " (no interval: the runs do not tell)" if c.at.low is None and c.at.high is None else ""
            parts.append(f"{c.ahead} is ahead beyond {place}, {far}{open_}")
        return "; ".join(parts)
    winner = names[1] if gaps[0].wins > 0.5 else names[0]
    if not undecided:
        return f"{winner} is ahead throughout, as far as {reach:.3g} times the largest run; no crossing within reach"
    told = "; ".join(_stretch(s) for s in undecided)
    return f"{winner} is ahead in the fit, with no crossing within reach, but the runs do not tell {told}"


def _stretch(stretch: Stretch) -> str:
    low, high = stretch
    if low is None and high is None:
        return "anywhere"
    if low is None:
        return f"below {_at(high or 0.0, '')}"
    return f"beyond {_at(low, '')}" if high is None else f"between {_at(low, '')} and {_at(high, '')}"


def _at(value: float, unit: str) -> str:
    return in_powers(format_number(value, unit, 3))
