"""One learning curve, extrapolated by averaging over a family of shapes with a prior learnt from published curves.

On logarithms of size and score, a curve is a member of a family of shapes (a power law over a floor, with a late
beginning: the third form of Alabdulmohsin et al. 2022 with its floor made explicit), plus a slow wander of its slope,
plus the scatter of a single score. Shapes are averaged on a grid, level and scatter are integrated exactly, so nothing
is optimised: the answer is a mixture of Student t distributions, and it comes in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from similitude.fitting._quantiles import t_quantile

__all__ = ["CURVES", "Posterior", "Prior", "posterior"]

MOST = 200  # points beyond which neighbours are grouped: their mean and spread say the same
FAINT = 1e-5  # weight, relative to the largest, below which a shape no longer counts


@dataclass(frozen=True)
class Prior:
    """What is known of learning curves before one is seen; spreads are standard deviations.

    `decay`: the exponent of what is above the floor (of its logarithm: `decay_spread`); `floor`: log odds of the share
    of the last level that is floor; `start`: log of the size at which learning begins over the smallest size;
    `wander`: how fast the slope wanders, in scatters for each e-fold of size; `memory`: the rate at which a wander is
    forgotten, per e-fold. `caution` is the scatter that shapes are weighed with beside the one seen, so that a curve
    that looks smoother than it is does not choose its shape alone; `scatter` is the one expected of a score, and `new`
    by how much a later score scatters more than the fitted ones seem to.
    """

    decay: float = 0.7
    decay_spread: float = 0.1
    floor: float = 1.2
    floor_spread: float = 1.5
    start: float = 0.0
    start_spread: float = 1.0
    wander: float = 5.0
    wander_spread: float = 0.7
    memory: float = 1.0
    caution: float = 0.04
    scatter: float = 0.005
    new: float = 1.5


CURVES = Prior()  # learnt from 46 curves of four domains; the study of alabdulmohsin2022 repeats the choice, held out

_FLOORS = np.linspace(-2.6, 2.6, 13)
_STARTS = np.linspace(-1.8, 1.8, 5)
_DECAYS = np.linspace(-1.2, 1.2, 3)
_WANDERS = np.linspace(-1.5, 1.5, 5)
_CHANCES = 1 / (1 + np.exp(-np.linspace(-14.0, 14.0, 1401)))  # where the distribution function is tabulated


@dataclass(frozen=True, eq=False)
class Posterior:
    """What a curve says of scores at other sizes.

    `weights` (shapes,) of all members of the mixture, `shares` (shapes,) their floors,
    `scatter2` (shapes,) the variance of a score, `freedom` of each Student t. Sizes are `log x - log of the last x`.
    """

    prior: Prior
    last: float
    first: float
    weights: np.ndarray
    shares: np.ndarray
    scatter2: np.ndarray
    freedom: float
    parts: tuple[_Part, ...]
    shapes: _Shapes

    def mean(self, log_x: np.ndarray) -> np.ndarray:
        """Expected log score at sizes (points,)."""
        return self._moments(log_x)[0] @ self.weights

    def quantiles(self, log_x: np.ndarray, chances: Sequence[float], *, new: bool = True) -> np.ndarray:
        """Quantiles (points, chances) of the log of one new score, or of the curve itself with `new=False`."""
        means, variances = self._moments(log_x)
        kept = self.weights > FAINT * self.weights.max()
        weights = self.weights[kept] / self.weights[kept].sum()
        noise = self.prior.new**2 if new else 0.0
        means, spread = means[:, kept], np.sqrt(self.scatter2[kept] * (variances[:, kept] + noise) + 1e-300)
        nodes = t_quantile(self.freedom, _CHANCES)
        return np.stack([_mixture_quantile(means, spread, weights, nodes, p) for p in chances], axis=1)

    def _moments(self, log_x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means (points, shapes) of the log score, and variances of the curve in units of the scatter."""
        h = np.asarray(log_x, float) - self.last
        value = self.shapes.at(h)
        since = h - self.first
        means, variances = [], []
        for part in self.parts:
            mean, variance = part.at(since, self.prior.memory)
            means.append(value + mean)
            variances.append(np.repeat(variance[:, None], value.shape[1], axis=1))
        return np.concatenate(means, axis=1), np.concatenate(variances, axis=1)


@dataclass(frozen=True, eq=False)
class _Shapes:
    """The grid of shapes (shapes,), each zero at the last point, with its logarithmic prior weight."""

    share: np.ndarray
    decay: np.ndarray
    start: np.ndarray
    log_prior: np.ndarray

    @classmethod
    def of(cls, prior: Prior, first: float) -> _Shapes:
        u, g, c = (a.ravel() for a in np.meshgrid(_FLOORS, _STARTS, _DECAYS, indexing="ij"))
        share = 1 / (1 + np.exp(-(prior.floor + prior.floor_spread * u)))
        start = np.exp(first + prior.start + prior.start_spread * g)
        return cls(share, prior.decay * np.exp(prior.decay_spread * c), start, -0.5 * (u**2 + g**2 + c**2))

    def at(self, h: np.ndarray) -> np.ndarray:
        """(points, shapes)."""
        ratio = (np.exp(h)[:, None] + self.start) / (1 + self.start)
        return np.log(self.share + (1 - self.share) * ratio**-self.decay)


@dataclass(frozen=True, eq=False)
class _Part:
    """One rate of wander: what is needed to carry on from the points seen."""

    rate2: float
    since: np.ndarray  # of the points seen
    root: np.ndarray  # Cholesky factor of their covariance
    ones: np.ndarray  # whitened
    left: np.ndarray  # whitened residuals (points, shapes)
    level: np.ndarray  # (shapes,)

    def at(self, since: np.ndarray, memory: float) -> tuple[np.ndarray, np.ndarray]:
        cross = np.linalg.solve(self.root, self.rate2 * _wandered(self.since, since, memory))
        gap = 1 - cross.T @ self.ones
        own = self.rate2 * _variance(since, memory)
        variance = own - np.sum(cross**2, axis=0) + gap**2 / (self.ones @ self.ones)
        return self.level + cross.T @ self.left, np.maximum(variance, 0.0)


def posterior(log_x: np.ndarray, log_y: np.ndarray, prior: Prior = CURVES) -> Posterior:
    """The mixture for a curve: sizes ascending (points,), scores (points,), both as logarithms."""
    x, y, count, within = _grouped(log_x, log_y)
    total, last = float(count.sum()), float(x[-1])
    first = float(x[0]) - last
    shapes = _Shapes.of(prior, first)
    since = x - x[0]
    covariance, value = _wandered(since, since, prior.memory), shapes.at(x - last)
    log_weight, scatter2, parts = [], [], []
    for z in _WANDERS:
        rate2 = (prior.wander * np.exp(prior.wander_spread * z)) ** 2
        root = np.linalg.cholesky(np.diag(1 / count) + rate2 * covariance)
        whitened = np.linalg.solve(root, np.column_stack([np.ones(len(x)), y[:, None] - value]))
        ones, left = whitened[:, 0], whitened[:, 1:]
        level = ones @ left / (ones @ ones)
        left = left - ones[:, None] * level
        squares = np.sum(left**2, axis=0) + within
        constant = -np.sum(np.log(np.diag(root))) - 0.5 * np.log(ones @ ones) - 0.5 * z**2
        log_weight.append(shapes.log_prior + constant - 0.5 * total * np.log(prior.caution**2 + squares))
        scatter2.append((prior.scatter**2 + squares) / total)
        parts.append(_Part(rate2, since, root, ones, left, level))
    logs = np.concatenate(log_weight)
    weights = np.exp(logs - logs.max())
    size = len(parts)
    return Posterior(
        prior,
        last,
        first,
        weights / weights.sum(),
        np.tile(shapes.share, size),
        np.concatenate(scatter2),
        total,
        tuple(parts),
        shapes,
    )


def _grouped(log_x: np.ndarray, log_y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Sizes, mean scores and counts of at most `MOST` groups of neighbours, and the squares within the groups."""
    x, y = np.asarray(log_x, float), np.asarray(log_y, float)
    if len(x) <= MOST:
        return x, y, np.ones(len(x)), 0.0
    edges = np.linspace(x[0], x[-1], MOST + 1)[1:-1]
    _, group = np.unique(np.searchsorted(edges, x, side="right"), return_inverse=True)
    count = np.bincount(group).astype(float)
    mean = np.bincount(group, y) / count
    return np.bincount(group, x) / count, mean, count, float(np.sum((y - mean[group]) ** 2))


def _wandered(a: np.ndarray, b: np.ndarray, k: float) -> np.ndarray:
    """Covariance (a, b) of the integral from 0 of a slope that forgets at rate k, stationary with variance 1 / 2k."""
    a, b = a[:, None], b[None, :]
    least = np.minimum(a, b)
    return (2 * k * least + np.expm1(-k * a) + np.exp(-k * b) - np.exp(-k * np.abs(a - b))) / (2 * k**3)


def _variance(a: np.ndarray, k: float) -> np.ndarray:
    return (k * a + np.expm1(-k * a)) / k**3


def _mixture_quantile(
    means: np.ndarray, spread: np.ndarray, weights: np.ndarray, nodes: np.ndarray, chance: float
) -> np.ndarray:
    """(points,) where the mixture's distribution function is `chance`, by bisection; `nodes` are t quantiles."""
    each = means + spread * np.interp(chance, _CHANCES, nodes)
    low, high = each.min(axis=1), each.max(axis=1)
    for _ in range(50):
        middle = 0.5 * (low + high)
        below = np.interp((middle[:, None] - means) / spread, nodes, _CHANCES) @ weights < chance
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)
