"""The best inputs of any law under any cost: Newton's steps on the conditions of optimality, many rows at once.

The free inputs are held by their logarithms z, each in a box. With the cost c and a budget, the loss f is least where
grad f + m grad log c = 0 along the inputs inside their boxes; with a target loss the two change places. Slopes are
exact (dual numbers), curvatures are central differences of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from similitude._dual import Dual
from similitude.laws import Law
from similitude.planning._cost import Cost
from similitude.planning._surface import LogDual

__all__ = ["Best", "Space"]

Params = Mapping[str, Any]
ROUNDS = 60
STEP = 1e-4  # of a central difference of exact slopes, in a logarithm
LONGEST = 2.0  # the longest step in a logarithm
TIGHT = 1e-13  # of the conditions of optimality, relative to the slopes in them
GOOD = 1e-6  # what counts as solved
LATTICE = {0: 1, 1: 241, 2: 61, 3: 25}  # points an axis where a start is looked for, by number of axes
SCATTERED = 8192  # points where there are more axes than a lattice can have
FEW = 64  # rows that may each have a lattice of their own


@dataclass(frozen=True)
class Best:
    """Optima, a row each: log inputs (rows, k), value, log cost, what a unit of log cost buys, solved or not."""

    z: np.ndarray
    value: np.ndarray
    log_cost: np.ndarray
    price: np.ndarray
    solved: np.ndarray


@dataclass(frozen=True)
class Space:
    """A law over its free inputs, the others held, a box for each logarithm; `sign` is -1 where more is better."""

    law: Law
    cost: Cost
    free: tuple[str, ...]
    held: Mapping[str, float]
    low: np.ndarray
    high: np.ndarray
    sign: float = 1.0

    def value(self, params: Params, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is to be least, (rows,), and its slopes (rows, k) at logarithms z (rows, k)."""
        duals = {k: LogDual(z[..., j], {j: 1.0}) for j, k in enumerate(self.free)}
        out = self.law.evaluate({**self.held, **duals}, params)
        shape = z.shape[:-1]
        if not isinstance(out, Dual):
            return np.broadcast_to(self.sign * np.asarray(out, float), shape), np.zeros(z.shape)
        slopes = [np.broadcast_to(out.partials.get(j, 0.0), shape) for j in range(len(self.free))]
        return self.sign * np.broadcast_to(out.value, shape), self.sign * np.stack(slopes, -1)

    def spent(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log cost (rows,) and its slopes (rows, k)."""
        log, slopes = self.cost.log_slopes({k: z[..., j] for j, k in enumerate(self.free)}, self.held)
        shape = z.shape[:-1]
        return np.broadcast_to(log, shape), np.stack([np.broadcast_to(s, shape) for s in slopes], -1)

    def least(self, params: Params, goal: Any, start: np.ndarray | None = None, *, target: bool = False) -> Best:
        """The optimum of every row of parameters at a log budget `goal`, or at a target value with `target`.

        `start` (k,) or (rows, k) is a point near; rows that it does not lead home are searched on a lattice.
        """
        params = {k: np.atleast_1d(np.asarray(v, float)) for k, v in params.items()}
        rows = max(max(map(len, params.values())), np.size(goal))
        goal = np.broadcast_to(np.asarray(goal, float), (rows,))
        with np.errstate(all="ignore"):
            if start is None:
                begin = self._lattice(params, goal, target)
            else:
                begin = np.broadcast_to(start, (rows, len(self.free)))
            best = self._newton(params, goal, np.array(begin, float), target)
            if start is not None and np.any(lost := ~best.solved):
                best = self._again(params, goal, best, lost, target)
        return best

    def bend(self, params: Params, best: Best) -> np.ndarray:
        """The curvature (rows, k, k) of value + price * log cost at optima: half its square over a step is regret."""
        with np.errstate(all="ignore"):
            return self._curvature(params, best.z, best.price, False)

    @property
    def dearest(self) -> float:
        """log of the highest cost within the boxes, at a corner of them."""
        corners = np.array(list(itertools.product(*zip(self.low, self.high, strict=True))))
        with np.errstate(all="ignore"):
            return float(np.nanmax(self.spent(corners)[0]))

    def within(self, params: Params, log_budget: float, start: np.ndarray | None = None) -> Best:
        """The best of one row of parameters for at most a budget: the whole of it, or as far as boxes and law allow.

        Where the value turns before the budget is spent, the cost at which one more unit buys nothing is found.
        """
        if log_budget >= self.dearest - 1e-12:
            value, slope = self.value(params, self.high[None])
            if np.all(slope <= 0):
                log_cost = self.spent(self.high[None])[0]
                return Best(self.high[None], self.sign * value, log_cost, np.zeros(1), np.ones(1, bool))
            log_budget = self.dearest - 1e-9
        best = self.least(params, log_budget, start)
        if best.price[0] >= 0:
            return best
        low, high = float(self.spent(self.low[None])[0][0]) + 1e-6, log_budget
        for _ in range(50):
            middle = 0.5 * (low + high)
            if self.least(params, middle, best.z).price[0] > 0:
                low = middle
            else:
                high = middle
        return self.least(params, low, best.z)

    def _again(self, params: Params, goal: np.ndarray, best: Best, lost: np.ndarray, target: bool) -> Best:
        """Rows that no start led home, from a lattice of their own."""
        where = np.flatnonzero(lost)
        fields = [np.array(x) for x in (best.z, best.value, best.log_cost, best.price, best.solved)]
        for part in np.array_split(where, max(1, len(where) // FEW)):
            found = self.least(_rows(params, part), goal[part], target=target)
            for whole, new in zip(fields, (found.z, found.value, found.log_cost, found.price, found.solved)):
                whole[part] = new
        return Best(*fields)

    # -- Newton ----------------------------------------------------------------------------------------------------

    def _newton(self, params: Params, goal: np.ndarray, z: np.ndarray, target: bool) -> Best:
        z = np.clip(z, self.low, self.high)
        reach = np.full(len(z), LONGEST)
        before = np.full(len(z), np.inf)
        running = np.arange(len(z))
        error = np.full(len(z), np.inf)
        for _ in range(ROUNDS):
            part = _rows(params, running)
            here = z[running]
            state = self._conditions(part, goal[running], here, target)
            error[running] = state.error
            worse = state.error > 2 * before[running]
            reach[running] = np.where(worse, 0.25 * reach[running], np.minimum(2 * reach[running], LONGEST))
            before[running] = np.minimum(before[running], state.error)
            going = state.error > TIGHT
            if not going.any():
                break
            running, here, part = running[going], here[going], _rows(part, going)
            step = self._inside(part, here, state.kept(going), target)
            far = np.max(np.abs(step), axis=-1)
            step *= np.minimum(1.0, reach[running] / np.maximum(far, 1e-300))[:, None]
            step *= self._room(here, step)[:, None]
            z[running] = np.clip(np.where(np.isfinite(step), here + step, here), self.low, self.high)
        value, slope = self.value(params, z)
        log_cost, paid = self.spent(z)
        free = ~self._held_back(z, slope, paid, target)
        price = _multiplier(*((paid, slope) if target else (slope, paid)), free)
        gap = value - goal if target else log_cost - goal
        solved = (error < GOOD) & (np.abs(gap) < 1e-7)
        return Best(z, self.sign * value, log_cost, 1 / price if target else price, solved)

    def _conditions(self, params: Params, goal: np.ndarray, z: np.ndarray, target: bool) -> _State:
        value, slope = self.value(params, z)
        log_cost, paid = self.spent(z)
        (f, h, gap) = (paid, slope, value - goal) if target else (slope, paid, log_cost - goal)
        fixed = self._held_back(z, slope, paid, target)
        price = _multiplier(f, h, ~fixed)
        left = np.where(fixed, 0.0, f + price[:, None] * h)
        size = np.max(np.abs(f), axis=-1) + 1e-300
        scale = np.maximum(np.max(np.abs(np.where(fixed, 0.0, h)), axis=-1), 1e-300)
        error = np.maximum(np.max(np.abs(left), axis=-1) / size, np.abs(gap) / np.maximum(scale, 1e-3))
        return _State(f, h, gap, fixed, price, np.where(np.isfinite(error), error, np.inf))

    def _held_back(self, z: np.ndarray, slope: np.ndarray, paid: np.ndarray, target: bool) -> np.ndarray:
        """Inputs that stay at an end of their box: there, and going inwards would make things worse."""
        at_low, at_high = z <= self.low, z >= self.high
        inside = ~(at_low | at_high)
        f, h = (paid, slope) if target else (slope, paid)
        price = _multiplier(f, h, np.where(inside.any(-1, keepdims=True), inside, True))
        along = f + price[:, None] * h
        return (at_low & (along >= 0)) | (at_high & (along <= 0))

    def _inside(self, params: Params, z: np.ndarray, state: _State, target: bool) -> np.ndarray:
        """The step, with inputs at an end of their box that it would carry out of it held there."""
        step = self._step(params, z, state, target)
        for _ in range(z.shape[-1] - 1):
            out = ((z <= self.low) & (step < 0)) | ((z >= self.high) & (step > 0))
            if not out.any():
                break
            state = replace(state, fixed=state.fixed | out)
            step = self._step(params, z, state, target)
        return step

    def _room(self, z: np.ndarray, step: np.ndarray) -> np.ndarray:
        """The share of a step, (rows,), after which the first input comes to an end of its box."""
        ends = np.where(step > 0, self.high, self.low)
        room = np.where(step != 0, (ends - z) / np.where(step != 0, step, 1.0), np.inf)
        return np.minimum(1.0, np.min(np.where(room > 0, room, np.inf), axis=-1))

    def _step(self, params: Params, z: np.ndarray, state: _State, target: bool) -> np.ndarray:
        """The step that meets the budget to first order and is Newton's across it."""
        free = (~state.fixed).astype(float)
        h = state.h * free
        bend = self._curvature(params, z, state.price, target) * free[:, :, None] * free[:, None, :]
        bend += np.eye(z.shape[-1]) * (1 - free)[:, :, None]
        square = np.maximum(np.sum(h * h, -1, keepdims=True), 1e-300)
        normal = -state.gap[:, None] * h / square
        across = _tangent(h, square)
        left = (state.f + state.price[:, None] * state.h) * free
        turned = left + np.einsum("bij,bj->bi", bend, normal)
        reduced = np.einsum("bji,bjk,bkl->bil", across, bend, across)
        right = np.einsum("bji,bj->bi", across, turned)
        return normal + np.einsum("bij,bj->bi", across, -_solved(reduced, right))

    def _curvature(self, params: Params, z: np.ndarray, price: np.ndarray, target: bool) -> np.ndarray:
        """The Hessian (rows, k, k) of loss + price * log cost, or with the two exchanged."""
        columns = []
        for j in range(z.shape[-1]):
            ends = []
            for side in (STEP, -STEP):
                moved = z.copy()
                moved[:, j] += side
                slope, paid = self.value(params, moved)[1], self.spent(moved)[1]
                f, h = (paid, slope) if target else (slope, paid)
                ends.append(f + price[:, None] * h)
            columns.append((ends[0] - ends[1]) / (2 * STEP))
        bend = np.stack(columns, -1)
        return 0.5 * (bend + np.swapaxes(bend, -1, -2))

    # -- where to start --------------------------------------------------------------------------------------------

    def _lattice(self, params: Params, goal: np.ndarray, target: bool) -> np.ndarray:
        """The lowest point of a lattice on the surface of the budget, a local minimum of it where there is one."""
        payer = self._payer(params)
        axes = [j for j in range(len(self.free)) if j != payer]
        points, shape = self._points(axes)
        out = np.empty((len(goal), len(self.free)))
        for i in range(len(goal)):
            one = _rows(params, np.array([i]))
            z = np.empty((max(len(points), 1), len(self.free)))
            z[:, axes] = points
            z[:, payer] = self._paid_for(one, z, payer, goal[i], target)
            height = self.spent(z)[0] if target else self.value(one, z)[0]
            height = np.where(np.isfinite(z[:, payer]) & np.isfinite(height), height, np.inf)
            out[i] = z[_lowest(height.reshape(shape))]
        return out

    def _points(self, axes: list[int]) -> tuple[np.ndarray, tuple[int, ...]]:
        """Where to look along all inputs but the payer: a lattice, or points spread evenly where one is too large."""
        if len(axes) in LATTICE:
            count = LATTICE[len(axes)]
            lines = (np.linspace(self.low[j], self.high[j], count) for j in axes)
            return np.array(list(itertools.product(*lines))), (count,) * len(axes)
        from scipy.stats import qmc

        spread = qmc.Sobol(len(axes), scramble=False).random(SCATTERED)
        return self.low[axes] + spread * (self.high - self.low)[axes], (SCATTERED,)

    def _payer(self, params: Params) -> int:
        """The input that takes what the others leave: one whose cost rises with it, the widest box first."""
        middle = np.clip(0.5 * (self.low + self.high), -700, 700)[None]
        rising = self.spent(middle)[1][0] > 0
        return int(np.argmax(np.where(rising, self.high - self.low, -1.0)))

    def _paid_for(self, params: Params, z: np.ndarray, payer: int, goal: float, target: bool) -> np.ndarray:
        """log of the payer that meets the goal, the others given; NaN outside its box."""
        low, high = np.full(len(z), self.low[payer]), np.full(len(z), self.high[payer])

        def over(x: np.ndarray) -> np.ndarray:
            moved = z.copy()
            moved[:, payer] = x
            return goal - self.value(params, moved)[0] if target else self.spent(moved)[0] - goal

        held = (over(low) <= 0) & (over(high) >= 0)
        for _ in range(50):
            middle = 0.5 * (low + high)
            under = over(middle) < 0
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return np.where(held, 0.5 * (low + high), np.nan)


@dataclass(frozen=True)
class _State:
    """Slopes f of what is least and h of what is met, the gap to the goal, inputs at their ends, multiplier, error."""

    f: np.ndarray
    h: np.ndarray
    gap: np.ndarray
    fixed: np.ndarray
    price: np.ndarray
    error: np.ndarray

    def kept(self, rows: np.ndarray) -> _State:
        return _State(*(x[rows] for x in (self.f, self.h, self.gap, self.fixed, self.price, self.error)))


def _multiplier(f: np.ndarray, h: np.ndarray, free: np.ndarray) -> np.ndarray:
    """The multiplier that makes f + m h least over the free inputs, (rows,)."""
    masked = np.where(free, h, 0.0)
    return -np.sum(f * masked, -1) / np.maximum(np.sum(masked * masked, -1), 1e-300)


def _tangent(h: np.ndarray, square: np.ndarray) -> np.ndarray:
    """(rows, k, k - 1): an orthonormal basis across h, columns of Householder's reflection of h onto an axis."""
    k = h.shape[-1]
    length = np.sqrt(square[..., 0])
    first = np.argmax(np.abs(h), axis=-1)
    v = h.copy()
    rows = np.arange(len(h))
    v[rows, first] += np.where(h[rows, first] < 0, -length, length)
    norm = np.maximum(np.sum(v * v, -1), 1e-300)
    whole = np.eye(k) - 2 * v[:, :, None] * v[:, None, :] / norm[:, None, None]
    keep = np.array([[j for j in range(k) if j != i] for i in range(k)], int).reshape(k, k - 1)
    return np.take_along_axis(whole, np.broadcast_to(keep[first][:, None, :], (len(h), k, k - 1)), axis=2)


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """matrix^-1 right with every curvature taken as positive, so that the step goes down."""
    size = matrix.shape[-1]
    if size == 0:
        return np.zeros(right.shape)
    matrix = np.where(np.isfinite(matrix), matrix, 0.0)
    if size == 1:
        bend = np.abs(matrix[:, 0, 0])
        return right / np.maximum(bend, 1e-12 * (1 + bend))[:, None]
    bends, turns = np.linalg.eigh(matrix)
    bends = np.abs(bends)
    bends = np.maximum(bends, 1e-9 * bends.max(-1, keepdims=True) + 1e-300)
    return np.einsum("bij,bj->bi", turns, np.einsum("bji,bj->bi", turns, right) / bends)


def _lowest(height: np.ndarray) -> int:
    """The flat index of the lowest point that no neighbour along an axis undercuts and that is not at an outer end.

    Some laws fall for ever along an edge of a very wide box: a minimum inside is what is asked for. Where there is
    none, the lowest point of all.
    """
    inner = np.isfinite(height)
    for axis in range(height.ndim if height.shape != (SCATTERED,) else 0):
        moved = np.moveaxis(height, axis, 0)
        ok = np.zeros(moved.shape, bool)
        ok[1:-1] = (moved[1:-1] <= moved[:-2]) & (moved[1:-1] <= moved[2:])
        inner &= np.moveaxis(ok, 0, axis)
    pick = np.where(inner, height, np.inf) if inner.any() else height
    return int(np.argmin(pick))


def _rows(params: Params, rows: np.ndarray) -> dict[str, Any]:
    return {k: v[rows] if len(v) > 1 else v for k, v in params.items()}
