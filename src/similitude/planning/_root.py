"""Roots of many monotone functions at once, each kept in its bracket."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["rising_root"]

ROUNDS = 200


def rising_root(function: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Where an increasing function crosses zero, element by element; NaN where [low, high] does not hold a crossing.

    Regula falsi in Illinois' form with a bisection every third round: superlinear, and never out of the bracket.
    """
    low, high = np.array(low, float), np.array(high, float)
    with np.errstate(all="ignore"):
        at_low, at_high = np.array(function(low), float), np.array(function(high), float)
        held = (at_low <= 0) & (at_high >= 0)
        low, high = np.where(held, low, np.nan), np.where(held, high, np.nan)
        x = low
        for k in range(ROUNDS):
            x = (low * at_high - high * at_low) / (at_high - at_low)
            x = np.where((k % 3 == 2) | ~np.isfinite(x), 0.5 * (low + high), x)
            value = np.asarray(function(x), float)
            below = value < 0
            at_high = np.where(below, at_high * 0.5, value)
            at_low = np.where(below, value, at_low * 0.5)
            low, high = np.where(below, x, low), np.where(below, high, x)
            done = (value == 0) | (high - low <= 1e-13 * (1 + np.abs(x)))
            if np.all(done | ~held):
                break
            low = np.where(value == 0, x, low)
    return np.where(held, x, np.nan)
