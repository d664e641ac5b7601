"""Quantiles of Student's t. The square of a two-sided one is the quantile of F with one degree of freedom above.

scipy.special has them, but importing it takes longer than a fit: this keeps it out of the start-up path.
"""

from __future__ import annotations

from math import lgamma, log

import numpy as np

__all__ = ["t_quantile"]

TINY = 1e-300
STEPS = 40
CLOSE = 1e-11  # a step this small, of a method that squares its error, ends at rounding
NEARLY_NORMAL = 1_000  # degrees of freedom from which the expansion about the normal is exact to rounding


def t_quantile(freedom: float, p: np.ndarray | float) -> np.ndarray:
    """Quantiles of Student's t, in the shape of `p`; exact to about 1e-12.

    >>> round(float(t_quantile(10, 0.95)), 6)
    1.812461
    """
    p = np.asarray(p, float)
    if freedom >= NEARLY_NORMAL:
        return _about_normal(freedom, p)
    centre = p == 0.5
    u = _inverse_beta(freedom / 2, 0.5, np.where(centre, 0.5, 2 * np.minimum(p, 1 - p)))
    return np.where(centre, 0.0, np.sign(p - 0.5) * np.sqrt(freedom) * np.exp(-u / 2))


def _about_normal(freedom: float, p: np.ndarray) -> np.ndarray:
    """Abramowitz and Stegun 26.7.5."""
    from statistics import NormalDist

    normal = NormalDist()
    z = np.array([normal.inv_cdf(q) for q in p.ravel()]).reshape(p.shape)
    z2 = z * z
    terms = (
        (z2 + 1) / 4,
        ((5 * z2 + 16) * z2 + 3) / 96,
        (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384,
        ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160,
    )
    return z * (1 + sum(term / freedom**k for k, term in enumerate(terms, 1)))


def _inverse_beta(a: float, b: float, p: np.ndarray) -> np.ndarray:
    """log(x / (1 - x)) where the regularised incomplete beta function is p: Newton's method on log odds, where it is
    nearly a straight line."""
    u = np.full(p.shape, log(a / b))
    goal = np.log(p) - np.log1p(-p)
    for _ in range(STEPS):
        lower, upper, density = _beta(a, b, u)
        step = (np.log(lower) - np.log(upper) - goal) * lower * upper / density
        u = u - np.clip(step, -4.0, 4.0)
        if np.all(np.abs(step) <= CLOSE * (1 + np.abs(u))):
            break
    return u


def _beta(a: float, b: float, u: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The regularised incomplete beta function at x = expit(u), its complement, and its derivative in u."""
    log_x, log_y = -np.logaddexp(0, -u), -np.logaddexp(0, u)
    density = np.exp(a * log_x + b * log_y + lgamma(a + b) - lgamma(a) - lgamma(b))
    left = np.exp(log_x) <= (a + 1) / (a + b + 2)  # the side on which the continued fraction converges fast
    part = np.empty(u.shape)
    part[left] = density[left] / a * _continued_fraction(a, b, np.exp(log_x[left]))
    part[~left] = density[~left] / b * _continued_fraction(b, a, np.exp(log_y[~left]))
    part = np.maximum(part, TINY)
    return np.where(left, part, 1 - part), np.where(left, 1 - part, part), np.maximum(density, TINY)


def _continued_fraction(a: float, b: float, x: np.ndarray) -> np.ndarray:
    """Lentz's evaluation of the continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8)."""
    c, d = np.ones_like(x), 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    h = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / _away_from_zero(1 + even * d)
        c = _away_from_zero(1 + even / c)
        h = h * d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / _away_from_zero(1 + odd * d)
        c = _away_from_zero(1 + odd / c)
        h = h * d * c
        if np.all(np.abs(d * c - 1) < 4e-15):
            break
    return h


def _away_from_zero(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < TINY, TINY, x)
