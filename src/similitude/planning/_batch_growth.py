"""How the critical batch grows as the loss falls: Kaplan's law over several goals of the same runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from similitude._errors import ArgumentError
from similitude._view import Interval
from similitude.planning._batch_curve import BatchCurve, sensitivities

__all__ = ["BatchGrowth", "batch_growth"]

LEAST = 3  # goals


@dataclass(frozen=True)
class BatchGrowth:
    """B_crit = B_star / L^(1 / alpha_B) (Kaplan et al. 2020, eq. 5.3) of a workload, over the losses it was fitted to.

    A line through log B_crit against log loss, goals weighted by how well their batches tell it. The goals are read off
    the same runs, so errors are shared: the covariance of the critical batches is built from how residuals at the same
    batch go together across goals, with Student's t of the batches less the law's parameters. Ends are None where
    growth is not told.
    """

    name: str
    B_star: Interval
    alpha_B: Interval
    losses: tuple[float, ...]
    critical: tuple[float, ...]
    level: float
    line: tuple[float, float] = field(repr=False)
    covariance: tuple[tuple[float, float], tuple[float, float]] = field(repr=False)
    t: float = field(repr=False)

    def at(self, loss: float) -> Interval:
        """The critical batch at a loss, with its interval.

        Raises ArgumentError for a loss that is not positive.
        """
        if not loss > 0:
            raise ArgumentError(f"loss = {loss:g}: expected a positive number")
        x = np.array([1.0, np.log(loss)])
        centre, half = float(x @ self.line), self.t * float(np.sqrt(x @ np.array(self.covariance) @ x))
        return _exp(centre, half)


def batch_growth(curves: Sequence[BatchCurve], level: float) -> BatchGrowth | None:
    """The growth of one workload's critical batch; None for fewer than three goals, or goals that are no losses."""
    known = [c for c in curves if c.goal is not None and c.goal > 0 and c.fit is not None]
    if len(known) < LEAST or not _harder_downwards(known):
        return None
    from scipy.stats import t as student

    weights, residuals = _influence(known)
    shared = _covariance(weights, residuals, max(len(c.fit.free) for c in known if c.fit is not None))
    losses = [c.goal for c in known if c.goal is not None]
    x = np.column_stack([np.ones(len(known)), np.log(losses)])
    y = np.log([c.critical.value for c in known])
    w = 1 / (weights**2).sum(axis=1)  # by design alone: residual variances from a few batches would be chance
    solve = np.linalg.solve((x.T * w) @ x, x.T * w)
    line, covariance = solve @ y, solve @ shared @ solve.T
    freedom = min(len(c.batches) - len(c.fit.free) for c in known if c.fit is not None)
    t = float(student.ppf(0.5 + level / 2, max(freedom, 1)))
    half = t * np.sqrt(np.diag(covariance))
    return BatchGrowth(
        name=known[0].name,
        B_star=_exp(float(line[0]), float(half[0])),
        alpha_B=_inverted(-float(line[1]), float(half[1])),
        losses=tuple(losses),
        critical=tuple(c.critical.value for c in known),
        level=level,
        line=(float(line[0]), float(line[1])),
        covariance=tuple(tuple(map(float, row)) for row in covariance),  # pyright: ignore[reportArgumentType]
        t=t,
    )


def _harder_downwards(curves: Sequence[BatchCurve]) -> bool:
    """Whether lower goals take more steps, as losses do; a score's goals rise, and Kaplan's law is not of them."""
    goals, steps = np.log([c.goal or 1.0 for c in curves]), np.log([c.steps_min.value for c in curves])
    return float(np.polyfit(goals, steps, 1)[0]) < 0


def _exp(centre: float, half: float) -> Interval:
    low, high = (float(np.exp(centre + sign * half)) for sign in (-1, 1))
    return Interval(float(np.exp(centre)), low, high)


def _inverted(slope: float, half: float) -> Interval:
    """alpha_B = 1 / slope; an end is open where the slope's interval reaches zero."""
    low, high = slope - half, slope + half
    value = 1 / slope if slope > 0 else float("inf")
    return Interval(value, 1 / high if high > 0 else None, 1 / low if low > 0 else None)


def _influence(curves: Sequence[BatchCurve]) -> tuple[np.ndarray, np.ndarray]:
    """(goals, batches): what the log critical batch moves by a unit of each batch's residual, and the residuals."""
    batches = np.unique(np.concatenate([c.batches for c in curves]))
    weights, residuals = np.zeros((2, len(curves), len(batches)))
    for i, c in enumerate(curves):
        assert c.fit is not None
        b = c.fit.observed.inputs["B"]
        told = np.ones(len(b), bool) if c.fit.observed.censored is None else ~c.fit.observed.censored
        b, names = b[told], list(c.fit.free)
        row = np.linalg.pinv(sensitivities(c.fit, b))[names.index("B_crit")]
        at = np.searchsorted(batches, b)
        repeats = np.bincount(at, minlength=len(batches))
        np.add.at(weights[i], at, row)
        # repeats at a batch stand for one residual, their mean
        np.add.at(residuals[i], at, -c.fit.residuals()[told] / repeats[at])
    return weights, residuals


def _covariance(weights: np.ndarray, residuals: np.ndarray, parameters: int) -> np.ndarray:
    """Of log critical batches (goals, goals): residuals of two goals go together at the batches both have."""
    seen = (weights != 0).astype(float)
    common = seen @ seen.T
    moments = (residuals @ residuals.T) / np.maximum(common - parameters, 1)
    return (weights @ weights.T) * moments
