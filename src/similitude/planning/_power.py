"""The closed form: a surface E + A/N^alpha + B/D^beta, found in any law that is one, whatever it calls its parameters.

Chinchilla's law, the one with tied exponents, the over-trained form in (C, M) and a user's own formula of this shape
are the same surface. Its five numbers are read off the law's values, so they follow dual numbers too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude.math import exp, log
from similitude.planning._surface import LOG_RULE, Surface

__all__ = ["PowerSum", "is_power_sum"]

FAR = 1e30  # an input so large that its term all but vanishes
STEP = 10.0  # between probes, in log N


@dataclass(frozen=True)
class PowerSum:
    """E + A/N^alpha + B/D^beta; each number a float, an array over draws or a dual number."""

    E: Any
    A: Any
    alpha: Any
    B: Any
    beta: Any

    @classmethod
    def read(cls, surface: Surface, params: Mapping[str, Any]) -> PowerSum:
        """The five numbers, from the law's values at a few points; meaningful where `is_power_sum` holds."""
        near = [float(np.exp(STEP * j)) for j in range(3)]
        a, alpha = _term([surface.evaluate(params, x, FAR) for x in near])
        b, beta = _term([surface.evaluate(params, FAR, x) for x in near])
        floor = surface.evaluate(params, FAR, FAR) - a * FAR ** (-1 * alpha) - b * FAR ** (-1 * beta)
        return cls(floor, a, alpha, b, beta)

    @property
    def share(self) -> Any:
        """a in N* ~ C^a: beta / (alpha + beta)."""
        return self.beta / (self.alpha + self.beta)

    @property
    def gamma(self) -> Any:
        """The exponent of compute in the reducible loss: alpha beta / (alpha + beta)."""
        return self.alpha * self.share

    @property
    def log_g(self) -> Any:
        """log G, G = (alpha A / (beta B))^(1 / (alpha + beta)); N* = G (C/6)^a."""
        return (log(self.alpha * self.A) - log(self.beta * self.B)) / (self.alpha + self.beta)

    @property
    def log_k(self) -> Any:
        """log K in L*(C) = E + K C^-gamma."""
        g = self.log_g
        return self.gamma * LOG_RULE + log(self.A * exp(-self.alpha * g) + self.B * exp(self.beta * g))

    def log_parameters(self, log_flop: Any) -> Any:
        """log N* at a training cost."""
        return self.log_g + self.share * (log_flop - LOG_RULE)

    def log_tokens(self, log_flop: Any) -> Any:
        """log D* at a training cost."""
        return (1 - self.share) * (log_flop - LOG_RULE) - self.log_g

    def least_loss(self, log_flop: Any) -> Any:
        """L*(C) = E + K C^-gamma."""
        return self.E + exp(self.log_k - self.gamma * log_flop)

    def log_flop_for(self, loss: Any) -> Any:
        """log C = -log((L - E) / K) / gamma, the least compute for a loss; NaN at or below E."""
        return (self.log_k - log(loss - self.E)) / self.gamma

    def log_tokens_for(self, log_n: Any) -> Any:
        """log D at which N is optimal: D = G^-(1 + b/a) N^(b/a)."""
        ratio = (1 - self.share) / self.share
        return ratio * log_n - (1 + ratio) * self.log_g

    def log_parameters_for(self, log_d: Any) -> Any:
        """log N that is optimal with D tokens."""
        ratio = self.share / (1 - self.share)
        return ratio * log_d + (1 + ratio) * self.log_g


def _term(values: list[Any]) -> tuple[Any, Any]:
    """(A, alpha) of A/x^alpha from its values, up to a constant, at x = 1, e^10 and e^20."""
    first, second = values[0] - values[1], values[1] - values[2]
    alpha = log(first / second) / STEP
    return first / (1 - exp(-STEP * alpha)), alpha


def is_power_sum(surface: Surface, params: Mapping[str, Any]) -> bool:
    """Whether the law is a sum of a floor and two powers, at these parameters and at others near them.

    Without inference tokens only: they bend the cost curve, and the optimum has no closed form.
    """
    if surface.inference_tokens:
        return False
    points = np.exp(np.linspace(np.log(1e4), np.log(1e15), 7))
    n, d = points[:, None], points[None, :]
    with np.errstate(all="ignore"):
        for factor in (1.0, 1.07, 0.95):
            nearby = {k: np.asarray(v, float).ravel()[0] * factor ** (j + 1) for j, (k, v) in enumerate(params.items())}
            form = PowerSum.read(surface, nearby)
            numbers = (form.E, form.A, form.alpha, form.B, form.beta)
            if not all(np.isfinite(x) for x in numbers) or min(numbers[1:]) <= 0:
                return False
            value = surface.evaluate(nearby, n, d)
            written = form.E + form.A * n**-form.alpha + form.B * d**-form.beta
            if not np.allclose(value, written, rtol=1e-10, atol=1e-12):
                return False
    return True
