"""The compute-optimal point of Chinchilla's law with C = 6ND, in closed form (Hoffmann et al. 2022, eq. 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["exponent", "optimal_loss", "optimal_tokens", "wasted_compute"]

Params = Mapping[str, Any]


def exponent(p: Params) -> Any:
    """a of N* ~ C^a."""
    return p["beta"] / (p["alpha"] + p["beta"])


def optimal_tokens(p: Params, flop: Any) -> tuple[Any, Any]:
    """(N*, D*) at a budget; everything broadcasts."""
    alpha, beta = p["alpha"], p["beta"]
    g = (alpha * p["A"] / (beta * p["B"])) ** (1 / (alpha + beta))
    n = g * (flop / 6) ** exponent(p)
    return n, flop / 6 / n


def optimal_loss(p: Params, flop: Any) -> Any:
    """The loss of the best use of a budget."""
    n, d = optimal_tokens(p, flop)
    return p["E"] + p["A"] / n ** p["alpha"] + p["B"] / d ** p["beta"]


def wasted_compute(p: Params, flop: Any, tokens: Any) -> Any:
    """The share of a budget that training on `tokens` wastes: the same loss could have been had for so much less."""
    n = flop / 6 / tokens
    loss = p["E"] + p["A"] / n ** p["alpha"] + p["B"] / tokens ** p["beta"]
    gamma = p["alpha"] * p["beta"] / (p["alpha"] + p["beta"])
    above = (loss - p["E"]) / (
        optimal_loss(p, flop) - p["E"]
    )  # the best loss above E falls as compute to the power gamma
    return 1 - above ** (-1 / gamma)
