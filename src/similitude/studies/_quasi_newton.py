"""The recipe most papers fit Chinchilla's law with: L-BFGS at default tolerances on Huber's loss, from given starts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import numpy as np

from similitude.fitting import Fit

__all__ = ["HOFFMANN_GRID", "quasi_newton"]

DELTA = 1e-3
# a, b, e, alpha, beta of the log form: Hoffmann et al. 2022, appendix D.3
HOFFMANN_GRID = tuple(
    product(range(0, 30, 5), range(0, 30, 5), np.arange(-1, 1.5, 0.5), np.arange(0, 2.5, 0.5), np.arange(0, 2.5, 0.5))
)


def quasi_newton(
    found: Fit, starts: Iterable[tuple[float, ...]], *, mean: bool = False
) -> tuple[float, dict[str, float]]:
    """The lowest sum of Huber losses reached on the runs of a fit, and the coefficients there.

    `mean` minimises the mean instead of the sum: the same minimum, but the solver's tolerances, in effect absolute for
    values this small, stop it early.
    """
    from scipy.optimize import minimize

    n, d = (np.log(found.observed.inputs[k]) for k in ("N", "D"))
    y = np.log(found.observed.y)
    share = 1 / y.size if mean else 1.0

    def objective(p: np.ndarray) -> tuple[float, np.ndarray]:
        terms = np.stack([p[0] - p[3] * n, p[1] - p[4] * d, np.full_like(n, p[2])])
        top = terms.max(axis=0)
        weights = np.exp(terms - top)
        whole = weights.sum(axis=0)
        r = top + np.log(whole) - y
        size, psi = np.abs(r), np.clip(r, -DELTA, DELTA)
        pulls = psi * weights / whole
        slope = np.array([pulls[0].sum(), pulls[1].sum(), pulls[2].sum(), -(pulls[0] @ n), -(pulls[1] @ d)])
        value = np.sum(np.where(size <= DELTA, 0.5 * r * r, DELTA * (size - 0.5 * DELTA)))
        return share * float(value), share * slope

    with np.errstate(all="ignore"):
        ends = [minimize(objective, np.array(s, float), jac=True, method="L-BFGS-B") for s in starts]
    best = min((e for e in ends if np.isfinite(e.fun)), key=lambda e: e.fun)
    a, b, e, alpha, beta = (float(x) for x in best.x)
    return best.fun / share, {"E": np.exp(e), "A": np.exp(a), "alpha": alpha, "B": np.exp(b), "beta": beta}
