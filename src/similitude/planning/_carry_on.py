"""A running loss curve carried on to its end: a mixture over shapes, each with a wander of its own.

On logarithms of loss and progress a curve is the shape of one member of a family, at a level of its own, plus a slow
wander of its slope (an integrated Ornstein-Uhlenbeck process), plus the scatter of a single reading. Shapes are
weighed on a grid, the level is integrated exactly, nothing is optimised. Unlike the estimator behind `fit("auto")`,
whose wander is measured in scatters, the wander here is a share of the loss: a smooth curve is no promise that its
slope will not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

__all__ = [
    "KNOWN",
    "LEARNT",
    "UNKNOWN",
    "CarriedOn",
    "Habits",
    "Shapes",
    "allowed_for",
    "carry_on",
    "decay_shapes",
    "learnt_shapes",
]

FAINT = 1e-4  # weight, relative to the largest, below which a member no longer counts
_WANDERS = np.linspace(-1.6, 1.6, 5)
_FLOORS = np.linspace(-2.0, 2.0, 7)
_STARTS = np.linspace(-1.5, 1.5, 4)
_DECAYS = np.linspace(-1.2, 1.2, 3)
_GAINS = np.linspace(-1.6, 1.6, 5)
_BENDS = np.linspace(-1.2, 1.2, 3)
_STRETCHES = np.linspace(-1.8, 1.8, 7)


@dataclass(frozen=True)
class Habits:
    """What running curves are known to do before one is seen; spreads are standard deviations of logarithms.

    `decay`: exponent of what is above the floor; `floor`: log odds of the share of the last level that is floor;
    `start`: log of where learning begins, over the first progress used; `gain`: by what share the loss falls as the
    rate goes from its peak to zero, beyond what the smaller steps lose; `bend`: the power of the share gone that the
    gain follows (above 1: the last of the decay brings most); `wander`: how much the slope of log loss wanders for
    each e-fold of progress; `turn`: how many e-folds of wander the decay counts for; `memory`: the rate at which a
    wander is forgotten, per e-fold; `stretch`: by what factor the fall to come differs from that of a run learnt from;
    `trust`: the share of the evidence that shapes are weighed with, as none of them is the truth; `unseen`: what a
    schedule that is not known may do to the loss between the start and the end, growing with the square root of time.
    """

    decay: float = 0.5
    decay_spread: float = 0.3
    floor: float = 2.5
    floor_spread: float = 1.5
    start: float = -1.0
    start_spread: float = 1.0
    gain: float = 0.048
    gain_spread: float = 0.3
    bend: float = 1.7
    bend_spread: float = 0.25
    wander: float = 0.005
    wander_spread: float = 0.7
    turn: float = 0.4
    memory: float = 0.6
    stretch_spread: float = 0.2
    trust: float = 0.25
    unseen: float = 0.0


# chosen on published curves; the study of in-run forecasts chooses again without each family
KNOWN = Habits()
UNKNOWN = Habits(floor=1.2, start=-1.5, gain=0.0, wander=0.02, wander_spread=0.5, turn=0.0, memory=1.0, unseen=0.012)
LEARNT = Habits(wander=0.006, stretch_spread=0.25)


@dataclass(frozen=True, eq=False)
class Shapes:
    """Log loss of each member at the points seen (points, shapes) and at those ahead, up to a level of its own."""

    seen: np.ndarray
    ahead: np.ndarray
    log_prior: np.ndarray


@dataclass(frozen=True, eq=False)
class CarriedOn:
    """The mixture ahead: `means`, `variances` (points, members) of the log loss without scatter, `weights` (members,),
    and the variance of one reading about it."""

    means: np.ndarray
    variances: np.ndarray
    weights: np.ndarray
    scatter2: float

    def mean(self) -> np.ndarray:
        """Expected log loss (points,)."""
        return self.means @ self.weights

    def quantiles(self, chances: Sequence[float], *, reading: bool = False) -> np.ndarray:
        """Quantiles (points, chances) of the log of the loss itself, or of one reading of it."""
        spread = np.sqrt(self.variances + (self.scatter2 if reading else 0.0) + 1e-300)
        return np.stack([_mixture_quantile(self.means, spread, self.weights, p) for p in chances], axis=1)

    def density(self, at: np.ndarray, extra: float = 0.0) -> np.ndarray:
        """Probability density of log losses `at` (points,), with `extra` variance (points,) or scalar."""
        variance = self.variances + extra + 1e-300
        each = np.exp(-0.5 * (at[:, None] - self.means) ** 2 / variance) / np.sqrt(2 * np.pi * variance)
        return each @ self.weights


def decay_shapes(
    seen: np.ndarray, ahead: np.ndarray, fallen: tuple[np.ndarray, np.ndarray] | None, habits: Habits
) -> Shapes:
    """Power laws over a floor in progress, less a gain for the share of the peak rate that is gone.

    `seen`, `ahead`: log of progress over the present one; `fallen`: that share at each, None where it is not known.
    """
    u, g, c = (a.ravel() for a in np.meshgrid(_FLOORS, _STARTS, _DECAYS, indexing="ij"))
    share = 1 / (1 + np.exp(-(habits.floor + habits.floor_spread * u)))
    start = np.exp(seen[0] + habits.start + habits.start_spread * g)
    decay = habits.decay * np.exp(habits.decay_spread * c)
    prior = -0.5 * (u**2 + g**2 + c**2)
    parts = [
        np.log(share + (1 - share) * ((np.exp(h)[:, None] + start) / (1 + start)) ** -decay) for h in (seen, ahead)
    ]
    if fallen is None or habits.gain == 0:
        return Shapes(parts[0], parts[1], prior)
    z, w = (a.ravel() for a in np.meshgrid(_GAINS, _BENDS, indexing="ij"))
    gain, bend = habits.gain * np.exp(habits.gain_spread * z), habits.bend * np.exp(habits.bend_spread * w)
    both = [
        (p[:, :, None] - (f[:, None] ** bend * gain)[:, None, :]).reshape(len(p), -1)
        for p, f in zip(parts, fallen, strict=True)
    ]
    return Shapes(both[0], both[1], (prior[:, None] - 0.5 * (z**2 + w**2)).ravel())


def learnt_shapes(seen: np.ndarray, ahead: np.ndarray, habits: Habits) -> Shapes:
    """Curves known to the end (points, curves), each also stretched by factors about 1."""
    factor = np.exp(habits.stretch_spread * _STRETCHES)
    both = [(a[:, :, None] * factor).reshape(len(a), -1) for a in (seen, ahead)]
    return Shapes(both[0], both[1], np.tile(-0.5 * _STRETCHES**2, seen.shape[1]))


def carry_on(
    seen: np.ndarray,
    log_loss: np.ndarray,
    variance: np.ndarray,
    ahead: np.ndarray,
    shapes: Shapes,
    habits: Habits,
    *,
    scatter2: float,
) -> CarriedOn:
    """The mixture at `ahead` (later,) for mean log losses (points,) at `seen`, ascending, with their variances.

    Both are places along which the slope wanders: log progress, to which a decay of the rate adds `turn` times the
    share gone. `scatter2`: variance of a single reading.
    """
    since, later, k = seen - seen[0], ahead - seen[0], habits.memory
    own, cross = _wandered(since, since, k), _wandered(since, later, k)
    after = _variance(later, k)
    logs, means, variances = [], [], []
    for z in _WANDERS:
        rate2 = (habits.wander * np.exp(habits.wander_spread * z)) ** 2
        root = np.linalg.cholesky(np.diag(variance) + rate2 * own)
        stacked = np.column_stack([np.ones(len(seen)), log_loss[:, None] - shapes.seen, rate2 * cross])
        white = np.linalg.solve(root, stacked)
        ones, left, reach = white[:, 0], white[:, 1 : 1 + shapes.seen.shape[1]], white[:, 1 + shapes.seen.shape[1] :]
        weight = ones @ ones
        level = ones @ left / weight
        left = left - ones[:, None] * level
        gap = 1 - reach.T @ ones
        evidence = -np.sum(np.log(np.diag(root))) - 0.5 * np.log(weight) - 0.5 * np.sum(left**2, axis=0)
        logs.append(shapes.log_prior - 0.5 * z**2 + habits.trust * evidence)
        means.append(shapes.ahead + level + reach.T @ left)
        spread = rate2 * after - np.sum(reach**2, axis=0) + gap**2 / weight
        variances.append(np.broadcast_to(np.maximum(spread, 0.0)[:, None], shapes.ahead.shape))
    weights = np.exp(np.concatenate(logs) - np.max(np.concatenate(logs)))
    kept = weights > FAINT
    return CarriedOn(
        np.concatenate(means, axis=1)[:, kept],
        np.concatenate(variances, axis=1)[:, kept],
        weights[kept] / weights[kept].sum(),
        scatter2,
    )


def allowed_for(found: CarriedOn, variance: np.ndarray) -> CarriedOn:
    """The mixture with more variance at each place ahead (points,)."""
    return replace(found, variances=found.variances + variance[:, None])


def _wandered(a: np.ndarray, b: np.ndarray, k: float) -> np.ndarray:
    """Covariance (a, b) of the integral from 0 of a slope that forgets at rate k, stationary with variance 1."""
    a, b = a[:, None], b[None, :]
    least = np.minimum(a, b)
    return (2 * k * least + np.expm1(-k * a) + np.exp(-k * b) - np.exp(-k * np.abs(a - b))) / k**2


def _variance(a: np.ndarray, k: float) -> np.ndarray:
    return 2 * (k * a + np.expm1(-k * a)) / k**2


def _mixture_quantile(means: np.ndarray, spread: np.ndarray, weights: np.ndarray, chance: float) -> np.ndarray:
    """(points,) where the mixture's distribution function is `chance`, by bisection."""
    from scipy.special import ndtr

    low, high = (means - 9 * spread).min(axis=1), (means + 9 * spread).max(axis=1)
    for _ in range(40):
        middle = 0.5 * (low + high)
        below = ndtr((middle[:, None] - means) / spread) @ weights < chance
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)
