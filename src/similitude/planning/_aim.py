"""What a decision makes of errors in a law's parameters: slopes of the choice, of its value, and the regret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude._dual import Dual
from similitude.fitting._problem import Coordinates
from similitude.planning._optimum import Best, Space

__all__ = ["Aims", "aims_at", "log_slopes"]

STEP = 1e-4  # of a central difference in a parameter's coordinate
Params = Mapping[str, Any]


@dataclass(frozen=True)
class Aims:
    """At draws of the parameters: the choice (draws, k) in logarithms, its value (draws,), which draws have one, and

    slopes by the coordinates: of the choice (draws, k, p), of the value's logarithm (draws, 1, p), and the rows
    (draws, k, p) whose squared length over an error of the parameters is the regret, the loss in excess at equal cost.
    """

    choice: np.ndarray
    value: np.ndarray
    solved: np.ndarray
    by_choice: np.ndarray
    by_value: np.ndarray
    by_regret: np.ndarray

    def kept(self, rows: np.ndarray) -> Aims:
        """The same at some of the draws."""
        return Aims(*(getattr(self, k)[rows] for k in self.__dataclass_fields__))


def aims_at(space: Space, coordinates: Coordinates, u: np.ndarray, goal: float) -> Aims:
    """The decision at a log budget and its slopes, for each row (draws, p); the first is the estimate."""
    rows, p, k = len(u), len(coordinates), len(space.free)
    params = _flat(coordinates.values(u), rows)
    first = space.least({n: v[:1] for n, v in params.items()}, goal)
    best = space.least(params, goal, first.z[0])
    shifts = STEP * np.concatenate([np.eye(p), -np.eye(p)])
    moved = (u[:, None, :] + shifts[None]).reshape(-1, p)
    again = space.least(_flat(coordinates.values(moved), len(moved)), goal, np.repeat(best.z, 2 * p, axis=0))
    z = again.z.reshape(rows, 2 * p, k)
    by_choice = np.swapaxes(z[:, :p] - z[:, p:], 1, 2) / (2 * STEP)
    value, by_value = _value_slopes(space, coordinates, u, best)
    solved = best.solved & again.solved.reshape(rows, -1).all(1)
    solved &= np.isfinite(by_choice).all((1, 2)) & np.isfinite(by_value).all((1, 2))
    by_regret = _root(space.bend(params, best)) @ by_choice / np.sqrt(2.0)
    return Aims(best.z, value, solved, by_choice, by_value, by_regret)


def _value_slopes(space: Space, coordinates: Coordinates, u: np.ndarray, best: Best) -> tuple[np.ndarray, np.ndarray]:
    """The value at the choice and the slopes of its logarithm; by the envelope theorem the choice may be held."""
    inputs = {**space.held, **{k: np.exp(best.z[:, j : j + 1]) for j, k in enumerate(space.free)}}
    value, slopes = log_slopes(coordinates, u, inputs, log=True)
    return value[:, 0], slopes


def log_slopes(
    coordinates: Coordinates, u: np.ndarray, inputs: Mapping[str, Any], *, log: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The law (draws, m) at inputs that broadcast to that, and slopes (draws, m, p) of it, or of its logarithm."""
    with np.errstate(all="ignore"):
        out = coordinates.law.evaluate(coordinates.inner_inputs(inputs), coordinates.inner(u, dual=True))
        value, partials = (out.value, out.partials) if isinstance(out, Dual) else (np.asarray(out, float), {})
        shape = np.broadcast_shapes(np.shape(value), (len(u), 1), *(np.shape(v) for v in inputs.values()))
        slopes = np.zeros((*shape, len(coordinates)))
        for j, partial in partials.items():
            slopes[..., j] = partial / value if log else partial
    return np.broadcast_to(value, shape), np.where(np.isfinite(slopes), slopes, 0.0)


def _root(matrices: np.ndarray) -> np.ndarray:
    """A square root of each symmetric matrix, negative curvatures taken as none."""
    bends, turns = np.linalg.eigh(np.where(np.isfinite(matrices), matrices, 0.0))
    return np.sqrt(np.maximum(bends, 0.0))[:, :, None] * np.swapaxes(turns, 1, 2)


def _flat(values: Params, rows: int) -> dict[str, np.ndarray]:
    return {k: np.broadcast_to(np.ravel(v), (rows,)) for k, v in values.items()}
