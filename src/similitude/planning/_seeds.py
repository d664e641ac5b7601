"""`seeds_for`: how many seeds tell two procedures apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, QuestionError
from similitude._result import Result
from similitude._view import Section

__all__ = ["Seeds", "seeds_for"]

MOST = 10_000


@dataclass(frozen=True)
class Seeds(Result):
    """How many seeds of each of two procedures tell a `difference` apart, and what other numbers would tell.

    `difference` and `noise` are on the scale of the log of the score: 0.01 is one per cent. `table` holds, for several
    numbers of seeds, the power and the difference told with the power asked for.
    """

    seeds: int
    difference: float
    noise: float
    power: float
    level: float
    reached: float
    table: tuple[Mapping[str, Any], ...] = ()

    def headline(self) -> list[str]:
        """The answer in a sentence."""
        told = f"{self.seeds} seeds of each procedure tell a difference of {self.difference:.3%} apart"
        test = f"runs scattering by {self.noise:.3%}, by a two-sided t test at {self.level:.0%}"
        return [f"{told} with probability {self.reached:.1%}, {test}."]

    def view(self) -> Section:
        """The answer and a table of numbers of seeds."""
        from similitude.planning._design_views import seeds_view

        return seeds_view(self)


def seeds_for(difference: float, noise: float, *, power: float = 0.9, level: float = 0.95) -> Seeds:
    """The least number of seeds of each of two procedures that tells their `difference` with probability `power`.

    `difference` of the mean log loss (0.01 is one per cent) and `noise`, its standard deviation from seed to seed, the
    same for both; the test is Student's for two samples, two-sided, at confidence `level`. Power is that of the
    noncentral t distribution (Cohen 1988, Statistical Power Analysis, chapter 2).

    Raises ArgumentError for numbers that are none of these, QuestionError where more than 10,000 seeds would be needed.

    >>> import similitude as sim
    >>> sim.seeds_for(0.5, 1.0, power=0.8).seeds
    64
    """
    for name, value in (("difference", difference), ("noise", noise)):
        if not 0 < value < np.inf:
            raise ArgumentError(f"{name} = {value:g}; expected a positive number, such as 0.003")
    for name, value in (("power", power), ("level", level)):
        if not 0 < value < 1:
            raise ArgumentError(f"{name} = {value:g}; expected a number between 0 and 1, such as 0.9")
    size = difference / noise
    if _power(size, MOST, level) < power:
        raise QuestionError(
            f"a difference of {difference:g} needs more than {MOST:,} seeds under a noise of {noise:g}: no experiment "
            "of this kind tells it"
        )
    low, high = 1, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(size, middle, level) >= power else (middle, high)
    shown = sorted({2, 3, 5, 10, 20, high})
    table = tuple({"seeds": n, "power": _power(size, n, level), "told": _told(n, power, level) * noise} for n in shown)
    return Seeds(high, difference, noise, power, level, _power(size, high, level), table)


def _power(size: float, seeds: int, level: float) -> float:
    """The probability that the test says "different" where the means lie `size` standard deviations apart."""
    from scipy.stats import nct, t

    freedom, shift = 2 * seeds - 2, size * np.sqrt(seeds / 2)
    cut = t.ppf(0.5 + level / 2, freedom)
    upper = nct.sf(cut, freedom, shift)
    lower = nct.cdf(-cut, freedom, shift)
    found = float(upper + (lower if np.isfinite(lower) else 0.0))
    return found if np.isfinite(found) else 1.0


def _told(seeds: int, power: float, level: float) -> float:
    """The size, in standard deviations, that so many seeds tell with a power."""
    from scipy.optimize import brentq

    high = 1.0
    while _power(high, seeds, level) < power:
        high *= 2
    return float(brentq(lambda x: _power(x, seeds, level) - power, 1e-9, high))  # pyright: ignore[reportArgumentType]
