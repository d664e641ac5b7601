"""The words a law's declaration uses for its parameters: a domain, a transform to the real line, starting values."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from similitude._errors import ArgumentError

__all__ = [
    "Parameter",
    "above_output",
    "amplitude_of",
    "below_input",
    "below_output",
    "break_of",
    "exponent",
    "positive",
    "rate_of",
    "real",
    "scale_of",
    "unit_interval",
]

TINY = 1e-300
HUGE = 1e300


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a law: domain [low, high], the transform that opens it to the real line, starting values.

    `relative` names what `starts` are multiples of: nothing, `"output"` (the smallest observed output), `"peak"` (the
    largest) or an input (its geometric mean over the runs). With `exponent` the parameter is the A of a term
    A / x^exponent in the output, and `starts` are the sizes of that term, in smallest outputs, at the geometric mean of
    x. Bounds of a relative parameter are absolute all the same. `power` is the power of the input that the
    parameter scales with (a rate goes with 1 / x), and `reach` keeps it within that factor of what the runs show: of
    the range of the input, or of the largest output; beyond, nothing tells one value from another. A reach below one
    holds it under that share of the smallest input instead.
    """

    transform: str = "real"
    starts: tuple[float, ...] = ()
    low: float = -HUGE
    high: float = HUGE
    relative: str | None = None
    unit: str = ""
    exponent: str = ""
    power: int = 1
    reach: float | None = None

    def bounded(self, low: float | None, high: float | None) -> Parameter:
        """The same parameter inside narrower bounds; `None` leaves an end as it is."""
        return replace(
            self,
            low=self.low if low is None else max(self.low, low),
            high=self.high if high is None else min(self.high, high),
        )

    def open(self, value: np.ndarray | float) -> np.ndarray:
        """The parameter's value on the real line, where the engine works."""
        value = np.asarray(value, float)
        if self.transform == "log":
            return np.log(np.maximum(value, TINY))
        if self.transform == "logit":
            inside = np.clip(value, 1e-12, 1 - 1e-12)
            return np.log(inside / (1 - inside))
        return value

    def close(self, line: np.ndarray | float) -> np.ndarray:
        """The inverse of `open`."""
        line = np.asarray(line, float)
        if self.transform == "log":
            return np.exp(line)
        if self.transform == "logit":
            return 0.5 + 0.5 * np.tanh(0.5 * line)
        return line

    def slope(self, value: np.ndarray) -> np.ndarray:
        """d value / d line, at a value."""
        if self.transform == "log":
            return value
        if self.transform == "logit":
            return value * (1 - value)
        return np.ones_like(value)

    @property
    def line_bounds(self) -> tuple[float, float]:
        """The bounds on the real line."""
        return float(self.open(self.low)), float(self.open(self.high))


def positive(*starts: float, low: float = TINY, high: float = HUGE) -> Parameter:
    """A parameter above zero; its logarithm is estimated.

    >>> positive(0.2, 0.6).transform
    'log'
    """
    _require(0 < low < high, "positive() needs 0 < low < high")
    return Parameter("log", starts, low, high)


def exponent(*starts: float) -> Parameter:
    """The positive exponent of a power law, from 0.0001 to 12: beyond, a term is flat or a cliff on any runs.

    >>> exponent(0.2, 0.6).high
    12.0
    """
    return positive(*(starts or (0.1, 0.3, 0.6, 1.0)), low=1e-4, high=12.0)


def real(*starts: float, low: float = -HUGE, high: float = HUGE) -> Parameter:
    """A parameter of either sign.

    >>> real(-1, 1).starts
    (-1, 1)
    """
    _require(low < high, "real() needs low < high")
    return Parameter("real", starts, low, high)


def unit_interval(*starts: float) -> Parameter:
    """A parameter between 0 and 1; its log-odds are estimated.

    >>> float(unit_interval().close(0.0))
    0.5
    """
    return Parameter("logit", starts or (0.2, 0.5, 0.8), 1e-9, 1 - 1e-9)


def below_output(*fractions: float) -> Parameter:
    """A floor under the output, such as an irreducible loss; starts are fractions of the smallest observed output.

    >>> below_output(0.5, 0.9).relative
    'output'
    """
    return Parameter("log", fractions or (0.5, 0.8, 0.95), TINY, HUGE, relative="output")


def above_output(*multiples: float) -> Parameter:
    """A plateau above the output, such as the error of guessing; starts are multiples of the largest observed output.

    >>> above_output(1.1, 2.0).relative
    'peak'
    """
    return Parameter("log", multiples or (1.02, 1.2, 2.0), TINY, HUGE, relative="peak", reach=10.0)


def scale_of(name: str, *multiples: float) -> Parameter:
    """A positive scale in the unit of input `name`; starts are multiples of that input's geometric mean.

    >>> scale_of("N", 1.0, 1e3).relative
    'N'
    """
    return Parameter("log", multiples or (0.1, 1.0, 10.0), TINY, HUGE, relative=name)


def break_of(name: str, *multiples: float) -> Parameter:
    """A scale of input `name` at which a law changes: no further than a factor of 10 from the runs that show it.

    >>> break_of("x").reach
    10.0
    """
    return replace(scale_of(name, *multiples), reach=10.0)


def below_input(name: str, *fractions: float) -> Parameter:
    """A floor under an input, such as the irreducible part of a loss that is one; starts are fractions of its mean.

    >>> below_input("L0").reach
    0.999
    """
    return Parameter("log", fractions or (0.3, 0.6), TINY, HUGE, relative=name, reach=0.999)


def rate_of(name: str, *multiples: float) -> Parameter:
    """A positive rate, in the inverse unit of input `name`; starts are multiples of the inverse of its mean.

    >>> rate_of("x").power
    -1
    """
    return Parameter("log", multiples or (0.1, 1.0, 10.0), TINY, HUGE, relative=name, power=-1, reach=1e3)


def amplitude_of(name: str, exponent: str, *sizes: float) -> Parameter:
    """The positive A of a term A / x^exponent where the law is not linear in A; starts are sizes of the whole term.

    A size is a multiple of the smallest observed output, taken at the geometric mean of input `name`, so that it means
    the same in every unit.

    >>> amplitude_of("N", "alpha", 0.1, 1.0).exponent
    'alpha'
    """
    return Parameter("log", sizes or (0.1, 1.0), TINY, HUGE, relative=name, exponent=exponent)


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ArgumentError(sentence)
