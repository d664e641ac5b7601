"""The law of optima: ln of the best setting linear in ln inputs, over groups that scatter beyond their errors.

A random-effects regression: optimum of group g = X_g b + N(0, tau^2) + N(0, v_g), with v_g from its bowl. An optimum at
the end of its sweep enters as an inequality. Draws come from the posterior under flat priors on b and a half-Cauchy
prior on tau; inequalities reweigh the draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from similitude._view import Interval

__all__ = ["OptimumLaw", "fit_optimum_law", "interval"]

SCATTER = 0.3  # scale of tau's prior, in ln: a third either way is what optima of careful sweeps scatter by
DRAWS = 4000
SPARE = 10  # times as many draws before inequalities reweigh them
LEAST = 200  # effective draws below which the inequalities contradict the rest
GRID = np.r_[0.0, np.geomspace(1e-3, 10.0, 160)]


@dataclass(frozen=True)
class OptimumLaw:
    """ln optimum = b_0 + b . (ln x - centre): draws of b (draws, 1 + inputs) and of the scatter tau (draws,).

    `effective` is how many independent draws those are worth after reweighing by inequalities.
    """

    inputs: tuple[str, ...]
    centre: np.ndarray
    draws: np.ndarray
    tau: np.ndarray
    effective: float
    residuals: np.ndarray

    @property
    def coef(self) -> np.ndarray:
        """The middle draw of each coefficient."""
        return np.median(self.draws, axis=0)

    def mean(self, log_inputs: np.ndarray) -> np.ndarray:
        """Draws of the law's own value at ln inputs (inputs,) or (points, inputs): (draws,) or (draws, points)."""
        away = np.atleast_2d(log_inputs) - self.centre
        values = self.draws[:, :1] + self.draws[:, 1:] @ away.T
        return values[:, 0] if np.ndim(log_inputs) == 1 else values


def fit_optimum_law(
    inputs: tuple[str, ...],
    log_inputs: np.ndarray,
    best: np.ndarray,
    variance: np.ndarray,
    side: np.ndarray,
    *,
    normals: np.ndarray,
    rng: np.random.Generator,
) -> OptimumLaw:
    """The law of optima from groups: log inputs (groups, inputs), ln optimum, variance and side (groups,).

    `normals` (SPARE x DRAWS, 1 + inputs) are the deviates of b, handed in so that two laws can share their luck.
    """
    known = side == 0
    centre = log_inputs[known].mean(axis=0)
    x = np.c_[np.ones(len(best)), log_inputs - centre]
    tau, draws = _posterior(x[known], best[known], variance[known], normals, rng)
    weight = _agreement(x[~known], best[~known], variance[~known], side[~known], draws, tau)
    chosen = np.arange(DRAWS)
    effective = float(DRAWS)
    if not known.all():
        effective = float(weight.sum() ** 2 / np.sum(weight**2)) if weight.sum() > 0 else 0.0
        if effective >= 1:
            # systematic resampling keeps the order of the draws and so what two laws share
            at = (np.arange(DRAWS) + rng.random()) / DRAWS
            chosen = np.searchsorted(np.cumsum(weight) / weight.sum(), at)
    law = OptimumLaw(inputs, centre, draws[chosen], tau[chosen], effective, np.zeros(len(best)))
    return OptimumLaw(inputs, centre, law.draws, law.tau, effective, best - x @ law.coef)


def _posterior(
    x: np.ndarray, y: np.ndarray, v: np.ndarray, normals: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draws of tau from its marginal posterior on a grid, and of b given tau."""
    w = 1 / (v + np.maximum(GRID, 1e-6)[:, None] ** 2)  # (grid, groups)
    information = np.einsum("tg,gi,gj->tij", w, x, x)
    centre = np.linalg.solve(information, np.einsum("tg,gi,g->ti", w, x, y)[..., None])[..., 0]
    left = y - centre @ x.T
    log_density = (
        0.5 * np.log(w).sum(axis=1)
        - 0.5 * np.linalg.slogdet(information)[1]
        - 0.5 * (w * left**2).sum(axis=1)
        - np.log1p((GRID / SCATTER) ** 2)
    )
    width = np.gradient(GRID)
    chance = np.exp(log_density - log_density.max()) * width
    at = np.searchsorted(np.cumsum(chance) / chance.sum(), rng.random(len(normals)))
    root = np.linalg.cholesky(np.linalg.inv(information))
    return GRID[at], centre[at] + np.einsum("sij,sj->si", root[at], normals)


def _agreement(
    x: np.ndarray, edge: np.ndarray, v: np.ndarray, side: np.ndarray, draws: np.ndarray, tau: np.ndarray
) -> np.ndarray:
    """How likely each draw makes the optima lie beyond the ends of their sweeps."""
    from scipy.special import log_ndtr

    if not len(edge):
        return np.ones(len(draws))
    beyond = side * (draws @ x.T - edge) / np.sqrt(v + tau[:, None] ** 2 + 1e-12)
    total = log_ndtr(beyond).sum(axis=1)
    return np.exp(total - total.max())


def interval(draws: np.ndarray, level: float, unit: str = "") -> Interval:
    """Median and equal-tailed interval of draws; an end that is not finite is open."""
    low, mid, high = np.quantile(draws, [(1 - level) / 2, 0.5, (1 + level) / 2], method="nearest")
    bottom, top = (float(e) if np.isfinite(e) else None for e in (low, high))
    return Interval(float(mid), bottom, top, unit)
