"""The whole estimation of one problem: starts, noise scale, optimum, and the proof that it is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from similitude._errors import QuestionError
from similitude.fitting._noise import Spread, clustered, estimate_offsets, estimate_spread, informative, residuals_at
from similitude.fitting._objective import noise_scale, tied_delta
from similitude.fitting._options import Intervals
from similitude.fitting._prepare import Observed, constant_inputs
from similitude.fitting._problem import Problem
from similitude.fitting._profile import Curvature, condition_number
from similitude.fitting._solver import Optimum, minimise, objective_at
from similitude.fitting._starts import starting_rows

__all__ = ["Convergence", "Solution", "solve"]

AGREEMENT = 1e-6  # objectives this close, relatively, are the same optimum
GRADIENT_TEST = 1e-7  # a further step must promise less than this, relatively
SMALL = 20_000  # runs up to which steps may be solved by an orthogonal factorisation
PATIENCE = 4000
NEARBY = (-1.5, -0.5, 0.5, 1.5)  # standard errors at which optima of a tiny delta are looked for
HOPELESS = 1e8  # condition number beyond which a constant input makes the fit meaningless


@dataclass(frozen=True)
class Convergence:
    """Evidence that the optimum is one: starts tried and agreeing, the decrease a further step promises."""

    converged: bool
    starts: int
    agreed: int
    decrease: float
    iterations: int
    finite: bool = True

    def __str__(self) -> str:
        if not self.finite:
            return "NOT an optimum: the objective is not finite there, for the law has no usable value at some run"
        if not self.converged:
            return f"NOT an optimum: a further step promises a relative decrease of {self.decrease:.1e}"
        return f"{self.agreed} of {self.starts} starts ended at this optimum; gradient test {self.decrease:.0e}"


@dataclass(frozen=True)
class Solution:
    """A solved problem: its final form (delta, weights, clusters in force), the optimum, and the proof."""

    problem: Problem
    u: np.ndarray
    objective: float
    convergence: Convergence
    freedom: float
    order: np.ndarray
    spread: Spread | None = None


def solve(problem: Problem, observed: Observed, intervals: Intervals, start: Mapping[str, Any]) -> Solution:
    """Estimate one problem. Raises QuestionError where an input never varies or clusters are too few."""
    rows = starting_rows(problem, start)
    _refuse_constant(problem, rows[0], observed)
    problem, u, convergence = _optimum(problem, rows, persistent=bool(start))
    freedom = float(max(informative(problem, u).sum() - problem.free, 1))
    order = np.arange(problem.runs)
    spread = None
    if intervals.noise == "scale":
        found = observed.compute()
        if found is None:
            raise QuestionError(f"noise='scale' needs compute: give N and D, or C, as inputs of {problem.law.name}")
        problem, u, spread = estimate_spread(problem, u, *found)
        if problem.objective.loss == "huber" and problem.objective.delta is None:
            problem, u = _settle(problem, u)  # the weights have changed what a residual is
        freedom = max(freedom - 2, 1.0)
    if observed.labels is not None:
        problem = replace(problem, objective=replace(problem.objective, loss="squares"), delta=None)
        problem, order = clustered(problem, observed.labels)
        problem, u = estimate_offsets(problem, u)
        assert problem.clusters is not None
        if problem.clusters.tau > 0:
            freedom = float(max(len(problem.clusters.sizes) - problem.free + 1, 1))
    if len(problem.priors) and (spread is not None or observed.labels is not None):
        problem, u = _settle_priors(problem, u)  # their weight follows the noise as it is modelled now
    final = _certify(problem, u)
    convergence = replace(convergence, converged=final[2], decrease=final[3], finite=bool(np.isfinite(final[1])))
    return Solution(problem, final[0], final[1], convergence, freedom, order, spread)


def _refuse_constant(problem: Problem, u: np.ndarray, observed: Observed) -> None:
    for name, value in constant_inputs(observed):
        if condition_number(problem, u) > HOPELESS:
            raise QuestionError(
                f"{observed.source}: {name} = {value:.4g} in every run, so how the output changes with {name} cannot "
                f"be learnt; add runs that vary {name}, or fix the parameters of its term"
            )


def _optimum(problem: Problem, rows: np.ndarray, *, persistent: bool) -> tuple[Problem, np.ndarray, Convergence]:
    """The problem with its noise scale settled, the best optimum and the evidence for it."""
    huber = problem.objective.loss == "huber"
    stage = problem
    if huber:  # a delta from the residuals, not a tiny one, while the starts are still far from the optimum
        stage = replace(problem, delta=_positive_delta(problem, rows[0]))
    found = _look(stage, rows, 1e-7, persistent, (20, 40))
    u = found.u[found.best()]
    if huber and problem.objective.delta is None:
        stage, u = _settle(stage, u)
    elif huber:
        stage = replace(problem, delta=problem.objective.delta)
    if len(stage.priors):
        stage, u = _settle_priors(stage, u)
    ends = found.u
    if huber and problem.objective.delta is not None:  # near least absolute deviation there are optima of its own
        ends = np.concatenate([ends, rows, _around(stage, u)])
    final = _finish(stage, ends, u, persistent)
    value = float(final.objective[final.best()])
    same = np.abs(final.objective - value) <= AGREEMENT * abs(value) + 1e-300
    best = int(np.argmax(same))  # of equal optima (terms may trade places) the one of the first start
    agreed = int(np.sum(same[:-1]))
    convergence = Convergence(bool(final.converged[best]), len(ends), agreed, float(final.decrease[best]),
                              int(found.iterations.sum() + final.iterations.sum()))  # fmt: skip
    return stage, final.u[best], convergence


def _finish(problem: Problem, rows: np.ndarray, best: np.ndarray, persistent: bool) -> Optimum:
    """Every start and the best row so far, brought to their optimum.

    A start that is far from done after the first look is left where it is: it counts as one that did not agree.
    `persistent` follows all of them to the end, as ill-conditioned problems with starts of the user's need.
    """
    pauses = (10, 20, 60) if problem.objective.delta is None else (20, 60)  # a small delta has optima to tell apart
    final = _look(problem, np.concatenate([rows, best[None]]), 1e-12, persistent, pauses)
    best_row = final.best()
    if problem.runs > SMALL or (final.converged[best_row] and not persistent) or final.converged.all():
        return final
    if not persistent and _exact(problem, float(final.objective[best_row])):
        return final
    return _look(problem, final.u, 1e-14, persistent, (60, 240, 960, PATIENCE), precise=True)


def _around(problem: Problem, u: np.ndarray) -> np.ndarray:
    """Rows half a standard error and one and a half from u, both ways along each principal axis of the estimates."""
    curvature = Curvature.at(
        replace(problem, delta=_positive_delta(problem, u)), u, max(problem.runs - problem.free, 1)
    )
    values, axes = np.linalg.eigh(curvature.covariance)
    steps = axes.T * np.sqrt(np.maximum(values, 0.0))[:, None]
    coordinates = problem.coordinates
    return np.clip(u + np.concatenate([f * steps for f in NEARBY]), coordinates.low, coordinates.high)


def _look(
    problem: Problem, rows: np.ndarray, tolerance: float, persistent: bool, pauses: tuple[int, ...],
    precise: bool = False,
) -> Optimum:  # fmt: skip
    """Minimise from each row, for the last of `pauses` iterations at most.

    If at an earlier one most rows are at the best optimum, the others are left where they are (not if `persistent`).
    """
    used, found = 0, None
    for until in pauses[-1:] if persistent else pauses:
        found = minimise(problem, rows, tolerance=tolerance, iterations=until - used, precise=precise)
        value = found.objective[found.best()]
        arrived = found.converged & (np.abs(found.objective - value) <= max(AGREEMENT, tolerance) * abs(value))
        if found.converged.all() or 2 * arrived.sum() > len(rows):
            break
        rows, used = found.u, until
    assert found is not None
    return found


def _positive_delta(problem: Problem, u: np.ndarray) -> float:
    r, _ = residuals_at(replace(problem, delta=None), u)
    r = r[np.isfinite(r) & informative(problem, u)]
    delta = tied_delta(r, problem.free) if r.size else 0.0
    return max(delta, 1e-12 * float(np.median(np.abs(problem.y))) if not problem.objective.log else 1e-12)


def _settle(problem: Problem, u: np.ndarray) -> tuple[Problem, np.ndarray]:
    """Delta tied to the noise and the optimum under it, to a fixed point."""
    for _ in range(20):
        delta = _positive_delta(problem, u)
        problem = replace(problem, delta=delta)
        u = minimise(problem, u[None], tolerance=1e-7).u[0]
        if abs(_positive_delta(problem, u) - delta) <= 1e-3 * delta:
            break
    return problem, u


def _settle_priors(problem: Problem, u: np.ndarray) -> tuple[Problem, np.ndarray]:
    """The noise that priors are weighed against, and the optimum under it, to a fixed point."""
    for _ in range(10):
        noise = max(_noise_of(problem, u), 1e-12)
        done = abs(noise - problem.priors.noise) <= 1e-3 * noise
        problem = replace(problem, priors=replace(problem.priors, noise=noise))
        u = minimise(problem, u[None], tolerance=1e-10).u[0]
        if done:
            break
    return problem, u


def _noise_of(problem: Problem, u: np.ndarray) -> float:
    """The standard deviation of a run's error, by the measure that belongs to the loss."""
    r, _ = residuals_at(problem, u)
    r = r[informative(problem, u)]
    if problem.objective.loss == "huber":
        return noise_scale(r, problem.free)
    return float(np.sqrt(np.sum(r**2) / max(r.size - problem.free, 1)))


def _certify(problem: Problem, u: np.ndarray) -> tuple[np.ndarray, float, bool, float]:
    """A last, orthogonally factorised descent, and the gradient test on where it ends."""
    precise = problem.runs <= SMALL
    found = u, np.inf, False, np.inf
    for iterations in (30, PATIENCE if precise else 30):  # along a curved valley the last digits come slowly
        u = minimise(problem, u[None], tolerance=1e-16, iterations=iterations, precise=precise).u[0]
        polished = _polished(problem, u) if precise and problem.objective.loss == "squares" else u
        found = _proved(problem, polished, precise)
        if found[2] or not np.isfinite(found[1]):
            break
    return found


def _proved(problem: Problem, u: np.ndarray, precise: bool) -> tuple[np.ndarray, float, bool, float]:
    value = float(objective_at(problem, u[None])[0])
    proof = minimise(problem, u[None], tolerance=1e-12, iterations=1, precise=precise)
    decrease = 0.0 if _exact(problem, value) else float(proof.decrease[0])
    return u, value, bool(np.isfinite(value) and decrease <= GRADIENT_TEST), decrease


def _polished(problem: Problem, u: np.ndarray) -> np.ndarray:
    """A few undamped Gauss-Newton steps: where the objective is flat to rounding, its gradient is not."""
    low, high = problem.coordinates.low, problem.coordinates.high
    for _ in range(3):
        r, slopes = (x[0] for x in problem.residuals(u[None]))
        size = np.linalg.norm(slopes, axis=-1)
        if not (np.isfinite(r).all() and (size > 0).all()):
            return u
        step = -np.linalg.lstsq((slopes / size[:, None]).T, r, rcond=1e-14)[0] / size
        new = u + step
        if np.max(np.abs(step)) > 1e-3 * np.max(np.abs(u)) or (new <= low).any() or (new >= high).any():
            return u
        before, after = objective_at(problem, np.stack([u, new]))
        if not after <= before * (1 + 1e-10):
            return u
        u = new
    return u


def _exact(problem: Problem, value: float) -> bool:
    """Whether the runs lie on the law to rounding, so that nothing is left to decrease."""
    size = float(np.sum(np.log(problem.y) ** 2)) if problem.objective.log else float(np.sum(problem.y**2))
    return value <= 1e-24 * max(size, 1e-300)
