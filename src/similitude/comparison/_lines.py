"""Lines through a metric over log scale: one, two that need not meet, a parabola, two levels with a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "EXACT",
    "Data",
    "Fitted",
    "bent",
    "bent_p",
    "design_of",
    "is_sudden",
    "jump_of",
    "quadratic_rule",
    "two_lines",
    "weighted",
]

JUMP = 0.8  # the share of the whole change that one step must make to be sudden
EXACT = 1e-12  # of the values: residuals below are the rounding of numbers
BETTER = 0.25  # the share of a smooth curve's squares that two levels with a step may leave
RATES = np.concatenate([-np.geomspace(100, 0.5, 24), np.geomspace(0.5, 100, 24)])  # over the whole range of log scale


@dataclass(frozen=True)
class Data:
    """Means (scales,) at log10 scales, their standard errors or None, and how many observations each has."""

    u: np.ndarray
    y: np.ndarray
    error: np.ndarray | None
    count: np.ndarray


@dataclass(frozen=True)
class Fitted:
    """Weighted least squares: coefficients, their covariance, degrees of freedom, scatter of an observation."""

    coefficients: np.ndarray
    covariance: np.ndarray
    freedom: float
    scatter: float
    squares: float
    at: float = np.nan

    def p(self, i: int) -> float:
        """Two-sided p of a coefficient against zero."""
        from scipy.stats import t as student

        error = np.sqrt(max(self.covariance[i, i], 0.0))
        ratio = abs(self.coefficients[i]) / max(error, 1e-300)
        return float(2 * student.sf(ratio, self.freedom)) if self.freedom > 0 else np.nan


def design_of(u: np.ndarray, at: Sequence[float]) -> np.ndarray:
    """Columns of one line (intercept, slope) or of two lines that need not meet (slopes below and above, a step)."""
    if not len(at):
        return np.column_stack([np.ones_like(u), u])
    above = (u > at[0]).astype(float)
    return np.column_stack([np.ones_like(u), (u - at[0]) * (1 - above), (u - at[0]) * above, above])


def weighted(design: np.ndarray, data: Data) -> Fitted:
    weights = np.sqrt(data.count) if data.error is None else 1 / data.error
    a, b = design * weights[:, None], data.y * weights
    inverse = np.linalg.pinv(a.T @ a)
    coefficients = inverse @ a.T @ b
    squares = float(np.sum((b - a @ coefficients) ** 2))
    if squares < (EXACT * float(np.max(np.abs(b)))) ** 2 * len(b):
        squares = 0.0
    if data.error is None:
        spare = len(data.y) - np.linalg.matrix_rank(a)
        variance = squares / spare if spare > 0 else np.nan
        return Fitted(coefficients, variance * inverse, float(spare), float(np.sqrt(variance)), squares)
    # repeats give the errors, and a line's slope is the mean slope of whatever curve there is: no misfit to allow for
    freedom = float(np.sum(data.count) - len(data.y))
    scatter = float(np.sqrt(np.mean(data.error**2 * data.count)))
    return Fitted(coefficients, inverse, freedom, scatter, squares)


def two_lines(data: Data) -> Fitted | None:
    """The interrupted line, its break where the Robin Hood rule puts it; None where neither side can have a slope."""
    u = data.u
    smooth = _smooth(data)
    peak = np.argmax(np.abs(smooth - np.interp(u, u[[0, -1]], smooth[[0, -1]])))
    gap = np.median(np.abs(np.diff(data.y))) if data.error is None else np.median(data.error)
    top = smooth[peak]
    near = np.flatnonzero(np.abs(smooth - top) <= gap)
    near = near[(near > 0) & (near < len(u) - 1)]
    if not near.size:
        near = np.array([min(max(int(peak), 1), len(u) - 2)])
    at = float(np.median(u[near]))
    first = _interrupted(data, at)
    if first is None:
        return None
    z = [abs(first.coefficients[i]) / max(np.sqrt(first.covariance[i, i]), 1e-300) for i in (1, 2)]
    if not np.isfinite(z).all() or sum(z) == 0:
        return first
    # the weaker side is given more of the flat stretch around the turn
    moved = float(np.quantile(u[near], z[1] / (z[0] + z[1])))
    return _interrupted(data, moved) or first


def _interrupted(data: Data, at: float) -> Fitted | None:
    """Two lines with a break at `at`, the point on it counted to both sides in turn; the steeper pair is taken."""
    found = []
    for shift in (-1e-9, 1e-9):
        below = data.u <= at + shift
        if below.sum() < 2 or (~below).sum() < 2:
            continue
        made = weighted(design_of(data.u, (at + shift,)), data)
        if made.freedom > 0:
            found.append(Fitted(made.coefficients, made.covariance, made.freedom, made.scatter, made.squares, at))
    return min(found, key=lambda f: f.squares) if found else None


def _smooth(data: Data) -> np.ndarray:
    """The metric as a cubic in log scale, a straight enough guide to where it may turn."""
    degree = min(3, len(data.u) - 1)
    weights = np.sqrt(data.count) if data.error is None else 1 / data.error
    u = (data.u - data.u.mean()) / max(np.ptp(data.u), 1e-12)
    return np.polyval(np.polyfit(u, data.y, degree, w=weights), u)


def quadratic_rule(data: Data, level: float) -> str:
    """The usual rule: a significant square term, and the vertex inside the data."""
    u = data.u - data.u.mean()
    made = weighted(np.column_stack([np.ones_like(u), u, u * u]), data)
    if not made.freedom > 0 or not made.p(2) < 1 - level:
        return "no U"
    vertex = -made.coefficients[1] / (2 * made.coefficients[2])
    if not u.min() < vertex < u.max():
        return "no U"
    return "U" if made.coefficients[2] > 0 else "inverted U"


def jump_of(data: Data) -> tuple[float, float, float] | None:
    """The step between neighbours that makes most of the change: from, to and its share; None where none does."""
    steps = np.diff(data.y)
    whole = abs(data.y[-1] - data.y[0])
    if whole == 0:
        return None
    i = int(np.argmax(np.abs(steps)))
    share = abs(steps[i]) / whole
    if share < JUMP or np.sign(steps[i]) != np.sign(data.y[-1] - data.y[0]):
        return None
    return float(10 ** data.u[i]), float(10 ** data.u[i + 1]), float(share)


def is_sudden(data: Data, jump: tuple[float, float, float] | None, line: Fitted, level: float) -> bool:
    """Whether two levels with a step explain the data far better than any smooth curve, and the step is no noise.

    Next to an end of the scales a step and a steep power law that has saturated look alike: at least two scales must
    lie on either side.
    """
    if jump is None:
        return False
    above = (data.u > 0.5 * (np.log10(jump[0]) + np.log10(jump[1]))).astype(float)
    if min(above.sum(), (1 - above).sum()) < 2:
        return False
    step = weighted(np.column_stack([np.ones_like(data.u), above]), data)
    if not (step.freedom > 0 and line.freedom > 0):
        return False
    # the largest of several steps was chosen: its p is multiplied by their number
    noise = step.p(1) * (len(data.u) - 1)
    return bool(noise < 1 - level and step.squares < BETTER * min(line.squares, bent(data).squares))


def bent(data: Data) -> Fitted:
    """The best a + b exp(k u), coefficients (a, b): a power law with a floor or ceiling, or one that takes off."""
    v = (data.u - data.u[0]) / np.ptp(data.u)
    # b carries the sign of the change: exp(k u) falls where k is below zero
    curves = np.sign(RATES)[:, None] * np.exp(RATES[:, None] * (v - (RATES > 0)[:, None]))
    weights = data.count.astype(float) if data.error is None else 1 / data.error**2
    centred = curves - np.average(curves, axis=1, weights=weights)[:, None]
    told = (centred @ (weights * data.y)) ** 2 / np.maximum((centred**2) @ weights, 1e-300)
    return weighted(np.column_stack([np.ones_like(v), curves[np.argmax(told)]]), data)


def bent_p(data: Data) -> float:
    """p of the bent curve against no change at all.

    The rate counts as a free parameter: on 4 to 16 levels of pure noise p < 0.05 then in 2 to 6 % of simulations.
    """
    from scipy.stats import f as fisher

    freedom = len(data.u) - 3
    left, none = bent(data).squares, weighted(np.ones((len(data.u), 1)), data).squares
    if freedom < 1 or none <= 0:
        return np.nan
    return float(fisher.sf((none - left) / 2 / max(left / freedom, 1e-300), 2, freedom))
