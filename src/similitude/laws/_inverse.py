"""Where a law reaches a value: one input from the output and the other inputs, for many coefficients at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from similitude._errors import ArgumentError
from similitude.laws._law import Law, read_input

__all__ = ["left_out", "roots"]

GRID = 400
ROUNDS = 60


def left_out(law: Law, target: Any, others: Mapping[str, Any]) -> tuple[str, float, dict[str, float]]:
    """The one input not given, the target and the others as numbers; ArgumentError where that is not what was given."""
    wanted = [k for k in law.inputs if k not in others]
    unknown = [k for k in others if k not in law.inputs]
    if len(wanted) != 1 or unknown:
        said = f"'{unknown[0]}' is none of them" if unknown else f"{len(wanted)} of them were left out"
        raise ArgumentError(
            f"law '{law.name}' takes {', '.join(law.inputs)}: give all but one, which is then solved for; {said}"
        )
    numbers = {k: np.asarray(read_input(v), float) for k, v in others.items()}
    numbers["target"] = np.asarray(read_input(target), float)
    for name, value in numbers.items():
        if value.ndim or not np.isfinite(value):
            raise ArgumentError(f"{name}: expected one finite number to solve for {wanted[0]}")
    goal = float(numbers.pop("target"))
    return wanted[0], goal, {k: float(v) for k, v in numbers.items()}


def roots(
    law: Law,
    params: Mapping[str, np.ndarray],
    name: str,
    target: float,
    others: Mapping[str, float],
    ends: tuple[float, float],
) -> np.ndarray:
    """The smallest value of input `name` between `ends` at which the law is `target` for each row of `params` (batch,).

    NaN where it is not reached.
    """
    log = law.positive_inputs
    rows = {k: np.asarray(v, float).reshape(-1, 1) for k, v in params.items()}
    low, high = np.log(ends) if log else np.asarray(ends, float)

    def gap(z: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            at = {**others, name: np.exp(z) if log else z}
            return np.asarray(law.evaluate(at, rows), float) - target

    grid = np.linspace(low, high, GRID)
    value = gap(grid[None, :]) + np.zeros((len(next(iter(rows.values()))), GRID))
    crossed = np.isfinite(value[:, :-1] * value[:, 1:]) & (value[:, :-1] * value[:, 1:] <= 0)
    first = np.argmax(crossed, axis=1)
    left, right = grid[first][:, None], grid[first + 1][:, None]
    sign = np.sign(value[np.arange(len(value)), first])[:, None]
    for _ in range(ROUNDS):
        middle = 0.5 * (left + right)
        same = np.sign(gap(middle)) == sign
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    out = 0.5 * (left + right)[:, 0]
    return np.where(crossed.any(axis=1), np.exp(out) if log else out, np.nan)
