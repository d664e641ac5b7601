"""One solver for every law: damped Gauss-Newton over a whole batch of problems at once.

Each row of the batch is its own problem (a start, a resample, a profile point) with its own damping and its own end.
Huber's loss enters by its psi' weights, damped by lambda times the reweighted matrix: first derivatives suffice, and
the iteration ends in a handful of steps where plain reweighting stalls. Convergence is proved by the decrease a further
step would bring.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from similitude.fitting._objective import loss_terms
from similitude.fitting._problem import Problem

__all__ = ["Optimum", "minimise", "objective_at"]

ITERATIONS = 200
STEP_LINEAR = 3.0  # largest step of a coefficient's logarithm
SHRINK, GROW = 1 - np.exp(-STEP_LINEAR), np.exp(STEP_LINEAR) - 1  # the same as shares of the coefficient
STEP = 1.0  # largest step of any other coordinate
DIFFERENCE = 1e-5  # of a coordinate, for second derivatives
RETURNS = 3  # steps back to a constraint before a step along it is made shorter
STEP_FLOOR = 0.5  # largest step of a floor along a constraint, in units of the largest output
RIDGE = 1e-3  # share of the damping that is not affine invariant: it only keeps a singular matrix solvable
LEAST = 1e-9  # damping
CHUNK = 60_000  # batch x runs held in one piece: small enough for the processor's cache
Constraint = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Optimum:
    """The ends of a batch of minimisations: coordinates (batch, free), objective, proof of convergence, iterations.

    `decrease` is what one further Gauss-Newton step would take off the objective, relative to it.
    """

    u: np.ndarray
    objective: np.ndarray
    decrease: np.ndarray
    converged: np.ndarray
    iterations: np.ndarray

    def best(self) -> int:
        """The row of the smallest objective."""
        return int(np.nanargmin(np.where(np.isfinite(self.objective), self.objective, np.inf)))


def objective_at(problem: Problem, u: np.ndarray, *, case: np.ndarray | None = None) -> np.ndarray:
    """The objective of each row of coordinates."""
    pieces = []
    for rows in _chunks(len(u), problem.runs):
        rho = loss_terms(problem.misfits(u[rows]), problem.deltas, problem.objective.asymmetry)[0]
        pieces.append(np.sum(rho if case is None else rho * case[rows], axis=-1))
    return np.concatenate(pieces)


def minimise(
    problem: Problem,
    u: np.ndarray,
    *,
    case: np.ndarray | None = None,
    y: np.ndarray | None = None,
    constraint: Constraint | None = None,
    tolerance: float = 1e-12,
    scale: np.ndarray | float = 0.0,
    iterations: int = ITERATIONS,
    precise: bool = False,
    curved: bool = False,
) -> Optimum:
    """Minimise the problem from each row of `u` (batch, free).

    `case` (batch, terms) weights the terms and `y` (batch, runs) replaces the outputs, row by row. `constraint(u,
    rows)` gives a value to bring to zero and its gradient; the minimum is then along the constraint. A row ends when a
    further step would decrease its objective by less than `tolerance` times (objective + `scale`). `precise` solves
    each step by an orthogonal factorisation instead of the normal equations: slower, for ill-conditioned least squares.
    `curved`, along a constraint, measures the second derivatives that Gauss and Newton leave out, of law and
    constraint, by differences of gradients: many evaluations a step, and few steps where others would crawl.
    """
    scale = np.broadcast_to(np.asarray(scale, float), (len(u),))
    parts = []
    for rows in _chunks(len(u), problem.runs):
        loop = _Loop(
            problem,
            u[rows],
            None if case is None else case[rows],
            None if y is None else y[rows],
            constraint,
            rows,
            scale[rows],
            curved,
        )
        parts.append(loop.run(tolerance, iterations, precise))
    return Optimum(*(np.concatenate([getattr(p, f) for p in parts]) for f in Optimum.__dataclass_fields__))


def _chunks(batch: int, runs: int) -> list[slice]:
    size = max(1, CHUNK // max(runs, 1))
    return [slice(i, min(i + size, batch)) for i in range(0, batch, size)]


@dataclass
class _Point:
    """A batch of rows and what the problem says there; `gap` and `normal` belong to a constraint."""

    u: np.ndarray
    r: np.ndarray
    slopes: np.ndarray
    terms: tuple[np.ndarray, ...]
    value: np.ndarray
    gap: np.ndarray | None
    normal: np.ndarray | None

    def merit(self, price: np.ndarray) -> np.ndarray:
        """The objective and, at a price, the distance from the constraint."""
        return self.value if self.gap is None else self.value + price * np.abs(self.gap)

    def where(self, better: np.ndarray, other: _Point) -> _Point:
        """The rows of `other` where it is better; both points are used up, as the large arrays are changed in place."""
        if better.all():
            return other
        if not better.any():
            return self
        keep = better[:, None]
        gap, normal = self.gap, self.normal
        if gap is not None and normal is not None and other.gap is not None and other.normal is not None:
            gap, normal = np.where(better, other.gap, gap), np.where(keep, other.normal, normal)
        return _Point(
            np.where(keep, other.u, self.u),
            _mixed(self.r, other.r, better),
            _mixed(self.slopes, other.slopes, better),
            tuple(_mixed(a, b, better) for a, b in zip(self.terms, other.terms, strict=True)),
            np.where(better, other.value, self.value),
            gap,
            normal,
        )

    def put(self, rows: np.ndarray, other: _Point) -> None:
        """Rows in the place of others."""
        for mine, theirs in zip(self._arrays(), other._arrays(), strict=True):
            mine[rows] = theirs

    def _arrays(self) -> list[np.ndarray]:
        some = (self.u, self.r, self.slopes, *self.terms, self.value, self.gap, self.normal)
        return [a for a in some if a is not None]

    def take(self, left: np.ndarray) -> _Point:
        """Some of the rows."""
        u, r, slopes, value = (a[left] for a in (self.u, self.r, self.slopes, self.value))
        gap, normal = (None if a is None else a[left] for a in (self.gap, self.normal))
        return _Point(u, r, slopes, tuple(t[left] for t in self.terms), value, gap, normal)


def _mixed(mine: np.ndarray, other: np.ndarray, better: np.ndarray) -> np.ndarray:
    """The rows of `other` where better, made in that of the two arrays that needs fewer rows copied."""
    if 2 * np.count_nonzero(better) > len(better):
        mine, other, better = other, mine, ~better
    rows = np.flatnonzero(better)
    mine[rows] = other[rows]
    return mine


class _Loop:
    """One batch under way: the rows still worked on, with their own data, damping and price of the constraint."""

    def __init__(
        self,
        problem: Problem,
        u: np.ndarray,
        case: np.ndarray | None,
        y: np.ndarray | None,
        constraint: Constraint | None,
        rows: slice,
        scale: np.ndarray,
        curved: bool,
    ):
        self.problem, self.case, self.y, self.constraint = problem, case, y, constraint
        self.ids = np.arange(rows.start, rows.stop)
        self.scale, self.curved = scale, curved
        coordinates = problem.coordinates
        self.low, self.high = coordinates.low, coordinates.high
        linear, words = set(problem.law.linear), coordinates.parameters
        self.coefficient = np.array(
            [g[0] in linear and w.transform == "log" for g, w in zip(coordinates.groups, words, strict=True)]
        )
        others = np.array([STEP if w.transform != "real" else np.inf for w in words])
        self.reach = np.where(self.coefficient, STEP_LINEAR, others)
        self.floors = np.flatnonzero([w.relative == "output" and w.transform == "log" for w in words])
        raw = any(w.transform == "real" for w in coordinates.parameters)
        self.ridge = 1.0 if raw or curved else RIDGE  # coordinates of one's own scale need Marquardt's damping
        self.eye = np.eye(len(coordinates))
        self.u = np.minimum(np.maximum(u, self.low), self.high)
        self.active = np.arange(len(u))
        self.damping = np.full(len(u), 1e-3)
        self.price = np.zeros(len(u))
        self.back = np.zeros(u.shape)  # the smallest step that changes the constraint's value by one

    def run(self, tolerance: float, iterations: int, precise: bool) -> Optimum:
        """Iterate until every row has ended or the iterations are used up."""
        batch = len(self.u)
        out = Optimum(
            self.u.copy(), np.full(batch, np.inf), np.full(batch, np.inf), np.zeros(batch, bool), np.zeros(batch, int)
        )
        here = self._at(self.u)
        for iteration in range(1, iterations + 1):
            with np.errstate(over="ignore", invalid="ignore"):  # a matrix next to singular: the step is cut
                step, decrease, multiplier = self._step(here, precise)
            dearer = np.where(np.isfinite(multiplier), 2 * np.abs(multiplier), 0.0)
            self.price = np.maximum(self.price, dearer)
            trial = self._at(np.minimum(np.maximum(here.u + step, self.low), self.high))
            with np.errstate(invalid="ignore"):
                better = trial.merit(self.price) <= here.merit(self.price)
            if here.gap is not None and not better.all():
                trial, better = self._brought_back(here, trial, better)
            done, proved = self._judge(here, trial, better, decrease, tolerance)
            size = here.value + self.scale[self.active]
            here = here.where(better, trial)
            ids = self.active
            out.u[ids], out.objective[ids], out.iterations[ids] = here.u, here.value, iteration
            out.decrease[ids], out.converged[ids] = decrease / np.maximum(size, 1e-300), proved
            if done.all():
                break
            self.damping = np.where(better, np.maximum(self.damping * 0.1, LEAST), self.damping * 10)
            if done.any():
                here = self._drop(here, ~done)
        return out

    def _at(self, u: np.ndarray, some: np.ndarray | slice = slice(None)) -> _Point:
        """What the problem says at rows of coordinates, those of all active rows or of some."""
        r, slopes = self.problem.residuals(u, None if self.y is None else self.y[some])
        terms = loss_terms(r, self.problem.deltas, self.problem.objective.asymmetry)
        if self.case is not None:
            terms = tuple(t * self.case[some] for t in terms)
        gap, normal = (None, None) if self.constraint is None else self.constraint(u, self.ids[self.active][some])
        return _Point(u, r, slopes, terms, terms[0].sum(axis=-1), gap, normal)

    def _brought_back(self, here: _Point, trial: _Point, better: np.ndarray) -> tuple[_Point, np.ndarray]:
        """Steps that were no better, once more from where they led, back to the constraint.

        A long step leaves a curved constraint by more than it gains (Maratos 1978); short ones crawl along it.
        """
        better = better.copy()
        some = np.flatnonzero(~better & np.isfinite(trial.value))
        u, gap = trial.u[some], np.asarray(trial.gap)[some]
        for _ in range(RETURNS):
            if not some.size:
                break
            with np.errstate(over="ignore", invalid="ignore"):
                step = _limited(-self.back[some] * gap[:, None], self.reach)
            u = np.minimum(np.maximum(u + step, self.low), self.high)
            again = self._at(u, some)
            with np.errstate(invalid="ignore"):
                good = again.merit(self.price[some]) <= here.merit(self.price)[some]
            if good.any():
                trial.put(some[good], again.take(good))
                better[some[good]] = True
            nearer = ~good & (np.abs(again.gap) < np.abs(gap))
            some, u, gap = some[nearer], u[nearer], np.asarray(again.gap)[nearer]
        return trial, better

    def _judge(
        self, here: _Point, trial: _Point, better: np.ndarray, decrease: np.ndarray, tolerance: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Which rows have ended, and which of them at a proved optimum."""
        size = here.value + self.scale[self.active]
        small = (decrease <= tolerance * size) & (self.damping <= 1.0)
        # a step too small to change the objective's last digits is the end, not a failure
        moved = np.abs(trial.u - here.u).max(axis=-1)
        still = moved <= 1e-14 * (1 + np.abs(here.u).max(axis=-1))
        stuck = still & (~better | (self.damping <= LEAST))  # undamped and still: a constraint beyond the bounds
        met = np.ones(len(here.u), bool) if here.gap is None else np.abs(here.gap) <= 1e-6
        done = (small & met) | (self.damping > 1e12) | stuck | ~np.isfinite(here.value)
        return done, met & (small | (stuck & (decrease <= 1e-6 * size)))

    def _drop(self, here: _Point, left: np.ndarray) -> _Point:
        self.active, self.damping, self.price = self.active[left], self.damping[left], self.price[left]
        self.case, self.y = (None if a is None else a[left] for a in (self.case, self.y))
        return here.take(left)

    def _step(self, here: _Point, precise: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The damped step, the decrease a full one promises, and the constraint's multiplier."""
        _, psi, curvature, weight = here.terms
        finite = np.asarray(np.isfinite(here.value))
        psi = psi if finite.all() else np.where(finite[:, None], psi, 0.0)
        gradient = (here.slopes @ psi[..., None])[..., 0]
        if precise and here.gap is None:
            return self._precise_step(here, gradient)
        matrix = (here.slopes * (curvature + self.damping[:, None] * weight)[:, None, :]) @ here.slopes.transpose(
            0, 2, 1
        )
        diagonal = np.einsum("bqq->bq", matrix)
        size = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        if self.curved:
            matrix = matrix + self._left_out(here, gradient, size)
        scaled, matrix = gradient / size, matrix / (size[:, :, None] * size[:, None, :])
        normal = None if here.normal is None else here.normal / size
        # along a constraint an end may still have to leave its bound
        free = diagonal > 0 if here.gap is not None else (diagonal > 0) & ~self._at_bound(here.u, gradient)
        step, decrease, multiplier = self._solved(matrix, scaled, normal, here.gap, free)
        for _ in range(2):  # a step out of a bound is not taken, so the other coordinates must not count on it
            blocked = free & self._at_bound(here.u, -step)
            if not blocked.any():
                break
            free = free & ~blocked
            step, decrease, multiplier = self._solved(matrix, scaled, normal, here.gap, free)
        step = step / size
        if here.gap is None:
            step = _along(step, self.reach, self.coefficient)
        else:
            self.back = self.back / size
            step = self._bounded(step, here.u)
        return step, np.where(np.isfinite(decrease), decrease, np.inf), multiplier

    def _left_out(self, here: _Point, gradient: np.ndarray, size: np.ndarray) -> np.ndarray:
        """What a Gauss-Newton matrix leaves out: psi by the law's second derivatives, less multiplier by constraint's.

        As floors move by their share, theirs are those of the floor itself, in units of it.
        """
        assert self.constraint is not None
        psi, normal = here.terms[1], np.asarray(here.normal)
        a = normal / size
        multiplier = np.einsum("bq,bq->b", a, gradient / size) / np.maximum(np.einsum("bq,bq->b", a, a), 1e-300)
        first = gradient - multiplier[:, None] * normal
        rows, free = here.u.shape
        out = np.zeros((rows, free, free))
        together = max(1, CHUNK // (rows * self.problem.runs))
        for begin in range(0, free, together):
            some = np.arange(begin, min(begin + together, free))
            times = len(some)
            moved = np.tile(here.u, (times, 1))
            moved[np.arange(len(moved)), np.repeat(some, rows)] += DIFFERENCE
            _, slopes = self.problem.residuals(moved, None if self.y is None else np.tile(self.y, (times, 1)))
            after = (slopes @ np.tile(psi, (times, 1))[..., None])[..., 0]
            along = self.constraint(moved, np.tile(self.ids[self.active], times))[1]
            after = (after - np.tile(multiplier, times)[:, None] * along).reshape(times, rows, free)
            out[:, :, some] = (after - first).transpose(1, 2, 0) / DIFFERENCE
        out = 0.5 * (out + out.transpose(0, 2, 1))
        for j in self.floors:
            out[:, j, j] -= first[:, j]
        return np.where(np.isfinite(out).all(axis=(1, 2), keepdims=True), out, 0.0)

    def _bounded(self, step: np.ndarray, u: np.ndarray) -> np.ndarray:
        """A step along a constraint, not too long; floors move by their share, in which law and constraint are linear.

        On its logarithm a floor that has to leave zero crawls: each step changes it by a factor, the others by nothing.
        """
        reach = np.broadcast_to(self.reach, step.shape)
        if len(self.floors):
            reach = reach.copy()
            largest = np.log(np.maximum(np.abs(self.problem.y).max(), 1e-300))
            reach[:, self.floors] = STEP_FLOOR * np.exp(largest - u[:, self.floors])
        step = _limited(step, reach)
        if len(self.floors):
            least = np.expm1(np.minimum(self.low[self.floors] - u[:, self.floors], 0.0))
            step[:, self.floors] = np.log1p(np.maximum(step[:, self.floors], least))
        return step

    def _solved(
        self,
        matrix: np.ndarray,
        gradient: np.ndarray,
        normal: np.ndarray | None,
        gap: np.ndarray | None,
        free: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Step, decrease and multiplier with only the free coordinates moving."""
        matrix = np.where(free[:, :, None] & free[:, None, :], matrix, 0.0)
        ridge = np.where(free, 1e-13 + self.ridge * self.damping[:, None], 1.0)
        matrix = matrix + self.eye * ridge[:, None, :]
        gradient = np.where(free, gradient, 0.0)
        if gap is None or normal is None:
            solved = np.linalg.solve(matrix, gradient[..., None])[..., 0]
            return -solved, 0.5 * np.einsum("bq,bq->b", gradient, solved), np.zeros(len(gradient))
        step, decrease, multiplier, back = _constrained(matrix, gradient, np.where(free, normal, 0.0), gap)
        self.back = np.where(free, back, 0.0)
        return np.where(free, step, 0.0), decrease, multiplier

    def _at_bound(self, u: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Coordinates at a bound that the objective pushes further out."""
        return ((u <= self.low) & (gradient > 0)) | ((u >= self.high) & (gradient < 0))

    def _precise_step(self, here: _Point, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same step from an orthogonal factorisation of the weighted Jacobian."""
        _, psi, curvature, weight = here.terms
        u, slopes, damping = here.u, here.slopes, self.damping
        v = curvature + damping[:, None] * weight
        root = np.sqrt(np.maximum(v, 1e-300))
        columns = slopes * root[:, None, :]
        size = np.sqrt(np.einsum("bqn,bqn->bq", columns, columns))
        held: np.ndarray = np.logical_or(self._at_bound(u, gradient), size <= 0)
        columns = columns / np.where(size > 0, size, 1.0)[:, :, None]
        step, decrease = _factorised(columns, psi / root, damping, held)
        for _ in range(2):
            blocked = ~held & self._at_bound(u, -step)
            if not blocked.any():
                break
            held = held | blocked
            step, decrease = _factorised(columns, psi / root, damping, held)
        step = step / np.where(size > 0, size, 1.0)
        return _along(step, self.reach, self.coefficient), decrease, np.zeros(len(u))


def _factorised(
    columns: np.ndarray, target: np.ndarray, damping: np.ndarray, held: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Step and decrease by an orthogonal factorisation of columns (batch, free, terms) of length one."""
    columns = np.where(held[:, :, None], 0.0, columns)
    batch, q, _ = columns.shape
    ridge = np.sqrt(damping)[:, None, None] * np.eye(q) + np.where(held, 1.0, 0.0)[:, None, :] * np.eye(q)
    stacked = np.concatenate([columns.transpose(0, 2, 1), ridge], axis=1)
    left, right = np.linalg.qr(stacked)
    rotated = np.einsum("bnq,bn->bq", left, np.concatenate([target, np.zeros((batch, q))], axis=1))
    right = right + np.eye(q) * np.where(np.abs(np.einsum("bqq->bq", right)) < 1e-15, 1e-15, 0.0)[:, None, :]
    solved = np.where(held, 0.0, np.linalg.solve(right, rotated[..., None])[..., 0])
    return -solved, 0.5 * np.einsum("bq,bq->b", rotated, rotated)


def _constrained(
    matrix: np.ndarray, gradient: np.ndarray, normal: np.ndarray, gap: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The step to the minimum of the quadratic model on the linearised constraint, and that across it."""
    both = np.linalg.solve(matrix, np.stack([gradient, normal], axis=-1))
    down, along = both[..., 0], both[..., 1]
    curvature = np.maximum(np.einsum("bq,bq->b", normal, along), 1e-300)
    multiplier = (np.einsum("bq,bq->b", normal, down) - gap) / curvature
    across = along / curvature[:, None]
    step = -down + along * multiplier[:, None]
    tangent = gradient - normal * (np.einsum("bq,bq->b", normal, down) / curvature)[:, None]
    decrease = 0.5 * np.einsum("bq,bq->b", tangent, down)
    return step, np.maximum(decrease, 0.0), multiplier, across


def _limited(step: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """The step, shortened as a whole so that no coordinate moves further than its reach."""
    step = np.where(np.isfinite(step), step, 0.0)
    excess = np.max(np.abs(step) / reach, axis=-1, keepdims=True)
    return step / np.maximum(excess, 1.0)


def _along(step: np.ndarray, reach: np.ndarray, coefficient: np.ndarray) -> np.ndarray:
    """The step with each coefficient moved by its share instead of its logarithm, in which the law is linear.

    On the logarithm a floor that wants to be zero is overshot by the others that make up for it, and crawls.
    """
    step = np.where(np.isfinite(step), step, 0.0)
    share = np.where(step < 0, SHRINK, GROW)
    excess = np.max(np.abs(step) / np.where(coefficient, share, reach), axis=-1, keepdims=True)
    step = step / np.maximum(excess, 1.0)
    return np.where(coefficient, np.log1p(np.where(coefficient, step, 0.0)), step)
