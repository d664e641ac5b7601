"""Power laws of one input: the forms that most learning curves, and many other rules, are applications of."""

from __future__ import annotations

from similitude._quantity import COUNT, SCORE
from similitude.laws._law import law, paper
from similitude.laws._words import below_output, exponent, positive, real, scale_of

__all__ = ["power", "power_floor", "power_scale"]


@law(
    inputs={"x": COUNT},
    output=SCORE,
    params={"a": positive(), "c": real(-0.5, 0.1, 0.3, 0.6, 1.0)},
    source=paper("hestness2017"),
    title="power law",
    example={"a": 3.0, "c": 0.25},
)
def power(x, *, a, c):
    """A straight line on log-log axes: y falls by the factor 10^-c for every tenfold x, for ever.

    Use it for a range without visible bend, or for rules without a floor such as optimal size against compute (c may
    be negative: y then grows). Trap: it has no floor, so where one exists the fitted c is too small and the forecast
    too low; compare with power_floor before going beyond the data.
    """
    return a * x**-c


@law(
    inputs={"x": COUNT},
    output=SCORE,
    params={"E": below_output(), "a": positive(), "c": exponent(0.1, 0.3, 0.6, 1.0)},
    source=paper("hestness2017"),
    title="power law with a floor",
    example={"E": 0.4, "a": 3.0, "c": 0.25},
)
def power_floor(x, *, E, a, c):
    """A power law that levels off at a floor E, such as label noise or the entropy of text.

    Use it for learning curves of a loss or an error rate. Trap: without points near the floor E and c trade off
    against each other, and their joint uncertainty, not either one's standard error, rules the forecast.
    """
    return E + a * x**-c


@law(
    inputs={"x": COUNT},
    output=SCORE,
    params={"x_c": scale_of("x", 1e-2, 1.0, 1e2, 1e5, 1e8), "a": exponent(0.05, 0.1, 0.3, 1.0)},
    source=paper("kaplan2020", where="eq. 1.1"),
    title="power law with a scale",
    example={"x_c": 3e8, "a": 0.08},
)
def power_scale(x, *, x_c, a):
    """A power law written with the scale x_c at which y would be 1, instead of an amplitude.

    Use it to read coefficients that papers print in this form; it is the same curve as `power`, with amplitude x_c^a.
    Trap: x_c is an extrapolation over many decades, so its digits mean nothing without those of a.
    """
    return (x_c / x) ** a
