"""What people run today, written plainly with SciPy: the peers that the table's ratios are against.

The objective is the field's: the sum of Huber losses, delta 1e-3, of log-sum-exp(a - alpha log N, b - beta log D, e)
minus log L (Hoffmann et al. 2022, appendix D.3; Besiroglu et al. 2024). Published code differentiates it with autograd;
the gradient here is written out, which is several times faster, so that the ratios are cautious.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.optimize import minimize, minimize_scalar

__all__ = ["Recipe", "grid_starts", "optimum_by_scalar_search"]

DELTA = 1e-3


class Recipe:
    """The objective on one table of runs, (runs,) each, with its gradient, in (a, b, e, alpha, beta)."""

    def __init__(self, n: np.ndarray, d: np.ndarray, loss: np.ndarray, weights: np.ndarray | None = None):
        self.log_n, self.log_d, self.log_loss = np.log(n), np.log(d), np.log(loss)
        self.weights = np.ones(len(n)) if weights is None else weights

    def weighted(self, weights: np.ndarray) -> Recipe:
        """The same runs, each counted `weights` times."""
        return Recipe(np.exp(self.log_n), np.exp(self.log_d), np.exp(self.log_loss), weights)

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        a, b, e, alpha, beta = x
        parts = np.stack([a - alpha * self.log_n, b - beta * self.log_d, np.full_like(self.log_n, e)])
        top = parts.max(axis=0)
        shares = np.exp(parts - top)
        total = shares.sum(axis=0)
        r = top + np.log(total) - self.log_loss
        shares /= total
        size = np.abs(r)
        value = np.where(size <= DELTA, 0.5 * r * r, DELTA * (size - 0.5 * DELTA)) @ self.weights
        first, second, third = np.clip(r, -DELTA, DELTA) * self.weights * shares
        return value, np.array([first.sum(), second.sum(), third.sum(), -first @ self.log_n, -second @ self.log_d])

    def grid_search(self, starts: np.ndarray) -> np.ndarray:
        """The objective L-BFGS-B ends at from each start, at SciPy's default tolerances."""
        return np.array([minimize(self, x, jac=True, method="L-BFGS-B").fun for x in starts])

    def warm(self, start: np.ndarray) -> float:
        """The objective BFGS ends at from one start: how bootstrap refits are commonly made."""
        return float(minimize(self, start, jac=True, method="BFGS").fun)


def grid_starts() -> np.ndarray:
    """The 4,500 starts of Hoffmann et al.: (4500, 5)."""
    coefficients, exponents = np.arange(0.0, 30, 5), np.arange(0.0, 2.5, 0.5)
    return np.array(list(product(coefficients, coefficients, np.arange(-1.0, 1.5, 0.5), exponents, exponents)))


def optimum_by_scalar_search(params: dict[str, float], log_flop: float) -> float:
    """log N where a Chinchilla law is least at a cost, by SciPy's bounded scalar search: one budget, one draw."""

    def loss(log_n: float) -> float:
        log_d = log_flop - np.log(6) - log_n
        terms = params["A"] * np.exp(-params["alpha"] * log_n), params["B"] * np.exp(-params["beta"] * log_d)
        return params["E"] + terms[0] + terms[1]

    return float(minimize_scalar(loss, bounds=(5, 45), method="bounded", options={"xatol": 1e-8}).x)
