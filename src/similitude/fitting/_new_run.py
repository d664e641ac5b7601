"""Where one new run would fall: the law's own uncertainty and the noise of a run, put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from similitude.fitting._noise import informative, leverages, residuals_at
from similitude.fitting._prepare import compute_of
from similitude.fitting._quantiles import t_quantile

if TYPE_CHECKING:
    from similitude.fitting._fit import Fit

__all__ = ["new_run_ends"]

MANY = 40  # runs from which the residuals' own distribution is used instead of a normal one
QUANTILES = 199
MANY_POINTS = 1_000  # points of one prediction beyond which each is not profiled, nor its residuals gone through


def new_run_ends(
    fit: Fit, flat: Mapping[str, np.ndarray], value: np.ndarray, ends: np.ndarray, level: float
) -> np.ndarray:
    """Ends (points, 2) for a new run, from the law's values (points,) and ends (points, 2); NaN where unknown.

    From 40 independent runs on, the residuals (divided by sqrt(1 - leverage)) are added to the law's uncertainty as
    they are, so that heavy tails are followed; with fewer, a normal of the residual standard deviation with Student's
    t. A new run of clustered runs draws a new offset as well.
    """
    log = fit.objective.log
    with np.errstate(all="ignore"):
        centre = np.log(value) if log else value
        edges = np.log(ends) if log else ends
    relative = _relative_noise(fit, flat)
    clusters = fit.solution.problem.clusters
    if clusters is None and len(fit.observed) >= MANY and len(value) <= MANY_POINTS:
        out = _with_residuals(fit, centre, edges, relative, level)
    else:
        spread = fit.noise if clusters is None else float(np.hypot(fit._within_noise(), fit.offset or 0.0))
        if fit.objective.asymmetry != 0.5:  # the law runs along an edge of the runs, not their middle
            shift = float(np.mean(residuals_at(fit.solution.problem, fit.solution.u)[0]))
            spread, centre, edges = float(np.sqrt(max(spread**2 - shift**2, 0.0))), centre - shift, edges - shift
        reach = fit.curvature.multiple(level) * spread * relative
        out = np.stack(
            [centre - np.hypot(centre - edges[:, 0], reach), centre + np.hypot(edges[:, 1] - centre, reach)], axis=1
        )
    return np.exp(out) if log else out


def _relative_noise(fit: Fit, flat: Mapping[str, np.ndarray]) -> np.ndarray:
    count = len(next(iter(flat.values())))
    spread, points = fit.solution.spread, compute_of(flat)
    return np.ones(count) if spread is None or points is None else spread.at(points[0])


def _with_residuals(fit: Fit, centre: np.ndarray, edges: np.ndarray, relative: np.ndarray, level: float) -> np.ndarray:
    """Quantiles of the sum of the law's error (a t on each side, matched to its ends) and a resampled residual."""
    problem = fit.solution.problem
    r, slopes = residuals_at(problem, fit.solution.u)
    # not centred: under skewed noise the middle of the runs is not where the law runs
    errors = np.sort((-r / np.sqrt(1 - leverages(slopes)))[informative(problem, fit.solution.u)])
    if errors.size > 4 * QUANTILES:
        errors = np.quantile(errors, (np.arange(4 * QUANTILES) + 0.5) / (4 * QUANTILES))
    freedom = fit.solution.freedom
    t = t_quantile(freedom, (np.arange(QUANTILES) + 0.5) / QUANTILES)
    unit = fit.curvature.multiple(level)
    below, above = (centre - edges[:, 0]) / unit, (edges[:, 1] - centre) / unit
    out = np.full((len(centre), 2), np.nan)
    for i in np.flatnonzero(np.isfinite(below) & np.isfinite(above)):
        law_errors = np.where(t < 0, below[i], above[i]) * t
        total = law_errors[:, None] + relative[i] * errors[None, :]
        out[i] = centre[i] + np.quantile(total, [(1 - level) / 2, (1 + level) / 2])
    return out
