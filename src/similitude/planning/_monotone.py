"""The schedule that a fitted multi-power law calls best: rates that never rise, final loss least (Luo et al. 2025)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from similitude._schedule import Schedule
from similitude.laws import get

__all__ = ["best_monotone"]

PIECES = 60
STEEPEST = np.log(2)  # e-folds that the rate may fall by from one piece to the next
LOWEST = 1e-3  # of the peak, where the end rate is zero: its logarithm has none
RISE = 20  # pieces of the warm-up
SCALE = 1e3  # the solver's tolerances are absolute
TINY = 1e-20  # step of a complex derivative: no cancellation, so as small as one likes


def best_monotone(values: Mapping[str, float], steps: int, *, peak: float, end: float, warm_up: int) -> Schedule:
    """Rates from `peak` to no less than `end`, constant over 60 equal pieces, never rising and never falling by a jump.

    Left free, the law's optimum is a jump: a drop gains by the rate after it, so one large drop counts for more than
    the same in small ones. No schedule that is run looks so; the rate halves at most from one piece to the next.
    Falls of the rate's logarithm are found by sequential quadratic programming with exact derivatives, from the best
    of several cooldowns by equal factors.
    """
    from scipy.optimize import minimize

    edges = np.unique(np.linspace(0, steps - warm_up, PIECES + 1).astype(int))
    lengths, rise = np.diff(edges), _rise(peak, warm_up)
    deepest = float(np.log(peak / max(end, LOWEST * peak)))

    def cost(fall: np.ndarray) -> tuple[float, np.ndarray]:
        rates = peak * np.exp(-np.cumsum(fall))
        loss, by_rate = _final(values, rates, lengths, *rise)
        return SCALE * loss, -SCALE * np.cumsum((by_rate * rates)[::-1])[::-1]

    starts = _starts(len(lengths), deepest)
    found = minimize(
        cost,
        min(starts, key=lambda fall: cost(fall)[0]),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, STEEPEST)] * len(lengths),
        constraints={
            "type": "ineq",
            "fun": lambda fall: deepest - fall.sum(),
            "jac": lambda fall: -np.ones(len(fall)),
        },
        options={"maxiter": 300, "ftol": 1e-7},
    )
    fall = np.clip(found.x, 0.0, STEEPEST)
    fall *= min(1.0, deepest / fall.sum())
    best = peak * np.exp(-np.cumsum(fall))
    whole = np.concatenate([np.arange(1, warm_up + 1) * peak / max(warm_up, 1), np.repeat(best, lengths)])
    return Schedule(whole, warm_up, "optimised")


def _rise(peak: float, warm_up: int) -> tuple[np.ndarray, np.ndarray]:
    """Rates and lengths of the warm-up's pieces."""
    count = min(RISE, warm_up)
    edges = np.linspace(0, warm_up, count + 1).astype(int)
    middle = (edges[1:] + edges[:-1] + 1) / 2
    return peak * middle / max(warm_up, 1), np.diff(edges)


def _starts(pieces: int, deepest: float) -> list[np.ndarray]:
    """Falls by equal factors over the last part of the run, as steep as they may be where it is short."""
    place, starts = np.arange(pieces) / pieces, []
    for share in (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0):
        late = place >= 1 - share
        starts.append(np.where(late, min(deepest / late.sum(), STEEPEST), 0.0))
    return starts


def _final(
    values: Mapping[str, float], rates: np.ndarray, lengths: np.ndarray, rise: np.ndarray, risen: np.ndarray
) -> tuple[float, np.ndarray]:
    """The last loss and its derivatives by the rates (pieces,), by complex steps."""
    count = len(rates)
    batch = np.repeat(rates[:, None].astype(complex), count + 1, axis=1)
    batch[np.arange(count), np.arange(count)] += 1j * TINY
    whole = np.concatenate([np.repeat(rise[:, None].astype(complex), count + 1, axis=1), batch])
    area = np.cumsum((whole * np.concatenate([risen, lengths])[:, None])[::-1], axis=0)[::-1]
    drop = -np.diff(whole, axis=0, prepend=0)
    told: Any = get("multi_power").arrays_function
    rate = np.maximum(np.real(whole), 1e-12) + 1j * np.imag(whole)
    loss = told(area[0], drop, rate, area, **values)
    return float(np.real(loss[-1])), np.imag(loss[:-1]) / TINY
