"""The schedule that a fitted multi-power law calls best: rates that never rise, final loss least (Luo et al. 2025)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from similitude._schedule import Schedule
from similitude.laws import get

__all__ = ["best_monotone"]

PIECES = 60
RISE = 20  # pieces of the warm-up
TINY = 1e-20  # step of a complex derivative: no cancellation, so as small as one likes


def best_monotone(values: Mapping[str, float], steps: int, *, peak: float, end: float, warm_up: int) -> Schedule:
    """Rates from `peak` down to no less than `end`, constant over 60 pieces that get shorter towards the end.

    The drops are shares of peak less end that add up to at most one (softmax), so every point of the search is a
    schedule that may be run; derivatives are exact, the better of three starts is kept.
    """
    from scipy.optimize import minimize

    lengths, rise = _lengths(steps - warm_up), _rise(peak, warm_up)

    def cost(z: np.ndarray) -> tuple[float, np.ndarray]:
        share = np.exp(z - z.max())
        share /= share.sum()
        rates = peak - (peak - end) * np.cumsum(share[:-1])
        loss, by_rate = _final(values, rates, lengths, *rise)
        by_share = np.append(-(peak - end) * np.cumsum(by_rate[::-1])[::-1], 0.0)
        return loss, share * (by_share - share @ by_share)

    found = [minimize(cost, z, jac=True, method="L-BFGS-B", options={"maxiter": 400}) for z in _starts()]
    z = min(found, key=lambda f: f.fun).x
    share = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    rates = peak - (peak - end) * np.cumsum(share[:-1])
    whole = np.concatenate([np.arange(1, warm_up + 1) * peak / max(warm_up, 1), np.repeat(rates, lengths)])
    return Schedule(whole, warm_up, "optimised")


def _lengths(steps: int) -> np.ndarray:
    """Steps of each piece (pieces,): long ones first, as the last of the decay wants the finest cut."""
    edges = np.unique(np.round(steps * (1 - (1 - np.linspace(0, 1, min(PIECES, steps) + 1)) ** 1.5)).astype(int))
    lengths = np.diff(edges)
    return lengths if len(lengths) == PIECES else np.diff(np.linspace(0, steps, min(PIECES, steps) + 1).astype(int))


def _rise(peak: float, warm_up: int) -> tuple[np.ndarray, np.ndarray]:
    """Rates and lengths of the warm-up's pieces."""
    count = min(RISE, warm_up)
    edges = np.linspace(0, warm_up, count + 1).astype(int)
    middle = (edges[1:] + edges[:-1] + 1) / 2
    return peak * middle / max(warm_up, 1), np.diff(edges)


def _starts() -> list[np.ndarray]:
    """Drops all along, drops late, hardly any."""
    place = np.linspace(0, 1, PIECES)
    return [np.append(z, last) for z, last in ((np.zeros(PIECES), 0.0), (8 * place - 6, 0.0), (-3 + 0 * place, 3.0))]


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
