"""One solver for every law: damped Gauss-Newton over a whole batch of problems at once.

Each row of the batch is its own problem (a start, a resample, a profile point) with its own damping and its own end.
Huber's loss enters by its psi' weights, damped by lambda times the reweighted matrix: first derivatives suffice, and the
iteration ends in a handful of steps where plain reweighting stalls. Convergence is proved by the decrease a further
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

    `case` (batch, terms) weights the terms and `y` (batch, runs) replaces the outputs, row by row. `constraint(u, rows)`
    gives a value to bring to zero and its gradient; the minimum is then along the constraint. A row ends when a further
    step would decrease its objective by less than `tolerance` times (objective + `scale`). `precise` solves each step
    by an orthogonal factorisation instead of the normal equations: slower, for ill-conditioned least squares.
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


class _Loop:
    """The state of one batch: full arrays for the result, and the still active rows that are worked on."""

    def __init__(self, problem, u, case, y, constraint, rows, scale):
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

    def run(self, tolerance: float, iterations: int, precise: bool) -> Optimum:
        batch, free = self.u.shape
        out = Optimum(
            self.u.copy(), np.full(batch, np.inf), np.full(batch, np.inf), np.zeros(batch, bool), np.zeros(batch, int)
        )
        active = np.arange(batch)
        u, case, y = self.u, self.case, self.y
        r, slopes = self.problem.residuals(u, y)
        terms = self._terms(r, case)
        value = terms[0].sum(axis=-1)
        gap, normal = self._constraint(u, active)
        damping = np.full(batch, 1e-3)
        price = np.zeros(batch)
        for iteration in range(1, iterations + 1):
            step, decrease, multiplier = self._step(u, r, slopes, terms, damping, gap, normal, precise)
            price = np.maximum(price, 2 * np.abs(multiplier))
            trial = np.clip(u + step, self.low, self.high)
            r2, slopes2 = self.problem.residuals(trial, y)
            terms2 = self._terms(r2, case)
            value2 = terms2[0].sum(axis=-1)
            gap2, normal2 = self._constraint(trial, active)
            merit, merit2 = value, value2
            if gap is not None and gap2 is not None:
                merit, merit2 = value + price * np.abs(gap), value2 + price * np.abs(gap2)
            with np.errstate(invalid="ignore"):
                better = merit2 <= merit
            # a step too small to change the objective's last digits is the end, not a failure
            small = (decrease <= tolerance * (value + self.scale[active])) & (damping <= 1.0)
            stuck = ~better & (np.abs(trial - u).max(axis=-1) <= 1e-14 * (1 + np.abs(u).max(axis=-1)))
            met = np.ones(len(u), bool) if gap is None else np.abs(gap) <= 1e-6
            done = (small & met) | (damping > 1e12) | stuck | ~np.isfinite(value)
            keep = better[:, None]
            u = np.where(keep, trial, u)
            ids = active
            out.u[ids], out.iterations[ids] = u, iteration
            out.objective[ids] = np.where(better, value2, value)
            out.decrease[ids] = decrease / np.maximum(value + self.scale[active], 1e-300)
            out.converged[ids] = (small & met) | (stuck & (decrease <= 1e-6 * (value + self.scale[active])) & met)
            if done.all():
                break
            damping = np.where(better, np.maximum(damping * 0.1, 1e-9), damping * 10)
            r = np.where(keep, r2, r)
            slopes = np.where(keep[..., None], slopes2, slopes)
            terms = tuple(np.where(keep, b, a) for a, b in zip(terms, terms2, strict=True))
            value = np.where(better, value2, value)
            if gap is not None:
                gap, normal = np.where(better, gap2, gap), np.where(keep, normal2, normal)
            if done.any():
                left = ~done
                active, u, r, slopes, value, damping, price = (
                    a[left] for a in (active, u, r, slopes, value, damping, price)
                )
                terms = tuple(t[left] for t in terms)
                case, y = (None if a is None else a[left] for a in (case, y))
                if gap is not None:
                    gap, normal = gap[left], normal[left]
        return out

    def _terms(self, r: np.ndarray, case: np.ndarray | None) -> tuple[np.ndarray, ...]:
        terms = loss_terms(r, self.problem.deltas, self.problem.objective.asymmetry)
        return terms if case is None else tuple(t * case for t in terms)

    def _constraint(self, u: np.ndarray, active: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        return (None, None) if self.constraint is None else self.constraint(u, self.ids[active])

    def _step(self, u, r, slopes, terms, damping, gap, normal, precise):
        """The damped step, the decrease a full one promises, and the constraint's multiplier."""
        _, psi, curvature, weight = terms
        finite = np.isfinite(r).all(axis=-1)
        gradient = (slopes @ np.where(finite[:, None], psi, 0.0)[..., None])[..., 0]
        if precise and gap is None:
            return self._precise_step(u, slopes, psi, curvature, weight, damping, gradient)
        matrix = (slopes * (curvature + damping[:, None] * weight)[:, None, :]) @ slopes.transpose(0, 2, 1)
        diagonal = np.einsum("bqq->bq", matrix)
        size = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        held = ((u <= self.low) & (gradient > 0)) | ((u >= self.high) & (gradient < 0)) | (diagonal <= 0)
        if gap is not None:  # along a constraint an end may still have to leave its bound
            held = diagonal <= 0
        matrix = matrix / (size[:, :, None] * size[:, None, :])
        free = ~held
        matrix = np.where(free[:, :, None] & free[:, None, :], matrix, 0.0)
        q = matrix.shape[-1]
        eye = np.eye(q)
        matrix = matrix + eye * (np.where(free, 1e-13 + self.ridge * damping[:, None], 1.0))[:, None, :]
        scaled = np.where(free, gradient / size, 0.0)
        if gap is None:
            solved = np.linalg.solve(matrix, scaled[..., None])[..., 0]
            step, multiplier = -solved, np.zeros(len(u))
            decrease = 0.5 * np.einsum("bq,bq->b", scaled, solved)
        else:
            step, decrease, multiplier = _constrained(matrix, scaled, np.where(free, normal / size, 0.0), gap)
        step = np.where(free, step, 0.0) / size
        return _limited(step, self.reach), np.where(np.isfinite(decrease), decrease, np.inf), multiplier

    def _precise_step(self, u, slopes, psi, curvature, weight, damping, gradient):
        v = curvature + damping[:, None] * weight
        root = np.sqrt(np.maximum(v, 1e-300))
        columns = slopes * root[:, None, :]
        size = np.sqrt(np.einsum("bqn,bqn->bq", columns, columns))
        held = ((u <= self.low) & (gradient > 0)) | ((u >= self.high) & (gradient < 0)) | (size <= 0)
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


def _constrained(matrix, gradient, normal, gap):
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
