"""Where a fit starts: a grid over the nonlinear coordinates, the linear ones solved non-negatively in closed form.

Variable projection takes the condition number of the five-parameter problem from 3e11 to about ten, so a coarse grid is
enough. The weights 1/y^2 stand in for the log residual, under which the coefficients would not be linear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from similitude.fitting._problem import Problem, _factors
from similitude.fitting._solver import objective_at
from similitude.laws._linear import affine_parts

__all__ = ["Grid", "project", "projected_grid", "starting_rows", "within_reach"]

GRID = 150  # points of the projected grid, all nonlinear coordinates together
LATTICE = 400  # starts tried where nothing can be projected out
SAMPLE = 2_000  # runs used to choose starts: more do not change which valley is the deepest
MOST = 10_000  # points of a projected grid beyond which a complete start of the user's stands alone
KEPT = 4
AROUND = np.array(
    [1.0, 1 / 3, 3.0, 0.1, 10.0, 0.01, 100.0]
)  # a given start is the centre of a search, not its only point


@dataclass(frozen=True)
class Grid:
    """A projected grid: coordinates (points, free) ready to polish, their basis (points, runs, linear), and offset."""

    u: np.ndarray
    basis: np.ndarray
    offset: np.ndarray
    linear: tuple[int, ...]


def starting_rows(problem: Problem, start: Mapping[str, float | Sequence[float]] | None = None) -> np.ndarray:
    """A few well separated rows of coordinates to polish, the most promising first."""
    if problem.runs > SAMPLE:
        keep = np.linspace(0, problem.runs - 1, SAMPLE).astype(int)
        problem = problem.subset(keep)
    given = {k: tuple(np.atleast_1d(np.asarray(v, float))) for k, v in (start or {}).items()}
    problem.law.check_names(given)
    own = _lattice(problem, given) if given else np.empty((0, problem.free))
    if given and _is_complete(problem, given):
        return _separated(own, objective_at(problem, own))
    grid = projected_grid(problem, given)
    u = project(problem, grid) if grid is not None else _lattice(problem, given)
    best = _separated(u, objective_at(problem, u))
    if len(own):  # what the user gave is tried as it is, whatever a search around it finds
        own = own[np.argsort(objective_at(problem, own), kind="stable")[:KEPT]]
    return np.concatenate([own, best])


def _is_complete(problem: Problem, given: Mapping[str, tuple[float, ...]]) -> bool:
    """Whether a start is given for every coordinate of so many that a grid over them would be out of reach."""
    groups = problem.coordinates.groups
    return not within_reach(problem) and all(any(n in given for n in g) for g in groups)


def within_reach(problem: Problem, most: int = MOST) -> bool:
    """Whether a grid over the coordinates in which the law is not linear has few enough points to be searched."""
    return 3 ** (len(problem.coordinates.groups) - len(problem.law.linear)) <= most


def _separated(u: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The best rows, none within a tenth of the batch's spread of a better one."""
    order = [i for i in np.argsort(value, kind="stable") if np.isfinite(value[i])]
    spread = np.maximum(u.max(axis=0) - u.min(axis=0), 1e-12)
    kept: list[int] = []
    for i in order:
        if all(np.max(np.abs(u[i] - u[k]) / spread) > 0.1 for k in kept):
            kept.append(i)
        if len(kept) == KEPT:
            break
    return u[kept] if kept else u[:1]


def _ladder(problem: Problem, j: int, points: int, given: Mapping[str, tuple[float, ...]]) -> np.ndarray:
    """Starting values of one coordinate, from the user, or spread around the declared ones."""
    group, word = problem.coordinates.groups[j], problem.coordinates.parameters[j]
    for name in group:
        if name in given:
            own = np.asarray(given[name], float)
            return own if points == 1 else np.unique(np.outer(own, AROUND[: max(1, points // 2 * 2 - 1)]))
    starts = np.asarray(word.starts or ((0.1, 0.3, 1.0) if word.transform == "log" else (-1.0, 0.1, 1.0)), float)
    if word.relative == "output" or word.exponent:
        starts = starts * max(float(np.min(problem.y)), 1e-300)
    elif word.relative == "peak":
        starts = starts * max(float(np.max(problem.y)), 1e-300)
    elif word.relative is not None:
        starts = starts * _middle(problem, word.relative) ** word.power
    line = word.open(starts)
    if points > len(starts) and word.relative is None and word.transform == "log":
        line = np.linspace(line.min() - 1.4, line.max() + 1.2, points)
    low, high = problem.coordinates.low[j], problem.coordinates.high[j]
    return word.close(np.clip(line, low, high))


def _middle(problem: Problem, name: str) -> float:
    return float(np.exp(np.mean(np.log(problem.inputs[name]))))


def _in_inner_units(
    problem: Problem, picks: np.ndarray, columns: Sequence[int], given: Mapping[str, Any]
) -> np.ndarray:
    """Rows of starts as the engine's parameters: amplitudes of A / x^alpha carried from x = 1 to the middle of x, and
    values that the user gave divided by what scaling multiplies them with."""
    coordinates = problem.coordinates
    place = {name: column for column, j in enumerate(columns) for name in coordinates.groups[j]}
    rows = {**coordinates.fixed, **{name: picks[:, column] for name, column in place.items()}}
    complete = {k: rows.get(k, 1.0) for k in problem.law.params}
    factors = _factors(problem.law, complete, coordinates.scale, coordinates.moved)
    out = picks.copy()
    for name, column in place.items():
        word = problem.law.params[name]
        if name in given:
            out[:, column] /= factors.get(name, 1.0)
        elif word.exponent:
            out[:, column] *= _middle(problem, str(word.relative)) ** complete[word.exponent]
    return out


def _lattice(problem: Problem, given: Mapping[str, tuple[float, ...]]) -> np.ndarray:
    free = problem.free
    ladders = [_ladder(problem, j, 1, given) for j in range(free)]
    total = np.prod([float(len(x)) for x in ladders])
    if total <= LATTICE:
        picks = np.array(list(product(*ladders)), float)
    else:
        rng = np.random.default_rng(0)
        picks = np.stack([rng.choice(x, LATTICE) for x in ladders], axis=-1)
    picks = _in_inner_units(problem, picks, range(free), given)
    return _rows(problem, {g: picks[:, j] for j, g in enumerate(problem.coordinates.groups)}, len(picks))


def _rows(problem: Problem, values: Mapping[tuple[str, ...], np.ndarray], batch: int) -> np.ndarray:
    words = problem.coordinates.parameters
    groups = problem.coordinates.groups
    u = np.stack([np.broadcast_to(w.open(values[g]), (batch,)) for g, w in zip(groups, words, strict=True)], axis=-1)
    return np.clip(u, problem.coordinates.low, problem.coordinates.high)


def projected_grid(problem: Problem, given: Mapping[str, tuple[float, ...]]) -> Grid | None:
    """The grid over the nonlinear coordinates with the basis of the linear ones, or None if there are none."""
    coordinates = problem.coordinates
    linear = [j for j, g in enumerate(coordinates.groups) if len(g) == 1 and g[0] in problem.law.linear]
    if not linear or len(linear) > 4:
        return None
    rest = [j for j in range(problem.free) if j not in linear]
    points = max(3, min(16, int(GRID ** (1 / max(len(rest), 1)))))
    ladders = [_ladder(problem, j, points, given) for j in rest]
    picks = np.array(list(product(*ladders)), float)  # (points, len(rest)), one empty row where all is linear
    picks = _in_inner_units(problem, picks, rest, given)
    values: dict[str, object] = dict(coordinates.fixed)
    for column, j in enumerate(rest):
        values.update(dict.fromkeys(coordinates.groups[j], picks[:, column : column + 1]))
    names = tuple(coordinates.groups[j][0] for j in linear)
    with np.errstate(all="ignore"):
        offset, basis = affine_parts(problem.law, dict(problem.inputs), values, names)
    shape = (len(picks), problem.runs)
    stacked = np.stack([np.broadcast_to(b, shape) for b in basis], axis=1).transpose(0, 2, 1)  # runs contiguous
    u = np.zeros((len(picks), problem.free))
    for column, j in enumerate(rest):
        u[:, j] = coordinates.parameters[j].open(picks[:, column])
    return Grid(u, stacked, np.broadcast_to(offset, shape), tuple(linear))


def project(problem: Problem, grid: Grid) -> np.ndarray:
    """Rows of coordinates: each grid point with its best linear coefficients, non-negative where they must be."""
    weight = 1 / problem.y if problem.objective.log else np.ones_like(problem.y)
    if problem.root_weights is not None:
        weight = weight * problem.root_weights
    basis = grid.basis * weight[None, :, None]
    target = (problem.y - grid.offset) * weight
    usable = np.isfinite(basis).all(axis=(1, 2)) & np.isfinite(target).all(axis=1)
    if not usable.all():
        basis, target = basis[usable], target[usable]
    gram = basis.transpose(0, 2, 1) @ basis
    moment = (basis.transpose(0, 2, 1) @ target[..., None])[..., 0]
    signed = np.array([problem.coordinates.parameters[j].transform == "real" for j in grid.linear])
    coefficients = nonnegative(gram, moment, signed)
    u = grid.u[usable].copy()
    for column, j in enumerate(grid.linear):
        word = problem.coordinates.parameters[j]
        value = coefficients[:, column]
        if word.transform == "log":  # a coefficient at zero starts small instead
            value = np.maximum(value, 1e-3 * np.min(np.abs(problem.y)) / _size(basis[..., column], weight))
        u[:, j] = word.open(value)
    return np.clip(u, problem.coordinates.low, problem.coordinates.high)


def _size(column: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return np.maximum(np.mean(np.abs(column / weight), axis=-1), 1e-300)


def nonnegative(gram: np.ndarray, moment: np.ndarray, signed: np.ndarray) -> np.ndarray:
    """Least squares from normal equations (batch, k, k) and (batch, k), coefficients >= 0 unless `signed`.

    Every set of active coefficients is solved (k is at most four) and the feasible one that explains most is kept.
    """
    k = gram.shape[-1]
    size = np.sqrt(np.maximum(np.einsum("...kk->...k", gram), 1e-300))
    shape = moment.shape
    gram = (gram / (size[..., :, None] * size[..., None, :])).reshape(-1, k, k) + 1e-12 * np.eye(k)
    moment = (moment / size).reshape(-1, k)
    best = np.linalg.solve(gram, moment[..., None])[..., 0]
    # with every coefficient in and none below zero there is nothing better: only the rest is searched
    left = np.flatnonzero(~np.all((best >= 0) | signed, axis=-1))
    best[left] = _searched(gram[left], moment[left], signed)
    return best.reshape(shape) / size


def _searched(gram: np.ndarray, moment: np.ndarray, signed: np.ndarray) -> np.ndarray:
    best = np.zeros_like(moment)
    gain = np.zeros(len(moment))
    always = [j for j in range(len(signed)) if signed[j]]
    others = [j for j in range(len(signed)) if not signed[j]]
    for count in range(len(others) - 1, -1, -1):
        for chosen in combinations(others, count):
            pick = sorted([*always, *chosen])
            if not pick:
                continue
            solved = np.linalg.solve(gram[:, pick][:, :, pick], moment[:, pick, None])[..., 0]
            explained = np.einsum("bk,bk->b", solved, moment[:, pick])
            better = np.flatnonzero(np.all((solved >= 0) | signed[pick], axis=-1) & (explained > gain))
            full = np.zeros((better.size, len(signed)))
            full[:, pick] = solved[better]
            best[better], gain[better] = full, explained[better]
    return best
