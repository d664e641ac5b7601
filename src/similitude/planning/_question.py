"""What is asked of a plan, and the choice of N and D that answers it for any values of the law's parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from similitude._dual import Dual
from similitude.planning._power import PowerSum, is_power_sum
from similitude.planning._root import rising_root
from similitude.planning._solve import as_rows, follow, minimise, rows_of
from similitude.planning._surface import Surface

__all__ = ["Question", "least_flop"]

Params = Mapping[str, Any]
DECADES = np.arange(8.0, 43.0) * np.log(10.0)  # log FLOP at which a target loss is looked for
NEARBY = np.array([-9.0, -3.0, -1.0, -0.2, 0.0, 0.01]) * np.log(10.0)  # where a cost that suffices is known
ROUNDS = 30
LOG_MIN, LOG_MAX = np.log(1.0), np.log(1e40)  # of N and of D, where one is sought and the other given


@dataclass(frozen=True)
class Question:
    """A budget or a target loss, what is fixed beforehand, and a cap on parameters; logarithms of counts."""

    surface: Surface
    log_flop: float | None = None
    loss: float | None = None
    log_n: float | None = None
    log_d: float | None = None
    log_cap: float | None = None
    closed: bool = False
    given: Mapping[str, float] = field(default_factory=dict)  # N, D or flop as they were written, before logarithms
    near: tuple[float, float] | None = None  # log cost and log D of the answer at nearby parameters, to start from

    @classmethod
    def of(cls, surface: Surface, values: Params, **asked: Any) -> Question:
        """The question, having looked whether the law has the closed form."""
        return cls(surface, **asked, closed=is_power_sum(surface, values))

    @property
    def free(self) -> bool:
        """Whether N and D are both chosen, without a cap."""
        return self.log_n is None and self.log_d is None and self.log_cap is None

    def choose(self, params: Params) -> tuple[Any, Any]:
        """(log N, log D) for each row of parameters, shape (rows,); NaN where there is no answer."""
        with np.errstate(all="ignore"):
            return self._choose(params)

    def _choose(self, params: Params) -> tuple[Any, Any]:
        if self.log_n is not None:
            return self._with_parameters(params, self.log_n)
        if self.log_d is not None:
            return self._with_tokens(params, self.log_d)
        log_n, log_d = self._optimum(params)
        if self.log_cap is None:
            return log_n, log_d
        over = ~(log_n <= self.log_cap)
        capped = self._with_parameters(params, self.log_cap)
        return np.where(over, capped[0], log_n), np.where(over, capped[1], log_d)

    def _optimum(self, params: Params) -> tuple[Any, Any]:
        if self.closed:
            form = PowerSum.read(self.surface, params)
            log_flop = self.log_flop if self.log_flop is not None else form.log_flop_for(self.loss)
            return form.log_parameters(log_flop), form.log_tokens(log_flop)
        if self.log_flop is not None:
            log_flop: Any = self.log_flop
        elif self.near is not None:
            return self._followed(params, self.near)
        else:
            log_flop = least_flop(self.surface, params, self.loss)
        best = minimise(self.surface, params, np.reshape(log_flop, (-1, 1)))
        return best.log_n[:, 0], best.log_d[:, 0]

    def _followed(self, params: Params, near: tuple[float, float]) -> tuple[Any, Any]:
        """The cheapest way to the loss, started from the answer at nearby parameters; searched for where that fails."""
        log_flop, log_d = follow(self.surface, params, self.loss, near)
        log_n = self.surface.log_parameters(log_flop, log_d)
        if np.any(lost := ~np.isfinite(log_n)):
            part = {k: v[lost] if np.ndim(v) and len(v) > 1 else v for k, v in params.items()}
            log_n[lost], log_d[lost] = replace(self, near=None).choose(part)
        return log_n, log_d

    def _with_parameters(self, params: Params, log_n: float) -> tuple[Any, Any]:
        fixed = np.full(rows_of(as_rows(params)), log_n)
        if self.log_flop is not None:
            return fixed, np.broadcast_to(self.surface.log_tokens(self.log_flop, log_n), fixed.shape)
        if self.loss is not None:
            return fixed, self._cross(params, lambda x: (fixed, x), self.loss)
        return fixed, self._balance(params, lambda x: (fixed, x), 1.0)

    def _with_tokens(self, params: Params, log_d: float) -> tuple[Any, Any]:
        fixed = np.full(rows_of(as_rows(params)), log_d)
        if self.log_flop is not None:
            return np.broadcast_to(self.surface.log_parameters(self.log_flop, log_d), fixed.shape), fixed
        if self.loss is not None:
            return self._cross(params, lambda x: (x, fixed), self.loss), fixed
        return self._balance(params, lambda x: (x, fixed), -1.0), fixed

    def _cross(self, params: Params, place: Callable[[Any], tuple[Any, Any]], loss: float) -> Any:
        """Where the loss comes down to a target as the free one of N and D grows."""
        ends = np.full((2, rows_of(as_rows(params))), [[LOG_MIN], [LOG_MAX]])
        return rising_root(lambda x: loss - self.surface.loss(params, *place(x)), *ends)

    def _balance(self, params: Params, place: Callable[[Any], tuple[Any, Any]], sign: float) -> Any:
        """Where another FLOP does as much good in N as in D: the slope along the cost curve changes sign."""

        def slope(x: Any) -> Any:
            log_n, log_d = place(x)
            _, by_n, by_d = self.surface.slopes(params, log_n, log_d)
            weight = 1.0 / (1.0 + self.surface.inference_tokens / 3 * np.exp(-log_d))
            # the ratio has the sign of the slope and is of order one wherever the search looks
            return sign * (by_d - weight * by_n) / (np.abs(by_d) + np.abs(by_n))

        ends = np.full((2, rows_of(as_rows(params))), [[LOG_MIN], [LOG_MAX]])
        return rising_root(slope, *ends)

    def target(self, pick: Callable[[Any, Any], Any]) -> Callable[[Params], Any]:
        """A function of the law's parameters, `pick(log N, log D)` of the choice, that takes dual numbers too."""

        def value(params: Params) -> Any:
            if not any(isinstance(v, Dual) for v in params.values()):
                return pick(*self.choose(params))
            if self.closed and self.free:
                return pick(*self._optimum(params))
            return _differenced(lambda p: pick(*self.choose(p)), params)

        return value


def least_flop(surface: Surface, params: Params, loss: Any, below: float | None = None) -> np.ndarray:
    """log of the least cost that reaches a loss, for each row of parameters; NaN where none does below 1e42 FLOP.

    `loss` is a scalar or (rows,); `below` a log cost known to suffice. Newton's steps on L*(C), whose slope by log C is
    by the envelope theorem the law's slope by log N, kept in a bracket; L* is convex, so they converge from below.
    """
    params = as_rows(params)
    costs = DECADES if below is None else below + NEARBY
    rows = max(rows_of(params), np.size(loss))
    target = np.broadcast_to(np.ravel(np.asarray(loss, float)), (rows,))
    params = {k: np.broadcast_to(v, (rows, 1)) if rows_of(params) < rows else v for k, v in params.items()}
    best = minimise(surface, params, np.broadcast_to(costs, (rows, len(costs))), rounds=1).loss
    with np.errstate(all="ignore"):
        reached = (best[:, 1:] <= target[:, None]) & (best[:, :-1] > target[:, None])
        k = np.argmax(reached, axis=1)
        # a grid's minimum lies above the true one: the crossing may be one interval earlier than it says
        start, low, high = (np.where(reached.any(1), costs[np.maximum(k + j, 0)], np.nan) for j in (0, -1, 1))
        log_flop = start
        for _ in range(ROUNDS):
            found = minimise(surface, params, log_flop[:, None])
            _, slope, _ = surface.slopes(params, found.log_n, found.log_d)
            step = (target - found.loss[:, 0]) / np.reshape(slope, (rows, -1))[:, 0]
            log_flop, before = np.clip(log_flop + step, low, high), log_flop
            if not np.any(np.abs(log_flop - before) > 1e-12 * log_flop):
                break
    return log_flop


def _differenced(function: Callable[[Params], Any], params: Params) -> Dual:
    """The function at dual parameters, its slopes by central differences: for answers that a search has found."""
    plain = {k: np.atleast_1d(np.asarray(v.value if isinstance(v, Dual) else v, float)) for k, v in params.items()}
    value = function(plain)
    partials: dict[int, Any] = {}
    for name, given in params.items():
        if not isinstance(given, Dual) or not given.partials:
            continue
        step = 1e-4 * np.maximum(np.abs(plain[name]), 1e-8)
        up, down = (function({**plain, name: plain[name] + s * step}) for s in (1, -1))
        slope = (up - down) / (2 * step)
        for seed, partial in given.partials.items():
            partials[seed] = partials.get(seed, 0.0) + slope * partial
    return Dual(value, partials)
