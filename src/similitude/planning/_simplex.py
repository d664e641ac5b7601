"""Least values over shares that add up to one within limits: many problems at once, a row of shares each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Goal", "Losses", "projected"]

Losses = Callable[[Mapping[str, Any], np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Values (losses, rows) and slopes (losses, rows, domains) for parameters of the rows and shares (rows, domains)."""

STEPS = 2000
BACK = 8  # values that a step is held against: steps may rise for a while, which is what makes them quick
FLAT = 1e-11  # of the move that a slope asks for
ROUNDS = 40
GAP = 1e-10
SHARPEST = 1e6


def projected(r: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The nearest shares (rows, domains) within limits that add up to one.

    They are r moved by a common shift and cut off at the limits; their sum is linear in the shift between the shifts at
    which a share meets a limit, so that the shift is found exactly.
    """
    bends = np.sort(np.concatenate([low - r, high - r], axis=1), axis=1)
    sums = np.clip(r[:, None, :] + bends[:, :, None], low, high).sum(2)
    after = np.clip((sums < 1).sum(1), 1, bends.shape[1] - 1)[:, None]
    s0, s1 = np.take_along_axis(sums, after - 1, 1), np.take_along_axis(sums, after, 1)
    b0, b1 = np.take_along_axis(bends, after - 1, 1), np.take_along_axis(bends, after, 1)
    with np.errstate(all="ignore"):
        part = np.where(s1 > s0, np.clip((1 - s0) / (s1 - s0), 0, 1), 0.0)
    return np.clip(r + b0 + part * (b1 - b0), low, high)


@dataclass(frozen=True)
class Goal:
    """What of several losses is to be least: their weighted sum, or with no weights the largest of them."""

    losses: Losses
    weights: np.ndarray | None

    def value(self, params: Mapping[str, Any], r: np.ndarray) -> np.ndarray:
        """Its value (rows,) at shares (rows, domains)."""
        values, _ = self.losses(params, r)
        return values.max(0) if self.weights is None else self.weights @ values

    def least(self, params: Mapping[str, Any], start: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """The shares (rows, domains) at which it is least, within limits (domains,), sought from `start`."""
        if self.weights is None:
            return self._least_worst(params, start, low, high)
        w = self.weights

        def value(_: np.ndarray, chosen: Mapping[str, Any], r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            values, slopes = self.losses(chosen, r)
            return w @ values, np.einsum("l,lrj->rj", w, slopes)

        return _descended(value, params, start, low, high)

    def _least_worst(
        self, params: Mapping[str, Any], start: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> np.ndarray:
        """The largest loss has a kink where losses are equal, which is where the answer mostly lies and where steps
        down a slope stop too early. Exponential multipliers instead (Bertsekas 1982, chapter 5): a smooth maximum with
        a weight for each loss is made least, the weights are raised where the loss is large, and so on, until the
        weighted mean, which for convex losses is a lower bound, meets the largest.
        """
        r = projected(np.array(start, float), low, high)
        values, _ = self.losses(params, r)
        w = np.full(values.shape, 1 / len(values))
        sharp = 5 / np.maximum(np.ptp(values, axis=0), 1e-3)
        for _ in range(ROUNDS):

            def value(
                rows: np.ndarray, chosen: Mapping[str, Any], r: np.ndarray, w: np.ndarray = w, sharp: np.ndarray = sharp
            ) -> tuple[np.ndarray, np.ndarray]:
                values, slopes = self.losses(chosen, r)
                top, tilted = _tilted(values, w[:, rows], sharp[rows])
                return top, np.einsum("lr,lrj->rj", tilted, slopes)

            r = _descended(value, params, r, low, high)
            values, _ = self.losses(params, r)
            w = _tilted(values, w, sharp)[1]
            gap = values.max(0) - np.einsum("lr,lr->r", w, values)
            if np.all(~(gap > GAP)):
                break
            sharp = np.where(gap > GAP, np.minimum(2 * sharp, SHARPEST), sharp)
        return r


def _tilted(values: np.ndarray, w: np.ndarray, sharp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The smooth maximum of losses (losses, rows) under weights, and the weights tilted towards the largest."""
    top = values.max(0)
    raised = w * np.exp(sharp * (values - top))
    whole = np.maximum(raised.sum(0), 1e-300)
    return top + np.log(whole) / sharp, raised / whole


def _descended(
    value: Callable[..., tuple[np.ndarray, np.ndarray]], params: Mapping[str, Any], start: np.ndarray,
    low: np.ndarray, high: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Spectral projected gradients (Birgin, Martínez and Raydan 2000): steps along the arc's chord, as long as the last
    change of the slope says, kept when they gain on the largest of the last values. A row that has come to rest is left
    out of the steps that follow.
    """
    out = projected(np.array(start, float), low, high)
    rows = np.arange(len(out))
    chosen, r = params, out.copy()
    f, g = value(rows, chosen, r)
    past = np.repeat(f[None], BACK, axis=0)
    long, cut = np.ones(len(r)), np.ones(len(r))
    for step in range(STEPS):
        way = projected(r - long[:, None] * g, low, high) - r
        rests = ~(np.abs(way).max(1) > FLAT * np.maximum(1, long)) | (cut < 1e-12) | ~np.isfinite(f)
        if rests.any():
            out[rows[rests]] = r[rests]
            on = ~rests
            if not on.any():
                return out
            rows, r, f, g, way, past, long, cut = (
                rows[on], r[on], f[on], g[on], way[on], past[:, on], long[on], cut[on],
            )  # fmt: skip
            chosen = _of_rows(params, rows, len(out))
        trial = r + cut[:, None] * way
        new, slope = value(rows, chosen, trial)
        ahead = cut * np.einsum("rj,rj->r", g, way)
        good = new <= past.max(0) + 1e-4 * ahead + 4e-16 * np.abs(f)
        s, y = trial - r, slope - g
        bend = np.einsum("rj,rj->r", s, y)
        with np.errstate(all="ignore"):
            spectral = np.where(bend > 0, np.einsum("rj,rj->r", s, s) / bend, 1e4)
        long = np.where(good, np.clip(spectral, 1e-8, 1e4), long)
        r, g = np.where(good[:, None], trial, r), np.where(good[:, None], slope, g)
        f = np.where(good, new, f)
        past[step % BACK] = f
        cut = np.where(good, 1.0, 0.4 * cut)
    out[rows] = r
    return out


def _of_rows(params: Mapping[str, Any], rows: np.ndarray, count: int) -> dict[str, Any]:
    """The parameters of these rows; those that all rows share stay as they are."""
    return {
        label: {k: v[rows] if np.ndim(v) and len(v) == count and count > 1 else v for k, v in held.items()}
        for label, held in params.items()
    }
