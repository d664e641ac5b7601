"""Profile-likelihood intervals, for a parameter or anything computed from parameters, in one batch.

For a target g the profile at v is the best objective with g = v. Its ends are where the objective has risen by
F(level; 1, df) s^2 / (2 m): m is 1 for least squares and the expected psi' for Huber. The F cut with the residual
variance on n - p degrees of freedom is what covers with few runs; a chi-square cut does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from similitude._dual import Dual
from similitude.fitting._noise import informative
from similitude.fitting._objective import loss_terms, working_slope
from similitude.fitting._problem import Problem
from similitude.fitting._quantiles import t_quantile
from similitude.fitting._solver import Optimum, minimise
from similitude.fitting._starts import starting_rows, within_reach

__all__ = [
    "Curvature",
    "Family",
    "Target",
    "Targets",
    "condition_number",
    "coordinate_target",
    "delta_interval",
    "own_gradients",
    "parameter_target",
    "profile_intervals",
    "profile_levels",
]

ROUNDS = 14
CLOSE = 2e-3  # relative accuracy of an end, in units of the distance from the optimum
FAR = 60.0  # standard errors after which a profile is said not to close
EXACT = 3e-13  # of a run's misfit: runs that lie on the law to the last digits
INNER = 30  # steps of one constrained minimum
MORE = 4  # times as many, with second derivatives, for those above the cut or near it that have not ended,
DOUBT = 1.02  # times the furthest value reached: where a wall is looked for again
MET = 1e-3  # of a standard error, from a trial value
STUCK = 1e-3  # unless they have moved down by less than this share of the rise,
NEARER = 0.5  # or, where the value is not reached, come no nearer than this share of the distance
FEW, WEAK = 100, 100.0  # runs up to which, and condition number from which, ends are looked at from elsewhere too:
GRID = 250  # points of the grid that starts come from, at most
LOOKED = 40  # ends, of more some between,
LOOKS = 1  # times as many steps, with second derivatives
ELSEWHERE = 4e-3  # of the distance, below the cut, is another valley
WALK = 0.68  # the level whose rise is the unit of a walk to zero,
FIRST = 0.1  # of that rise's distance, where it begins,
STRIDE = 2.0  # times the distance at each of its steps,
NEAR = 0.01  # of the distance or a standard error, between what can be reached and what cannot,
SHARED = 4  # walks that try each other's ends
Values = Callable[[Mapping[str, Any]], Any]


@cache
def _two_sided(freedom: float, level: float) -> float:
    return float(t_quantile(freedom, 0.5 + level / 2))  # milliseconds, and every interval of a fit asks for the same


@dataclass(frozen=True)
class Curvature:
    """The objective near its optimum: covariance of the coordinates, noise variance, m, degrees of freedom."""

    covariance: np.ndarray
    variance: float
    slope: float
    freedom: float
    objective: float

    @classmethod
    def at(cls, problem: Problem, u: np.ndarray, freedom: float) -> Curvature:
        """Measured at an optimum."""
        r, slopes = problem.residuals(u[None])
        rho, psi, *_ = loss_terms(r, problem.deltas, problem.objective.asymmetry)
        told = np.flatnonzero(informative(problem, u))
        # offsets leave few degrees of freedom to judge the law by, but the rows' own noise is still known from all rows
        divisor = freedom if problem.clusters is None else problem.runs - problem.free
        variance = float(np.sum(psi[0, told] ** 2)) / max(divisor, 1.0)
        skew = problem.objective.asymmetry
        # an expectile's curvature is the mean of its weights
        sides = np.where(r[0, told] < 0, 2 * skew, 2 * (1 - skew))
        slope = working_slope(r[0, told], problem.delta, problem.free) * float(np.mean(sides))
        matrix = slopes[0] @ slopes[0].T
        size = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
        inverse = np.linalg.pinv(matrix / np.outer(size, size), rcond=1e-14, hermitian=True) / np.outer(size, size)
        return cls(inverse * variance / slope**2, variance, slope, freedom, float(rho.sum()))

    def rise(self, level: float) -> float:
        """How far the objective may rise inside an interval at this level."""
        return self.multiple(level) ** 2 * self.variance / (2 * self.slope)

    def multiple(self, level: float) -> float:
        """Student's t for a two-sided interval."""
        return _two_sided(self.freedom, level)


@dataclass(frozen=True)
class Target:
    """Something to bound: `at(u)` gives its value (batch,) and gradient (batch, free) at rows of coordinates."""

    at: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    reach: float | None = None  # a natural distance to search at first, where the curvature at the optimum says nothing

    @classmethod
    def numeric(cls, problem: Problem, values: Values, steps: np.ndarray) -> Target:
        """A target computed from parameters as plain arrays (batch,): gradient by central differences."""
        return cls(lambda u: _by_differences(problem, values, steps, u))


def _by_differences(
    problem: Problem, values: Values, steps: np.ndarray, u: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values (batch,) and gradients (batch, free); `values` gets 1 + 2 free rows of parameters for each row of `u`."""
    free = problem.free
    shifts = np.concatenate([np.zeros((1, free)), np.diag(steps), -np.diag(steps)])
    rows = (u[:, None, :] + shifts[None]).reshape(-1, free)
    params = {k: np.broadcast_to(v, (len(rows), 1))[:, 0] for k, v in problem.coordinates.values(rows).items()}
    with np.errstate(all="ignore"):  # trials may lie where the target is not defined
        out = np.broadcast_to(np.asarray(values(params), float), (len(rows),)).reshape(len(u), -1)
    return out[:, 0], (out[:, 1 : 1 + free] - out[:, 1 + free :]) / (2 * steps)


def parameter_target(problem: Problem, name: str, transform: str) -> Target:
    """A parameter in the law's own units, on its line: its coefficient may mix several coordinates."""

    def at(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        out = problem.coordinates.value(name, u)
        factor = 1 / out.value if transform == "log" else np.ones_like(out.value)
        gradient = np.zeros((len(u), problem.free))
        for j, partial in out.partials.items():
            gradient[:, j] = np.broadcast_to(partial * factor, (len(u), 1))[:, 0]
        return (np.log(out.value) if transform == "log" else out.value)[:, 0], gradient

    return Target(at)


@dataclass(frozen=True)
class Points:
    """The law at many points of scaled inputs, each array (points,): as many targets, evaluated together."""

    problem: Problem
    inputs: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def at(self, u: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (batch,) and gradients (batch, free) at rows of coordinates, row i at point `which[i]`."""
        place = {k: v[which][:, None] for k, v in self.inputs.items()}
        with np.errstate(all="ignore"):
            out = self.problem.law.evaluate(place, self.problem.coordinates.inner(u, dual=True))
            value = np.broadcast_to(out.value if isinstance(out, Dual) else out, (len(u), 1))[:, 0]
            gradient = np.zeros((len(u), self.problem.free))
            for j, partial in (out.partials if isinstance(out, Dual) else {}).items():
                gradient[:, j] = np.broadcast_to(partial, (len(u), 1))[:, 0]
            if self.problem.objective.log:
                return np.log(value), gradient / value[:, None]
        return value, gradient


@dataclass(frozen=True)
class Family:
    """One function of parameters and a place, at many places (points,): as many targets, evaluated together."""

    problem: Problem
    values: Callable[[Mapping[str, Any], np.ndarray], Any]
    places: np.ndarray
    steps: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    def at(self, u: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (batch,) and gradients (batch, free) at rows of coordinates, row i at place `which[i]`."""
        places = np.repeat(self.places[which], 1 + 2 * self.problem.free)
        return _by_differences(self.problem, lambda params: self.values(params, places), self.steps, u)


Targets = Sequence[Target] | Points | Family


def own_gradients(problem: Problem, u: np.ndarray) -> np.ndarray:
    """Derivatives (free, free) of the law's own parameters, on their lines, by the engine's inner coordinates."""
    coordinates = problem.coordinates
    out = np.eye(problem.free)
    for j, (group, word) in enumerate(zip(coordinates.groups, coordinates.parameters, strict=True)):
        if group[0] in coordinates.moved:
            out[j] = parameter_target(problem, group[0], word.transform).at(np.atleast_2d(u))[1][0]
    return out


def coordinate_target(problem: Problem, j: int, reach: float | None = None) -> Target:
    """One coordinate itself."""
    unit = np.eye(problem.free)[j]
    return Target(lambda u: (u[:, j], np.broadcast_to(unit, u.shape)), reach)


def delta_ends(curvature: Curvature, points: Points | Family, u: np.ndarray, level: float) -> np.ndarray:
    """Ends (points, 2) by the delta method."""
    value, gradient = points.at(np.repeat(u[None], len(points), axis=0), np.arange(len(points)))
    error = np.sqrt(np.maximum(np.einsum("bi,ij,bj->b", gradient, curvature.covariance, gradient), 0.0))
    return value[:, None] + curvature.multiple(level) * error[:, None] * np.array([-1.0, 1.0])


def delta_interval(curvature: Curvature, target: Target, u: np.ndarray, level: float) -> tuple[float, float, float]:
    """(value, standard error, half-width) by the delta method."""
    value, gradient = target.at(u[None])
    error = float(np.sqrt(max(gradient[0] @ curvature.covariance @ gradient[0], 0.0)))
    return float(value[0]), error, error * curvature.multiple(level)


def profile_intervals(
    problem: Problem, u: np.ndarray, curvature: Curvature, targets: Targets, level: float
) -> np.ndarray:
    """Lower and upper ends (targets, 2) of each target's profile interval; NaN where a profile does not close."""
    if not len(targets):
        return np.empty((0, 2))
    search = _Ends(problem, u, curvature, targets, level)
    search.run()
    unsure = problem.runs <= FEW and within_reach(problem, GRID) and condition_number(problem, u) > WEAK
    if unsure and search.lower_elsewhere():
        search.run()
    return search.ends()


def profile_levels(problem: Problem, u: np.ndarray, curvature: Curvature, targets: Targets, most: float) -> np.ndarray:
    """The two-sided level (targets,) at which each target's profile interval ends at zero, up to `most`.

    Where zero cannot be reached it is the level at the last distance that can: no interval that closes holds more.
    """
    from scipy.stats import t as student

    search = _Levels(problem, u, curvature, targets, most)
    while search.advance():
        pass
    search.share()
    return np.minimum(1 - 2 * student.sf(search.multiples(), curvature.freedom), most)


class _Minima:
    """Least objectives at values of targets: `owner` says of which target each row is."""

    asked = 0.0  # shares of the rise that need not be known more closely than that they are below it

    def __init__(self, problem, u, curvature, targets, level, owner):
        self.problem, self.targets, self.owner = problem, targets, owner
        self.floor, self.rise = curvature.objective, curvature.rise(level)
        count = len(owner)
        centre, gradient = self._all(np.repeat(u[None], count, axis=0), np.arange(count))
        error = np.sqrt(np.maximum(np.einsum("bi,ij,bj->b", gradient, curvature.covariance, gradient), 1e-300))
        if not isinstance(targets, (Points, Family)):
            given = np.array([np.nan if (reach := targets[i].reach) is None else reach for i in owner])
            error = np.where(np.isnan(given), error, given / curvature.multiple(level))
        self.centre, self.error = centre, error
        self.u_inside = np.repeat(u[None], count, axis=0)
        self.inside = np.zeros(count)  # distance from the centre known to lie inside, and sqrt(rise / its unit) there
        self.root_inside = np.zeros(count)
        # only rounding is left to profile, which no step can follow
        exact = self.floor <= problem.runs * EXACT**2
        self.sure = (error <= 1e3 * EXACT * (1 + np.abs(centre))) if exact else np.zeros(count, bool)

    def _all(self, u: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if isinstance(self.targets, (Points, Family)):
            return self.targets.at(u, self.owner[rows])
        value, gradient = np.empty(len(u)), np.empty(u.shape)
        for i in np.unique(self.owner[rows]):
            mine = self.owner[rows] == i
            value[mine], gradient[mine] = self.targets[i].at(u[mine])
        return value, gradient

    def at(
        self, live: np.ndarray, aim: np.ndarray, start: np.ndarray, more: int = MORE
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coordinates, sqrt(rise of the objective / its unit) and whether the values aimed at were reached."""
        scale = self.error[live]

        def constraint(u: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            value, gradient = self._all(u, live[rows])
            return (value - aim[rows]) / scale[rows], gradient / scale[rows][:, None]

        def solve(u: np.ndarray, rows: np.ndarray, curved: bool = False) -> Optimum:
            return minimise(
                self.problem,
                u,
                constraint=lambda u, some: constraint(u, rows[some]),
                tolerance=1e-5,
                scale=np.full(len(rows), self.rise * 0.1),
                iterations=INNER,
                curved=curved,
            )

        everything = np.arange(live.size)
        found = solve(start, everything)
        u, objective, ended = found.u, found.objective, found.converged
        # a minimum not reached yet lies higher than the profile does: taken for an end, it would be too near
        gap = np.abs(constraint(u, everything)[0])
        for _ in range(more):
            far = gap >= MET
            late = np.flatnonzero(~ended & (far | (objective - self.floor > self.rise * self.asked)))
            if not late.size:
                break
            again = solve(u[late], late, curved=True)
            nearer = np.abs(constraint(again.u, late)[0])
            lower = objective[late] - again.objective > STUCK * self.rise
            moved = np.where(far[late], nearer < NEARER * gap[late], lower)
            u[late], objective[late], ended[late] = again.u, again.objective, again.converged | ~moved
            gap[late] = nearer
        reached = gap < MET
        with np.errstate(invalid="ignore"):
            root = np.sqrt(np.maximum(objective - self.floor, 0.0) / self.rise)
        return u, root, reached


class _Ends(_Minima):
    """All ends of all targets at once: row 2 i is the lower end of target i, row 2 i + 1 its upper end."""

    asked = (1 - CLOSE) ** 2

    def __init__(self, problem, u, curvature, targets, level):
        super().__init__(problem, u, curvature, targets, level, np.repeat(np.arange(len(targets)), 2))
        count = len(self.owner)
        self.side = np.tile([-1.0, 1.0], len(targets))
        self.width = curvature.multiple(level) * self.error  # where a quadratic objective would end
        self.outside = np.full(count, np.inf)
        self.root_outside = np.full(count, np.inf)
        self.trial = self.width.copy()
        self.open, self.doubted = ~np.isfinite(self.centre), np.zeros(count, bool)
        self.end = np.where(self.sure, self.centre + self.side * self.width, np.nan)

    def run(self) -> None:
        """Rounds until all is known, or there were enough."""
        for _ in range(ROUNDS):
            if not self.advance():
                break

    def advance(self) -> bool:
        """One round: the constrained minimum at each trial distance, then a better one. False when all is known."""
        live = np.flatnonzero(np.isnan(self.end) & ~self.open)
        if not live.size:
            return False
        aim = self.centre[live] + self.side[live] * self.trial[live]
        self._bracket(live, *self.at(live, aim, self.u_inside[live]))
        return True

    def _bracket(self, live, u, root, reached) -> None:
        trial = self.trial[live]
        within = reached & (root <= 1)
        inner, outer = live[within], live[~within]
        self.u_inside[inner], self.inside[inner], self.root_inside[inner] = u[within], trial[within], root[within]
        self.outside[outer] = trial[~within]
        self.root_outside[outer] = np.where(reached[~within], root[~within], np.inf)
        close = reached & (np.abs(root - 1) < CLOSE)
        self.end[live[close]] = (self.centre[live] + self.side[live] * trial)[close]
        low, high = self.inside[live], self.outside[live]
        r_low, r_high = self.root_inside[live], self.root_outside[live]
        with np.errstate(divide="ignore", invalid="ignore"):
            growth = np.clip(1 / np.maximum(r_low, 1e-3), 1.05, 2.5)
            extend = np.where(low > 0, low * growth, trial * 0.5)
            between = low + (high - low) * np.clip((1 - r_low) / (r_high - r_low), 0.1, 0.9)
            halved = 0.5 * (low + high)
        nxt = np.where(np.isinf(high), extend, np.where(np.isinf(r_high), halved, between))
        self.trial[live] = nxt
        tight = np.isfinite(high) & (high - low < CLOSE * np.maximum(self.width[live], 1e-300) * 0.5)
        # an unreachable value is a wall, not a rise of the objective: the profile stays open there, unless it can be
        # reached from near by
        wall = live[tight & np.isinf(r_high)]
        again = wall[~self.doubted[wall]]
        self.open[wall[self.doubted[wall]]] = True
        self.doubted[again], self.outside[again] = True, np.inf
        self.trial[again] = self.inside[again] * DOUBT
        self.end[live[tight & np.isfinite(r_high)]] = (self.centre[live] + self.side[live] * low)[
            tight & np.isfinite(r_high)
        ]
        self.open[live[np.isinf(high) & (low > FAR * self.error[live])]] = True

    def lower_elsewhere(self) -> bool:
        """Whether the profile is below the cut at any end after all, in another valley: the search goes on from there.

        Ends are tried from where fits start, so that a valley that no walk from the optimum leads to is found.
        """
        live = np.flatnonzero(np.isfinite(self.end) & ~self.sure)
        spread = np.unique(np.linspace(0, live.size - 1, min(live.size, LOOKED)).astype(int))
        found = self._left(live[spread], starting_rows(self.problem))
        if found.size:  # of many ends the others are tried from the valleys that were found
            self._left(np.delete(live, spread), self.u_inside[found[: len(found) : -(-len(found) // SHARED)]])
        return bool(found.size)

    def _left(self, live: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Which of these ends are none, the profile from one of the starts being lower there; they are searched on."""
        if not live.size:
            return live
        rows = np.repeat(live, len(starts))
        with np.errstate(all="ignore"):  # far from the best fit, the first steps are wild
            u, root, reached = self.at(rows, self.end[rows], np.tile(starts, (live.size, 1)), more=LOOKS)
        root = np.where(reached & np.isfinite(root), root, np.inf).reshape(live.size, -1)
        best = np.argmin(root, axis=1) + len(starts) * np.arange(live.size)
        lower = root.min(axis=1) < 1 - ELSEWHERE
        some = live[lower]
        self.u_inside[some], self.root_inside[some] = u[best[lower]], root.ravel()[best[lower]]
        self.inside[some] = np.abs(self.end - self.centre)[some]
        self.end[some], self.doubted[some] = np.nan, False
        self.outside[some] = self.root_outside[some] = np.inf
        self.trial[some] = self.inside[some] * DOUBT
        return some

    def ends(self) -> np.ndarray:
        """The ends found, those still bracketed after all rounds at their inner distance."""
        late = np.isnan(self.end) & ~self.open & np.isfinite(self.outside) & np.isfinite(self.root_outside)
        self.end[late] = (self.centre + self.side * 0.5 * (self.inside + self.outside))[late]
        return self.end.reshape(-1, 2)


class _Levels(_Minima):
    """How high each target's profile is at zero: a walk there from the optimum."""

    def __init__(self, problem, u, curvature, targets, most):
        super().__init__(problem, u, curvature, targets, WALK, np.arange(len(targets)))
        self.toward, self.distance = -np.sign(self.centre), np.abs(self.centre)
        self.unit = curvature.multiple(WALK)
        self.most = curvature.multiple(most) / self.unit
        self.trial = np.minimum(self.distance, FIRST * self.unit * self.error)
        self.outside = np.full(len(self.owner), np.inf)
        self.done = self.sure | (self.distance == 0) | ~np.isfinite(self.distance)
        self.root_inside[self.sure] = (self.distance / self.error)[self.sure] / self.unit

    def advance(self) -> bool:
        """One step of each walk. False when all have ended."""
        live = np.flatnonzero(~self.done)
        if not live.size:
            return False
        trial, distance = self.trial[live], self.distance[live]
        u, root, reached = self.at(live, self.centre[live] + self.toward[live] * trial, self.u_inside[live])
        some, beyond = live[reached], live[~reached]
        self.u_inside[some], self.inside[some], self.root_inside[some] = u[reached], trial[reached], root[reached]
        self.outside[beyond] = trial[~reached]
        low, high = self.inside[live], self.outside[live]
        tight = high - low < NEAR * np.minimum(high, self.error[live])
        self.done[live] = (low >= distance) | (self.root_inside[live] >= self.most) | tight
        self.trial[live] = np.where(np.isinf(high), np.minimum(trial * STRIDE, distance), 0.5 * (low + high))
        return True

    def share(self) -> None:
        """Each walk's end once more from the end of every near one: the lowest of several minima."""
        live = np.flatnonzero(self.done & (self.inside > 0))
        aim = (self.centre + self.toward * self.inside)[live]
        for shift in range(1, min(live.size, SHARED)):
            u, root, reached = self.at(live, aim, self.u_inside[np.roll(live, shift)])
            lower = reached & (root < self.root_inside[live])
            self.u_inside[live[lower]], self.root_inside[live[lower]] = u[lower], root[lower]

    def multiples(self) -> np.ndarray:
        """How many of its standard errors a t variable has at the end of each walk."""
        return self.root_inside * self.unit


def condition_number(problem: Problem, u: np.ndarray) -> float:
    """Condition of the Jacobian with columns of length one: 30 to 60 in good designs, 180 in weak ones, 1e3 and more
    where inputs move together and parameters cannot be told apart."""
    _, rows = problem.residuals(u[None])  # priors count: they determine what the runs do not
    slopes = rows[0]
    size = np.linalg.norm(slopes, axis=1, keepdims=True)
    if not np.all(np.isfinite(slopes)) or np.any(size == 0):
        return np.inf
    values = np.linalg.svd(slopes / size, compute_uv=False)
    return float(values[0] / max(values[-1], 1e-300))
