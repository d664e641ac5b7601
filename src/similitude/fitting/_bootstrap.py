"""Resampled refits, warm and from the projected grid: case (by cluster), residual, wild and parametric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from similitude._errors import ArgumentError
from similitude.fitting._noise import informative, leverages, residuals_at
from similitude.fitting._objective import loss_terms
from similitude.fitting._problem import Problem
from similitude.fitting._solver import CHUNK, minimise
from similitude.fitting._starts import Grid, nonnegative, projected_grid

__all__ = ["Bootstrap", "bootstrap"]

KINDS = ("case", "residual", "wild", "parametric")
BOUND = 1e-6
PIECE = 250  # resamples whose grids are solved together: their normal equations should stay near the cache
EXACT = 3_000  # runs up to which leaving one out refits every time


@dataclass(frozen=True)
class Bootstrap:
    """Draws of the law's parameters, `draws[name]` of shape (resamples,), and what went wrong in making them.

    `u` holds the same draws as coordinates (resamples, free); `converged` and `at_bound` are shares of the resamples.

    >>> import similitude as sim
    >>> runs = sim.simulate(sim.laws.chinchilla.published["besiroglu2024"], seed=0)
    >>> fit = sim.fit(sim.laws.chinchilla, runs, intervals="delta")
    >>> drawn = fit.bootstrap("residual", resamples=50, seed=1)
    >>> drawn.draws["alpha"].shape, drawn.converged
    ((50,), 1.0)
    """

    kind: str
    draws: Mapping[str, np.ndarray]
    u: np.ndarray
    objective: np.ndarray
    converged: float
    at_bound: float
    seed: int

    def __len__(self) -> int:
        return len(self.u)

    def __repr__(self) -> str:
        shares = f"{self.converged:.1%} converged, {self.at_bound:.1%} at a bound"
        return f"Bootstrap({len(self)} {self.kind} resamples, {shares})"


def bootstrap(
    problem: Problem, u: np.ndarray, *, kind: str, resamples: int, seed: int, reseed: bool = True
) -> Bootstrap:
    """Refit `resamples` resampled problems from the optimum `u`, and from the projected grid too if `reseed`.

    The better of the two is kept: warm refits alone end in another optimum for about one resample in a hundred and
    fifty. Residuals are divided by sqrt(1 - leverage). Raises ArgumentError for an unknown kind.
    """
    if kind not in KINDS:
        raise ArgumentError(f"unknown bootstrap '{kind}'; choose one of {', '.join(KINDS)}")
    rng = np.random.default_rng(seed)
    grid = projected_grid(problem, {}) if reseed and problem.runs <= 5_000 else None
    parts = []
    size = max(1, min(resamples, 40 * CHUNK // max(problem.runs, 1)))
    for begin in range(0, resamples, size):
        count = min(size, resamples - begin)
        case = y = None
        if kind == "case":
            case = _case_weights(problem, count, rng)
        else:
            y = _outputs(problem, u, kind, count, rng)
        parts.append(_refit(problem, u, case, y, grid))
    rows, objective, converged = (np.concatenate(x) for x in zip(*parts, strict=True))
    coordinates = problem.coordinates
    values = {k: np.broadcast_to(v, (len(rows), 1))[:, 0] for k, v in coordinates.values(rows).items()}
    bound = np.any((rows <= coordinates.low + BOUND) | (rows >= coordinates.high - BOUND), axis=1)
    return Bootstrap(kind, values, rows, objective, float(np.mean(converged)), float(np.mean(bound)), seed)


def _refit(problem, u, case, y, grid):
    count = len(case if case is not None else y)
    warm = minimise(problem, np.repeat(u[None], count, axis=0), case=case, y=y)
    if grid is None:
        return warm.u, warm.objective, warm.converged
    pieces = [slice(i, i + PIECE) for i in range(0, count, PIECE)]
    start = np.concatenate([_reseed(problem, grid, *(None if a is None else a[p] for a in (case, y))) for p in pieces])
    # a short look first: most seeds only find the warm optimum again
    look = minimise(problem, start, case=case, y=y, iterations=12, tolerance=1e-7)
    promising = np.flatnonzero(look.objective < warm.objective * (1 + 1e-2))
    rows, objective, converged = warm.u.copy(), warm.objective.copy(), warm.converged.copy()
    apart = np.max(np.abs(look.u - warm.u), axis=1) > 1e-3
    promising = promising[apart[promising] | (look.objective[promising] < warm.objective[promising])]
    if promising.size:
        pick = [None if a is None else a[promising] for a in (case, y)]
        cold = minimise(problem, look.u[promising], case=pick[0], y=pick[1])
        better = cold.objective < objective[promising]
        chosen = promising[better]
        rows[chosen], objective[chosen], converged[chosen] = (
            cold.u[better],
            cold.objective[better],
            cold.converged[better],
        )
    return rows, objective, converged


def _case_weights(problem: Problem, count: int, rng: np.random.Generator) -> np.ndarray:
    """How often each run (or each cluster, with all its runs) was drawn, priors once: (count, terms)."""
    clusters = problem.clusters
    units = problem.runs if clusters is None else len(clusters.sizes)
    drawn = rng.multinomial(units, np.full(units, 1 / units), size=count).astype(float)
    if clusters is not None:
        drawn = np.repeat(drawn, clusters.sizes, axis=1)
    return np.concatenate([drawn, np.ones((count, len(problem.priors)))], axis=1) if len(problem.priors) else drawn


def _outputs(problem: Problem, u: np.ndarray, kind: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Resampled outputs (count, runs): the law plus resampled errors on the objective's scale."""
    clusters = problem.clusters
    plain = replace(problem, clusters=None)
    r, slopes = residuals_at(plain, u)
    weights = problem.root_weights if problem.root_weights is not None else np.ones(problem.runs)
    if clusters is not None:
        if kind != "parametric":
            raise ArgumentError("runs that share an error are resampled by 'case' (whole clusters) or 'parametric'")
        white, _ = residuals_at(problem, u)
        sd = np.sqrt(np.sum(white**2) / max(problem.runs - problem.free, 1))
        offsets = rng.normal(0, sd * np.sqrt(clusters.tau), (count, len(clusters.sizes)))
        errors = np.repeat(offsets, clusters.sizes, axis=1) + rng.normal(0, sd, (count, problem.runs))
    else:
        scaled = r / np.sqrt(1 - leverages(slopes))
        told = informative(plain, u)
        if kind == "residual":
            errors = rng.choice(scaled[told] - scaled[told].mean(), (count, problem.runs))
        elif kind == "wild":
            errors = scaled * rng.choice([-1.0, 1.0], (count, problem.runs))
        else:
            sd = np.sqrt(np.sum(r**2) / max(told.sum() - problem.free, 1))
            errors = rng.normal(0, sd, (count, problem.runs))
    errors = errors / weights
    f = problem.predict(u[None])
    out = f * np.exp(errors) if problem.objective.log else f + errors
    # a censored run has no error to draw: where it stopped is part of the design
    return out if problem.censored is None else np.where(problem.censored, problem.y, out)


def _reseed(problem: Problem, grid: Grid, case: np.ndarray | None, y: np.ndarray | None) -> np.ndarray:
    """The best grid point of each resample with its own linear coefficients, as rows of coordinates."""
    weight = 1 / problem.y if problem.objective.log else np.ones_like(problem.y)
    if problem.root_weights is not None:
        weight = weight * problem.root_weights
    usable = np.isfinite(grid.basis).all(axis=(1, 2)) & np.isfinite(grid.offset).all(axis=1)
    basis = grid.basis[usable] * weight[None, :, None]
    points, runs, k = basis.shape
    pairs = [(a, b) for a in range(k) for b in range(a, k)]
    products = np.stack([basis[..., a] * basis[..., b] for a, b in pairs], axis=-1)
    count = len(case if case is not None else y)  # pyright: ignore[reportArgumentType]
    cases = case[:, :runs] if case is not None else np.ones((1, runs))
    outputs = y if y is not None else problem.y[None]
    flat = products.transpose(1, 0, 2).reshape(runs, -1)
    gram_flat = (cases @ flat).reshape(len(cases), points, len(pairs))
    gram = np.empty((len(cases), points, k, k))
    for i, (a, b) in enumerate(pairs):
        gram[..., a, b] = gram[..., b, a] = gram_flat[..., i]
    outer = (cases * outputs * weight).astype(float)
    moment = (outer @ basis.transpose(1, 0, 2).reshape(runs, -1)).reshape(count, points, k)
    shift = (cases[:, None, :] * (grid.offset[usable] * weight)[None])[0] if np.any(grid.offset) else None
    if shift is not None:
        moment = moment - np.einsum("pn,pnk->pk", shift, basis)[None]
    gram = np.broadcast_to(gram, (count, points, k, k))
    signed = np.array([problem.coordinates.parameters[j].transform == "real" for j in grid.linear])
    solved = nonnegative(gram, moment, signed)
    best = np.argmax(np.einsum("bpk,bpk->bp", solved, moment), axis=1)  # what a least-squares solution explains
    u = grid.u[usable][best].copy()
    coefficients = solved[np.arange(count), best]
    for column, j in enumerate(grid.linear):
        word = problem.coordinates.parameters[j]
        value = coefficients[:, column]
        if word.transform == "log":
            size = np.mean(np.abs(basis[best][..., column] / weight), axis=-1)
            value = np.maximum(value, 1e-3 * np.min(np.abs(problem.y)) / np.maximum(size, 1e-300))
        u[:, j] = word.open(value)
    return np.clip(u, problem.coordinates.low, problem.coordinates.high)


def leave_one_out(problem: Problem, u: np.ndarray) -> np.ndarray:
    """Coordinates refitted without each run (each cluster, where runs share errors) in turn, warm from the optimum.

    (runs or clusters, free). Beyond `EXACT` runs, what one Gauss-Newton step without the run gives: it is exact for a
    linear law, and a single run among thousands moves no other kind far.
    """
    if problem.clusters is None and problem.runs > EXACT:
        return _one_step(problem, u)
    sizes = np.ones(problem.runs, int) if problem.clusters is None else problem.clusters.sizes
    units = np.repeat(np.arange(len(sizes)), sizes)
    parts = []
    for rows in np.array_split(np.arange(len(sizes)), max(1, len(sizes) * problem.runs // 4_000_000)):
        case = np.ones((len(rows), problem.runs + len(problem.priors)))
        case[:, : problem.runs] = units[None, :] != rows[:, None]
        parts.append(minimise(problem, np.repeat(u[None], len(rows), axis=0), case=case, tolerance=1e-10).u)
    return np.concatenate(parts)


def _one_step(problem: Problem, u: np.ndarray) -> np.ndarray:
    r, slopes = problem.residuals(np.atleast_2d(u))
    _, psi, curvature, _ = loss_terms(r, problem.deltas, problem.objective.asymmetry)
    rows = slopes[0].T
    size = np.maximum(np.linalg.norm(rows, axis=0), 1e-300)
    scaled = rows / size
    inverse = np.linalg.pinv((scaled * curvature[0][:, None]).T @ scaled, hermitian=True)
    toward = (scaled @ inverse)[: problem.runs]
    left = 1 - np.einsum("nq,nq->n", toward, scaled[: problem.runs]) * curvature[0, : problem.runs]
    return u + toward * (psi[0, : problem.runs] / np.maximum(left, 1e-6))[:, None] / size
