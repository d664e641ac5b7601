"""Bowls: in each group of a sweep the log loss is a quadratic in the logs of the settings near their best values.

Cells far above the bottom, and crashed ones, say only that the loss there is at least the ceiling (Tobin's censoring):
their height does not bend the bowl, and choosing the low cells does not bias it. Curvatures are shared as far as the
groups agree on them (a normal distribution over groups, estimated by EM), so that four learning rates a group suffice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Bowl", "Bowls", "Cells", "best_draws", "fit_bowls", "unknowns"]

HUBER = 1.345  # 95 % efficient under normal noise
STRAY = 0.02  # the share of crashes that had another reason than the settings, so that one in the middle is no proof
CAP = 0.10  # of loss: no cell further above the best one is ever taken as a measurement of the bowl
ROUNDS = 12  # of EM; the shared curvature moves by less than a percent after about six
FEW = 3  # groups from which on curvatures are shared
PSI2 = 0.7102  # mean of Huber's psi squared under the normal distribution, at 1.345


@dataclass(frozen=True)
class Cells:
    """The cells of one group: logs of the settings (cells, axes), log loss (cells,), and which are only lower bounds.

    A bound of NaN stands for the ceiling.
    """

    z: np.ndarray
    y: np.ndarray
    censored: np.ndarray


@dataclass(frozen=True)
class Bowl:
    """One group's bowl around `centre`: `coef` = (height, slopes, curvatures), their covariance, and its lowest place.

    `best` lies within the swept box; `side` is -1 or 1 on an axis whose optimum lies at or beyond that end of the box
    and 0 elsewhere; `cov` belongs to `best` (to the other axes, where one is on its end).
    """

    centre: np.ndarray
    coef: np.ndarray
    coef_cov: np.ndarray
    best: np.ndarray
    cov: np.ndarray
    side: np.ndarray
    box: np.ndarray
    ceiling: float
    used: int
    bounds: int

    @property
    def height(self) -> float:
        """Log loss at `best`."""
        step = self.best - self.centre
        return float(self.coef[0] + self.slopes @ step + step @ self.hessian @ step / 2)

    @property
    def slopes(self) -> np.ndarray:
        """The gradient at `centre`, (axes,)."""
        return self.coef[1 : 1 + self.centre.size]

    @property
    def hessian(self) -> np.ndarray:
        """Second derivatives of log loss, (axes, axes)."""
        return hessian_of(self.coef, self.centre.size)


@dataclass(frozen=True)
class Bowls:
    """The bowls of all groups, the noise of log loss around them, and the shared curvatures with their spread.

    `shape` are the curvatures (h) or (h, k, m) of a typical group, `spread` their standard deviations over groups.
    """

    groups: tuple[Bowl, ...]
    sigma: float
    freedom: float
    shape: np.ndarray
    spread: np.ndarray

    @property
    def hessian(self) -> np.ndarray:
        """Second derivatives of log loss in a typical group."""
        axes = self.groups[0].centre.size
        return hessian_of(np.r_[np.zeros(1 + axes), self.shape], axes)


def unknowns(axes: int) -> int:
    """How many numbers a bowl has: 3 over one axis, 6 over two."""
    return 1 + axes + axes * (axes + 1) // 2


def hessian_of(coef: np.ndarray, axes: int) -> np.ndarray:
    """The curvatures within `coef` (..., unknowns) as matrices (..., axes, axes)."""
    q = coef[..., 1 + axes :]
    if axes == 1:
        return q[..., None]
    return np.stack([q[..., [0, 2]], q[..., [2, 1]]], axis=-2)


def _design(z: np.ndarray) -> np.ndarray:
    """Columns 1, z, half squares, product."""
    columns = [np.ones(len(z)), *z.T, *(z.T**2 / 2)]
    return np.stack([*columns, z[:, 0] * z[:, 1]] if z.shape[1] == 2 else columns, axis=1)


@dataclass
class _Group:
    """A group on its way: design, responses, ceiling, and the estimate so far."""

    z: np.ndarray
    centre: np.ndarray
    design: np.ndarray
    y: np.ndarray
    measured: np.ndarray
    ceiling: float
    coef: np.ndarray
    cov: np.ndarray


def fit_bowls(groups: Sequence[Cells], *, within: float = 0.01) -> Bowls | None:
    """Bowls of all groups together; None where the typical bowl does not curve upwards.

    Cells within `within` of the best loss are measurements, at least twice as many as a bowl has unknowns where none of
    these lies more than a tenth above the best; all others are bounds.
    """
    made = [_started(cells, within) for cells in groups]
    axes = made[0].z.shape[1]
    shape = _pooled_shape(made, axes)
    spread = np.abs(shape) / 2 if axes == 1 else np.r_[np.abs(shape[:2]), np.sqrt(abs(shape[0] * shape[1]))] / 2
    sigma = _first_noise(made, axes, shape)
    shares = len(made) >= FEW
    freedom = 1.0
    for _ in range(ROUNDS):
        precision = np.r_[np.zeros(1 + axes), 1 / np.maximum(spread, 1e-9) ** 2 if shares else np.zeros(shape.size)]
        prior = np.r_[np.zeros(1 + axes), shape]
        for group in made:
            _solve(group, sigma, prior, precision)
        sigma, freedom = _noise(made, sigma)
        if shares:
            q = np.array([g.coef[1 + axes :] for g in made])
            own = np.array([np.diag(g.cov)[1 + axes :] for g in made])
            shape, spread = q.mean(axis=0), np.sqrt(np.mean((q - q.mean(axis=0)) ** 2 + own, axis=0))
    if not shares:
        shape = np.mean([g.coef[1 + axes :] for g in made], axis=0)
    found = Bowls(tuple(_finished(g) for g in made), sigma, freedom, shape, spread if shares else 0 * shape)
    return found if np.linalg.eigvalsh(found.hessian).min() > 0 else None


def _started(cells: Cells, within: float) -> _Group:
    """The group with its ceiling: bounds below it stay where they are, measurements above it become bounds."""
    known = np.sort(cells.y[~cells.censored])
    enough = min(2 * unknowns(cells.z.shape[1]), known.size) - 1
    ceiling = float(np.clip(known[enough], known[0] + np.log1p(within), known[0] + np.log1p(CAP)))
    measured = ~cells.censored & (np.nan_to_num(cells.y, nan=np.inf) <= ceiling)
    y = np.where(np.isnan(cells.y), ceiling, np.minimum(cells.y, ceiling))
    centre = np.median(cells.z[measured], axis=0)
    design = _design(cells.z - centre)
    size = design.shape[1]
    coef = np.r_[known[0], np.zeros(size - 1)]
    return _Group(cells.z, centre, design, y, measured, ceiling, coef, np.eye(size))


def _pooled_shape(groups: Sequence[_Group], axes: int) -> np.ndarray:
    """One curvature for all groups by least squares, each with its own height and slopes."""
    columns, rest = [], []
    for g in groups:
        a, y = g.design[g.measured], g.y[g.measured]
        low, high = a[:, : 1 + axes], a[:, 1 + axes :]
        project = low @ np.linalg.pinv(low)
        columns.append(high - project @ high)
        rest.append(y - project @ y)
    return np.linalg.lstsq(np.concatenate(columns), np.concatenate(rest), rcond=None)[0]


def _first_noise(groups: Sequence[_Group], axes: int, shape: np.ndarray) -> float:
    """A robust scale of what the shared curvature leaves."""
    left = []
    for g in groups:
        a, y = g.design[g.measured], g.y[g.measured]
        low = a[:, : 1 + axes]
        y = y - a[:, 1 + axes :] @ shape
        g.coef = np.r_[np.linalg.lstsq(low, y, rcond=None)[0], shape]
        left.append(y - low @ g.coef[: 1 + axes])
    residuals = np.concatenate(left)
    free = max(residuals.size - len(groups) * (1 + axes) - shape.size, 1)
    return max(float(np.sqrt(residuals @ residuals / free)), 1e-7)


def _solve(group: _Group, sigma: float, prior: np.ndarray, precision: np.ndarray) -> None:
    """The group's most likely bowl given the shared curvatures, by damped Newton steps, and its covariance."""
    coef = group.coef
    value, slope, curve = _objective(group, coef, sigma, prior, precision)
    for _ in range(50):
        step = np.linalg.lstsq(curve, slope, rcond=None)[0]
        size = 1.0
        while size > 1e-6:
            trial = _objective(group, coef - size * step, sigma, prior, precision)
            if trial[0] <= value:
                break
            size /= 2
        else:
            break
        gain, coef = value - trial[0], coef - size * step
        value, slope, curve = trial
        if gain < 1e-10 * (1 + abs(value)):
            break
    group.coef, group.cov = coef, np.linalg.pinv(curve, hermitian=True)


def _objective(
    group: _Group, coef: np.ndarray, sigma: float, prior: np.ndarray, precision: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Minus the log posterior up to a constant: Huber's function for measurements, Tobin's term for bounds."""
    from scipy.special import ndtr

    u = (group.design @ coef - group.y) / sigma
    near = np.abs(u) <= HUBER
    huber = np.where(near, u**2 / 2, HUBER * (np.abs(u) - HUBER / 2))
    chance = (1 - STRAY) * ndtr(u) + STRAY
    density = (1 - STRAY) * np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi) / chance
    value = np.where(group.measured, huber, -np.log(chance))
    first = np.where(group.measured, np.clip(u, -HUBER, HUBER), -density)
    # the second derivative of the Tobit term turns negative where a bound is taken for a stray
    second = np.where(group.measured, near, np.maximum(density * (u + density), 0.0))
    away = coef - prior
    gradient = group.design.T @ first / sigma + precision * away
    curve = (group.design.T * (second / sigma**2)) @ group.design + np.diag(precision)
    return float(value.sum() + precision @ away**2 / 2), gradient, curve


def _noise(groups: Sequence[_Group], sigma: float) -> tuple[float, float]:
    """Huber's proposal 2 for the scale of the residuals, and its degrees of freedom."""
    total = count = taken = 0.0
    for g in groups:
        a = g.design[g.measured]
        u = (a @ g.coef - g.y[g.measured]) / sigma
        total += float((np.clip(u, -HUBER, HUBER) ** 2).sum())
        count += len(a)
        taken += float(np.sum((a @ g.cov) * a)) / sigma**2
    freedom = max(count - taken, 1.0)
    return max(sigma * float(np.sqrt(total / (PSI2 * freedom))), 1e-7), freedom


def _finished(group: _Group) -> Bowl:
    """The bowl with its lowest place within the swept box."""
    axes = group.z.shape[1]
    box = np.stack([group.z.min(axis=0), group.z.max(axis=0)])
    hessian, slopes = hessian_of(group.coef, axes), group.coef[1 : 1 + axes]
    free = _vertex(hessian, slopes)
    best, held = _lowest(hessian, slopes, box - group.centre, free)
    cov = _spread_of(group, best, held)
    side = np.where(held, np.where(best > (box - group.centre).mean(axis=0), 1, -1), 0)
    if free is not None and held.any() and not held.all():
        # the axis inside is best only for the other's end: along the valley it moves on, too
        moves = free - best
        side = np.where(~held & (np.abs(moves) > np.sqrt(np.diag(cov))), np.sign(moves).astype(int), side)
    used = int(group.measured.sum())
    return Bowl(group.centre, group.coef, group.cov, best + group.centre, cov, side, box, group.ceiling, used,
                len(group.z) - used)  # fmt: skip


def _vertex(hessian: np.ndarray, slopes: np.ndarray) -> np.ndarray | None:
    """Where the gradient vanishes; None where that is no minimum."""
    return -np.linalg.solve(hessian, slopes) if np.linalg.eigvalsh(hessian).min() > 0 else None


def _lowest(
    hessian: np.ndarray, slopes: np.ndarray, box: np.ndarray, free: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The lowest place of the quadratic in the box, inside, on an edge or in a corner, and which axes sit on an end."""
    axes = slopes.size
    if free is not None and np.all((free > box[0]) & (free < box[1])):
        return free, np.zeros(axes, bool)
    places = [(np.array(c), np.ones(axes, bool)) for c in np.stack(np.meshgrid(*box.T), -1).reshape(-1, axes)]
    if axes == 2:
        for axis in (0, 1):
            other = 1 - axis
            for end in box[:, axis]:
                if hessian[other, other] > 0:
                    at = -(slopes[other] + hessian[0, 1] * end) / hessian[other, other]
                    if box[0, other] < at < box[1, other]:
                        place = np.empty(2)
                        place[axis], place[other] = end, at
                        places.append((place, np.arange(2) == axis))
    return min(places, key=lambda p: slopes @ p[0] + p[0] @ hessian @ p[0] / 2)


def _spread_of(group: _Group, best: np.ndarray, held: np.ndarray) -> np.ndarray:
    """The covariance of the lowest place by the delta method; on a held axis, of how far beyond it might lie."""
    axes = best.size
    hessian = hessian_of(group.coef, axes)
    gradient = np.zeros((axes, group.coef.size))  # of the slope at `best` in the coefficients
    gradient[:, 1 : 1 + axes] = np.eye(axes)
    gradient[:, 1 + axes : 1 + 2 * axes] = np.diag(best)
    if axes == 2:
        gradient[:, 5] = best[::-1]
    free = ~held
    cov = np.zeros((axes, axes))
    noise = gradient @ group.cov @ gradient.T
    if free.any():
        inverse = np.linalg.inv(hessian[np.ix_(free, free)])
        cov[np.ix_(free, free)] = inverse @ noise[np.ix_(free, free)] @ inverse.T
    for axis in np.flatnonzero(held):
        curvature = max(hessian[axis, axis], float(np.sqrt(group.cov[1 + axes + axis, 1 + axes + axis])))
        cov[axis, axis] = noise[axis, axis] / curvature**2
    return cov


def best_draws(bowl: Bowl, freedom: float, rng: np.random.Generator, count: int = 1000) -> np.ndarray:
    """Draws of the lowest place (count, axes), from the bowl's coefficients; beyond the sweep they are infinite."""
    axes = bowl.centre.size
    root = np.linalg.cholesky(bowl.coef_cov + 1e-14 * np.diag(np.diag(bowl.coef_cov)))
    stretch = np.sqrt(freedom / rng.chisquare(freedom, count))
    coef = bowl.coef + (rng.standard_normal((count, len(root))) @ root.T) * stretch[:, None]
    hessian, slopes = hessian_of(coef, axes), coef[:, 1 : 1 + axes]
    bowed = np.linalg.eigvalsh(hessian).min(axis=1) > 0
    place = np.where(slopes > 0, -np.inf, np.inf)
    place[bowed] = bowl.centre - np.linalg.solve(hessian[bowed], slopes[bowed][..., None])[..., 0]
    place = np.where(place > bowl.box[1], np.inf, place)
    return np.where(place < bowl.box[0], -np.inf, place)
