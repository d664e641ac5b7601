"""Models of the noise: random offsets of clusters of runs, and a spread that changes with scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from similitude._errors import QuestionError
from similitude.fitting._problem import Clusters, Problem
from similitude.fitting._solver import minimise

__all__ = ["Spread", "clustered", "estimate_offsets", "estimate_spread", "informative", "residuals_at"]

ROUNDS = 5
TAUS = np.concatenate([[0.0], np.geomspace(1e-3, 1e4, 60)])


@dataclass(frozen=True)
class Spread:
    """Noise proportional to (scale / centre)^slope: the slope, the centre and the name of the scale."""

    slope: float
    centre: float
    name: str

    def at(self, scale: np.ndarray | float) -> np.ndarray:
        """Standard deviation relative to that at the centre."""
        return np.exp(self.slope * np.log(np.asarray(scale, float) / self.centre))


def residuals_at(problem: Problem, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals (runs,) and Jacobian (free, runs) of the runs at one row, priors left out."""
    r, slopes = problem.residuals(np.atleast_2d(u))
    return r[0, : problem.runs], slopes[0, :, : problem.runs]


def informative(problem: Problem, u: np.ndarray) -> np.ndarray:
    """Which runs say how far they lie from the law (runs,): all but the censored ones that it does not contradict."""
    if problem.censored is None:
        return np.ones(problem.runs, bool)
    law = problem.predict(np.atleast_2d(u))[0]
    with np.errstate(invalid="ignore"):
        return ~(problem.censored & (law >= problem.y))


def leverages(slopes: np.ndarray) -> np.ndarray:
    """Diagonal of the hat matrix of a Jacobian (free, runs)."""
    size = np.sqrt(np.sum(slopes**2, axis=1, keepdims=True))
    basis, _ = np.linalg.qr((slopes / np.where(size > 0, size, 1.0)).T)
    return np.minimum(np.sum(basis**2, axis=1), 1 - 1e-6)


def clustered(problem: Problem, labels: np.ndarray) -> tuple[Problem, np.ndarray]:
    """The problem with its runs sorted by cluster, and the order that sorts them."""
    _, codes = np.unique(labels, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return replace(problem.subset(order), clusters=Clusters(starts, sizes)), order


def estimate_offsets(problem: Problem, u: np.ndarray) -> tuple[Problem, np.ndarray]:
    """Estimate the offsets' variance by restricted maximum likelihood on the linearised problem, refit, repeat.

    Returns the problem with that variance and the refitted row. Raises QuestionError with too few clusters.
    """
    clusters = problem.clusters
    assert clusters is not None
    if len(clusters.sizes) <= problem.free - 1:
        raise QuestionError(
            f"checkpoints of only {len(clusters.sizes)} runs cannot carry {problem.free} parameters: their errors are "
            "shared within a run; add runs, or fix parameters"
        )
    for _ in range(3):
        plain = replace(problem, clusters=replace(clusters, tau=0.0))
        r, slopes = residuals_at(plain, u)
        criterion = [_restricted(replace(clusters, tau=t), r, slopes) for t in TAUS]
        best = float(TAUS[int(np.argmin(criterion))])
        problem = replace(problem, clusters=replace(clusters, tau=best))
        u = minimise(problem, np.atleast_2d(u)).u[0]
    return problem, u


def _restricted(clusters: Clusters, r: np.ndarray, slopes: np.ndarray) -> float:
    """Minus twice the restricted log likelihood, up to a constant."""
    size = np.sqrt(np.sum(slopes**2, axis=1, keepdims=True))
    white = clusters.whiten(slopes / np.where(size > 0, size, 1.0))
    target = clusters.whiten(r)
    basis, triangle = np.linalg.qr(white.T)
    left = target - basis @ (basis.T @ target)
    freedom = r.size - len(slopes)
    log_det = 2 * np.sum(np.log(np.abs(np.diag(triangle)) + 1e-300))
    return float(freedom * np.log(left @ left / freedom) + clusters.log_determinant + log_det)


def estimate_spread(
    problem: Problem, u: np.ndarray, scale: np.ndarray, name: str
) -> tuple[Problem, np.ndarray, Spread]:
    """Estimate how the noise changes with scale: log r^2 / (1 - leverage) regressed on log scale, refit, repeat."""
    base = problem.root_weights
    x = np.log(scale)
    x = x - x.mean()
    if np.ptp(x) < 0.1:
        raise QuestionError(f"noise='scale' needs runs of different {name}: these are all near {scale[0]:.3g}")
    told = informative(problem, u)
    spread = Spread(0.0, float(np.exp(np.mean(np.log(scale)))), name)
    for _ in range(ROUNDS):
        weighted, slopes = residuals_at(problem, u)
        h = leverages(slopes)
        plain = weighted if problem.root_weights is None else weighted / problem.root_weights
        squares = np.log(np.maximum(plain**2, 1e-300) / (1 - h))[told]
        squares = np.maximum(squares, np.median(squares) - 12)  # a residual that happens to be zero is not a trend
        places = x[told] - x[told].mean()
        slope = float(places @ squares / (places @ places) / 2)
        spread = replace(spread, slope=slope)
        weights = 1 / spread.at(scale)
        problem = replace(problem, root_weights=weights if base is None else base * weights)
        u = minimise(problem, np.atleast_2d(u)).u[0]
    return problem, u, spread
