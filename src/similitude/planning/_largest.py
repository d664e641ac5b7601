"""The largest model that a budget can train well enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from similitude._errors import ArgumentError
from similitude._quantity import format_quantity
from similitude.laws import Estimate
from similitude.planning._budget import Budget, amount
from similitude.planning._make import plan
from similitude.planning._plan import Plan

__all__ = ["largest_model"]


def largest_model(
    estimate: Estimate,
    budget: Budget | float | str,
    *,
    tokens_per_parameter: float | None = None,
    inference_tokens: float | str | None = None,
    at: Mapping[str, float | str] | None = None,
    level: float = 0.9,
    seed: int = 0,
) -> Plan:
    """The largest model that a budget (or so many FLOP) trains on at least `tokens_per_parameter`, or to its optimum.

    Without a ratio the answer is the compute-optimal model: a larger one would see fewer tokens than it is worth.
    Raises as `plan` does.

    >>> from similitude.laws import chinchilla
    >>> from similitude.planning import budget
    >>> weeks = budget(gpus="64xH100", days=14)
    >>> largest_model(chinchilla.published["besiroglu2024"], weeks, tokens_per_parameter=20)
    Plan(16B parameters, 320B tokens, 20 tokens/parameter: loss 2.0825 at 3.06e+22 FLOP; chinchilla:besiroglu2024)
    """
    purse = budget if isinstance(budget, Budget) else None
    flop = purse.flop if purse is not None else amount("flop", budget, "compute")  # pyright: ignore[reportArgumentType]
    if flop is None:
        raise ArgumentError("the budget says no amount: give days or dollars with the accelerators")
    served = amount("inference_tokens", inference_tokens, "tokens")
    money: dict[str, Any] = {"budget": purse} if purse is not None else {"flop": flop}
    if tokens_per_parameter is None:
        return plan(estimate, **money, inference_tokens=served, at=at, level=level, seed=seed)
    ratio = amount("tokens_per_parameter", tokens_per_parameter, "ratio")
    size = _size(flop, float(ratio or 0), served or 0.0)
    made = plan(estimate, **money, inference_tokens=served, at={**(at or {}), "N": size}, level=level, seed=seed)
    return replace(made, question=f"largest model on {ratio:g} tokens per parameter for {format_quantity(flop)} FLOP")


def _size(flop: float, ratio: float, served: float) -> float:
    """N with 6 N (ratio N) + 2 N served = flop."""
    return float((np.sqrt(served**2 + 6 * ratio * flop) - served) / (6 * ratio))
