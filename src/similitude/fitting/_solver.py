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
STEP = 1.0  # largest step of any other coordinate
RIDGE = 1e-3  # share of the damping that is not affine invariant: it only keeps a singular matrix solvable
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
) -> Optimum:
    """Minimise the problem from each row of `u` (batch, free).

    `case` (batch, terms) weights the terms and `y` (batch, runs) replaces the outputs, row by row. `constraint(u,
    rows)` gives a value to bring to zero and its gradient; the minimum is then along the constraint. A row ends when a
    further step would decrease its objective by less than `tolerance` times (objective + `scale`). `precise` solves
    each step by an orthogonal factorisation instead of the normal equations: slower, for ill-conditioned least squares.
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
        """The rows of `other` where it is better."""
        if better.all():
            return other
        keep = better[:, None]
        gap, normal = self.gap, self.normal
        if gap is not None and normal is not None and other.gap is not None and other.normal is not None:
            gap, normal = np.where(better, other.gap, gap), np.where(keep, other.normal, normal)
        return _Point(
            np.where(keep, other.u, self.u),
            np.where(keep, other.r, self.r),
            np.where(keep[..., None], other.slopes, self.slopes),
            tuple(np.where(keep, b, a) for a, b in zip(self.terms, other.terms, strict=True)),
            np.where(better, other.value, self.value),
            gap,
            normal,
        )

    def take(self, left: np.ndarray) -> _Point:
        """Some of the rows."""
        u, r, slopes, value = (a[left] for a in (self.u, self.r, self.slopes, self.value))
        gap, normal = (None if a is None else a[left] for a in (self.gap, self.normal))
        return _Point(u, r, slopes, tuple(t[left] for t in self.terms), value, gap, normal)


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
    ):
        self.problem, self.case, self.y, self.constraint = problem, case, y, constraint
        self.ids = np.arange(rows.start, rows.stop)
        self.scale = scale
        coordinates = problem.coordinates
        self.low, self.high = coordinates.low, coordinates.high
        linear = set(problem.law.linear)
        self.reach = np.array([STEP_LINEAR if g[0] in linear and w.transform == "log" else
                               (STEP if w.transform != "real" else np.inf)
                               for g, w in zip(coordinates.groups, coordinates.parameters, strict=True)])  # fmt: skip
        raw = any(w.transform == "real" for w in coordinates.parameters)
        self.ridge = 1.0 if raw else RIDGE  # coordinates of one's own scale need Marquardt's damping
        self.u = np.clip(u, self.low, self.high)
        self.active = np.arange(len(u))
        self.damping = np.full(len(u), 1e-3)
        self.price = np.zeros(len(u))

    def run(self, tolerance: float, iterations: int, precise: bool) -> Optimum:
        """Iterate until every row has ended or the iterations are used up."""
        batch = len(self.u)
        out = Optimum(
            self.u.copy(), np.full(batch, np.inf), np.full(batch, np.inf), np.zeros(batch, bool), np.zeros(batch, int)
        )
        here = self._at(self.u)
        for iteration in range(1, iterations + 1):
            step, decrease, multiplier = self._step(here, precise)
            self.price = np.maximum(self.price, 2 * np.abs(multiplier))
            trial = self._at(np.clip(here.u + step, self.low, self.high))
            with np.errstate(invalid="ignore"):
                better = trial.merit(self.price) <= here.merit(self.price)
            done, proved = self._judge(here, trial, better, decrease, tolerance)
            size = here.value + self.scale[self.active]
            here = here.where(better, trial)
            ids = self.active
            out.u[ids], out.objective[ids], out.iterations[ids] = here.u, here.value, iteration
            out.decrease[ids], out.converged[ids] = decrease / np.maximum(size, 1e-300), proved
            if done.all():
                break
            self.damping = np.where(better, np.maximum(self.damping * 0.1, 1e-9), self.damping * 10)
            if done.any():
                here = self._drop(here, ~done)
        return out

    def _at(self, u: np.ndarray) -> _Point:
        r, slopes = self.problem.residuals(u, self.y)
        terms = loss_terms(r, self.problem.deltas, self.problem.objective.asymmetry)
        if self.case is not None:
            terms = tuple(t * self.case for t in terms)
        gap, normal = (None, None) if self.constraint is None else self.constraint(u, self.ids[self.active])
        return _Point(u, r, slopes, terms, terms[0].sum(axis=-1), gap, normal)

    def _judge(
        self, here: _Point, trial: _Point, better: np.ndarray, decrease: np.ndarray, tolerance: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Which rows have ended, and which of them at a proved optimum."""
        size = here.value + self.scale[self.active]
        small = (decrease <= tolerance * size) & (self.damping <= 1.0)
        # a step too small to change the objective's last digits is the end, not a failure
        moved = np.abs(trial.u - here.u).max(axis=-1)
        stuck = ~better & (moved <= 1e-14 * (1 + np.abs(here.u).max(axis=-1)))
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
        finite = np.isfinite(here.r).all(axis=-1)
        gradient = (here.slopes @ np.where(finite[:, None], psi, 0.0)[..., None])[..., 0]
        if precise and here.gap is None:
            return self._precise_step(here, gradient)
        matrix = (here.slopes * (curvature + self.damping[:, None] * weight)[:, None, :]) @ here.slopes.transpose(
            0, 2, 1
        )
        diagonal = np.einsum("bqq->bq", matrix)
        size = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        # along a constraint an end may still have to leave its bound
        free = diagonal > 0 if here.gap is not None else (diagonal > 0) & ~self._at_bound(here.u, gradient)
        matrix = matrix / (size[:, :, None] * size[:, None, :])
        matrix = np.where(free[:, :, None] & free[:, None, :], matrix, 0.0)
        eye = np.eye(matrix.shape[-1])
        matrix = matrix + eye * (np.where(free, 1e-13 + self.ridge * self.damping[:, None], 1.0))[:, None, :]
        scaled = np.where(free, gradient / size, 0.0)
        if here.gap is None or here.normal is None:
            solved = np.linalg.solve(matrix, scaled[..., None])[..., 0]
            step, multiplier = -solved, np.zeros(len(here.u))
            decrease = 0.5 * np.einsum("bq,bq->b", scaled, solved)
        else:
            step, decrease, multiplier = _constrained(matrix, scaled, np.where(free, here.normal / size, 0.0), here.gap)
        step = np.where(free, step, 0.0) / size
        return _limited(step, self.reach), np.where(np.isfinite(decrease), decrease, np.inf), multiplier

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
        size = np.where(size > 0, size, 1.0)
        columns = np.where(held[:, :, None], 0.0, columns / size[:, :, None])
        q = columns.shape[1]
        ridge = np.sqrt(damping)[:, None, None] * np.eye(q) + np.where(held, 1.0, 0.0)[:, None, :] * np.eye(q)
        stacked = np.concatenate([columns.transpose(0, 2, 1), ridge], axis=1)
        target = np.concatenate([psi / root, np.zeros((len(u), q))], axis=1)
        left, right = np.linalg.qr(stacked)
        rotated = np.einsum("bnq,bn->bq", left, target)
        right = right + np.eye(q) * np.where(np.abs(np.einsum("bqq->bq", right)) < 1e-15, 1e-15, 0.0)[:, None, :]
        solved = np.where(held, 0.0, np.linalg.solve(right, rotated[..., None])[..., 0])
        decrease = 0.5 * np.einsum("bq,bq->b", rotated, rotated)
        return _limited(-solved / size, self.reach), decrease, np.zeros(len(u))


def _constrained(
    matrix: np.ndarray, gradient: np.ndarray, normal: np.ndarray, gap: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The step to the minimum of the quadratic model on the linearised constraint."""
    both = np.linalg.solve(matrix, np.stack([gradient, normal], axis=-1))
    down, along = both[..., 0], both[..., 1]
    curvature = np.maximum(np.einsum("bq,bq->b", normal, along), 1e-300)
    multiplier = (np.einsum("bq,bq->b", normal, down) - gap) / curvature
    step = -down + along * multiplier[:, None]
    tangent = gradient - normal * (np.einsum("bq,bq->b", normal, down) / curvature)[:, None]
    decrease = 0.5 * np.einsum("bq,bq->b", tangent, down)
    return step, np.maximum(decrease, 0.0), multiplier


def _limited(step: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """The step, shortened as a whole so that no coordinate moves further than its reach."""
    step = np.where(np.isfinite(step), step, 0.0)
    excess = np.max(np.abs(step) / reach, axis=-1, keepdims=True)
    return step / np.maximum(excess, 1.0)
