"""The least loss along curves of constant cost, for any law: a coarse grid, then safeguarded Newton steps, in batches.

The search runs over log D at constant cost. Parameters have shape (rows, 1), costs (budgets,): answers (rows, budgets).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude.planning._surface import LOG_RULE, Surface

__all__ = ["Optimum", "as_rows", "follow", "minimise", "rows_of"]

Params = Mapping[str, Any]
# tokens per parameter from 1e-6 to 1e9: half as many decades in D around sqrt(C / 6)
REACH = (-3 * np.log(10.0), 4.5 * np.log(10.0))
GRID = 32
FINE = 256  # for a few problems, where a narrow valley must not be missed
FEW = 64
NODES = 9
NEAR = 0.5  # of log D: closer than this a guess is polished, farther it is found anew
CHUNK = 150_000  # numbers in one grid evaluation: stays in the cache
TOLERANCE = 1e-10
ROUNDS = 60


@dataclass(frozen=True)
class Optimum:
    """Where loss is least at a cost: log N, log D and loss, shape (rows, budgets); NaN where no interior minimum is.

    `edge` is the loss at the better end of the search range: lower than `loss` means the law has another branch.
    """

    log_n: np.ndarray
    log_d: np.ndarray
    loss: np.ndarray
    edge: np.ndarray


def rows_of(params: Params) -> int:
    """The number of parameter rows."""
    return max((np.shape(v)[0] for v in params.values() if np.ndim(v)), default=1)


def as_rows(params: Params) -> dict[str, np.ndarray]:
    """Parameters as (rows, 1), or (1, 1) for a scalar."""
    return {k: np.reshape(np.asarray(v, float), (-1, 1)) for k, v in params.items()}


def minimise(surface: Surface, params: Params, log_flop: Any, rounds: int = ROUNDS) -> Optimum:
    """The interior minimum of loss along each cost, for each row of parameters.

    `params` are scalars or (rows,); `log_flop` is a scalar, (budgets,) or (rows, budgets). `rounds` of Newton's steps:
    one leaves the vertex of the grid's parabola, good to about 1e-4 of the reducible loss.
    """
    params = as_rows(params)
    rows = rows_of(params)
    costs = np.broadcast_to(np.atleast_2d(np.asarray(log_flop, float)), (rows, np.shape(np.atleast_2d(log_flop))[1]))
    shared = np.ndim(log_flop) <= 1 and costs.shape[1] > 2 * NODES
    step = max(1, CHUNK // (GRID * min(costs.shape[1], NODES if shared else costs.shape[1])))
    parts = []
    for start in range(0, rows, step):
        part = {k: v[start : start + step] if len(v) > 1 else v for k, v in params.items()}
        here = costs[start : start + step]
        parts.append(_by_nodes(surface, part, here) if shared else _by_grid(surface, part, here, rounds))
    return Optimum(*(np.concatenate([p[j] for p in parts]) for j in range(4)))


Answer = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _answer(surface: Surface, costs: np.ndarray, log_d: np.ndarray, loss: np.ndarray, edge: np.ndarray) -> Answer:
    return surface.log_parameters(costs, log_d), log_d, loss, np.broadcast_to(edge, log_d.shape)


def _by_grid(surface: Surface, params: Params, costs: np.ndarray, rounds: int = ROUNDS) -> Answer:
    log_d, curvature, spacing, edge = _start(surface, params, costs)
    log_d, loss = _polish(surface, params, costs, log_d, (curvature, spacing), rounds)
    return _answer(surface, costs, log_d, loss, edge)


def _start(surface: Surface, params: Params, costs: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
    """The vertex and curvature of the parabola through the lowest interior grid point and its neighbours."""
    offsets = np.linspace(*REACH, GRID if costs.size > FEW else FINE)
    spacing = float(offsets[1] - offsets[0])
    centre = (costs - LOG_RULE) / 2
    log_d = centre[..., None] + offsets
    wide = {k: v[..., None] for k, v in params.items()}
    with np.errstate(all="ignore"):
        loss = surface.loss(wide, surface.log_parameters(costs[..., None], log_d), log_d)
        loss = np.where(np.isfinite(loss), loss, np.inf)
        inner = loss[..., 1:-1]
        lowest = (inner <= loss[..., :-2]) & (inner < loss[..., 2:])
        k = np.argmin(np.where(lowest, inner, np.inf), axis=-1)[..., None]
        left, here, right = (np.take_along_axis(loss, k + j, -1)[..., 0] for j in range(3))
        bend = left - 2 * here + right
        shift = np.clip(0.5 * (left - right) / bend, -1.0, 1.0)
        start = centre + offsets[k[..., 0] + 1] + np.where(np.isfinite(shift), shift, 0.0) * spacing
    start = np.where(lowest.any(-1), start, np.nan)
    return start, bend / spacing**2, spacing, np.minimum(loss[..., 0], loss[..., -1])


def _polish(
    surface: Surface,
    params: Params,
    costs: np.ndarray,
    log_d: np.ndarray,
    shape: tuple[np.ndarray, float],
    rounds: int = ROUNDS,
) -> tuple[np.ndarray, np.ndarray]:
    """Newton steps on the exact slope, curvature by secant, kept inside a bracket that bisection shrinks.

    `shape` is the curvature to begin with and how far the bracket reaches. Returns log D and the loss one step before.
    """
    curvature, reach = shape
    low, high = log_d - 2 * reach, log_d + 2 * reach
    before: tuple[np.ndarray, np.ndarray] | None = None
    loss = np.full(log_d.shape, np.nan)
    with np.errstate(all="ignore"):
        for _ in range(rounds):
            loss, slope = surface.along(params, costs, log_d)
            low, high = np.where(slope < 0, log_d, low), np.where(slope > 0, log_d, high)
            if before is not None:
                moved = log_d - before[0]
                secant = (slope - before[1]) / moved
                curvature = np.where((np.abs(moved) > 1e-12) & np.isfinite(secant), secant, curvature)
            next_d = log_d - slope / curvature
            outside = ~((curvature > 0) & (next_d >= low) & (next_d <= high))
            next_d = np.where(outside, 0.5 * (low + high), next_d)
            step = np.abs(next_d - log_d)
            before, log_d = (log_d, slope), next_d
            if not np.any(step > TOLERANCE * (1 + np.abs(log_d))):
                break
    return log_d, loss


def follow(surface: Surface, params: Params, loss: Any, near: tuple[Any, Any]) -> tuple[np.ndarray, np.ndarray]:
    """(log cost, log D) of the least cost for a loss, from a cost and tokens near it; NaN for rows where that fails.

    Two equations at once: the loss is reached, and its slope along the cost curve is zero. By the envelope theorem the
    first hardly depends on D, so each is stepped by its own slope.
    """
    params = as_rows(params)
    rows = rows_of(params)
    log_flop, log_d = (np.broadcast_to(np.reshape(x, (-1, 1)), (rows, 1)).astype(float) for x in near)
    bend, slope, step = np.ones((rows, 1)), np.ones((rows, 1)), np.ones((rows, 1))
    with np.errstate(all="ignore"):
        for k in range(ROUNDS // 2):
            if k in (0, 2, 4):
                bend = _bend(surface, params, log_flop, log_d)
            here, by_n, by_d = surface.slopes(params, surface.log_parameters(log_flop, log_d), log_d)
            slope = by_d + surface.exchange(log_d) * by_n
            step = (loss - here) / by_n
            log_flop = log_flop + np.clip(step, -1, 1)
            log_d = log_d - np.clip(slope / bend, -1, 1)
            if np.all((np.abs(step) < 1e-11) & (np.abs(slope / bend) < 1e-9)):
                break
        found = (np.abs(step) < 1e-8) & (np.abs(slope / bend) < 1e-7) & (bend > 0)
    return np.where(found, log_flop, np.nan)[:, 0], np.where(found, log_d, np.nan)[:, 0]


def _by_nodes(surface: Surface, params: Params, costs: np.ndarray) -> Answer:
    """Many budgets: solve at a few Chebyshev nodes, interpolate log D* in log C, and correct by exact Newton steps.

    log D* is nearly linear in log C, so the start is good to many digits; rows where it is not are solved in full.
    """
    ends = costs[0].min(), costs[0].max()
    nodes = 0.5 * (ends[0] + ends[1]) - 0.5 * (ends[1] - ends[0]) * np.cos(np.pi * np.arange(NODES) / (NODES - 1))
    at_nodes = np.broadcast_to(nodes, (costs.shape[0], NODES))
    start, curvature, spacing, edge = _start(surface, params, at_nodes)
    log_d, _ = _polish(surface, params, at_nodes, start, (curvature, spacing))
    weights = _barycentric(nodes, costs[0])
    guess = log_d @ weights
    bend = np.exp(np.log(np.maximum(_bend(surface, params, at_nodes, log_d), 1e-300)) @ weights)
    with np.errstate(all="ignore"):
        loss, slope = surface.along(params, costs, guess)
        step = -slope / bend
    edge = np.broadcast_to(np.min(edge, axis=1, keepdims=True), costs.shape)
    log_d = guess + step
    far = ~np.all(np.abs(step) < 1e-6, axis=1)
    lost = ~np.all(np.abs(step) < NEAR, axis=1)
    if np.any(near := far & ~lost):
        log_d[near], loss[near] = _polish(surface, _rows(params, near), costs[near], log_d[near], (bend[near], NEAR))
    if np.any(lost):
        solved = _by_grid(surface, _rows(params, lost), costs[lost])
        log_d[lost], loss[lost] = solved[1], solved[2]
    return _answer(surface, costs, log_d, loss, edge)


def _rows(params: Params, chosen: np.ndarray) -> dict[str, Any]:
    return {k: v[chosen] if len(v) > 1 else v for k, v in params.items()}


def _bend(surface: Surface, params: Params, costs: np.ndarray, log_d: np.ndarray) -> np.ndarray:
    """d2 loss / d log D^2 along the curve, by central difference of the exact slope."""
    with np.errstate(all="ignore"):
        up, down = (surface.along(params, costs, log_d + h)[1] for h in (1e-4, -1e-4))
    return (up - down) / 2e-4


def _barycentric(nodes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The matrix that interpolates values at Chebyshev points of the second kind to `points`: (nodes, points)."""
    signs = (-1.0) ** np.arange(len(nodes))
    signs[[0, -1]] *= 0.5
    gaps = points[None, :] - nodes[:, None]
    hit = np.abs(gaps) < 1e-12
    terms = signs[:, None] / np.where(hit, 1.0, gaps)
    weights = terms / terms.sum(0)
    return np.where(hit.any(0), hit.astype(float), weights)
