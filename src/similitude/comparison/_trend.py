"""How a metric moves with scale: rising, falling, U, inverted U, flat or sudden, by two lines rather than a parabola.

A parabola's significant bend calls most curved monotone trends a U; two lines ask whether the metric truly goes one way
and then the other (Simonsohn 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, DataError
from similitude._result import SCHEMA_VERSION, Result
from similitude._view import Axis, Column, Figure, Interval, Line, Points, Rule, Section, Table, Text
from similitude.comparison._lines import (
    EXACT,
    Data,
    Fitted,
    bent,
    bent_p,
    design_of,
    is_sudden,
    jump_of,
    quadratic_rule,
    two_lines,
    weighted,
)

__all__ = ["CLASSES", "Trend", "trend"]

CLASSES = ("rising", "falling", "U", "inverted U", "flat", "sudden rise", "sudden fall", "cannot say")
LEAST = 4  # scales: below, two lines have nothing to say
DRAWS = 400  # of metrics that never turn, to see how often a rule says they do


@dataclass(frozen=True)
class Half:
    """One of the two lines: slope a decade of scale with its interval, and the scales it rests on."""

    slope: Interval
    p: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Trend(Result):
    """The class of a trend with what it rests on. Made by `trend`.

    `kind` is one of rising, falling, U, inverted U, flat, sudden rise, sudden fall, cannot say. `halves` are the two
    lines at `break_at`; `slope` is that of one line. `quadratic` is what the usual rule would have said.
    `false_u` and `false_u_quadratic` are how often two lines and the quadratic rule call a U what only rises or falls,
    on metrics simulated at these scales with this noise from the monotone curve nearest to the data; None without noise
    to simulate.

    >>> import similitude as sim
    >>> sizes = [1e7, 3e7, 1e8, 3e8, 1e9, 3e9, 1e10, 3e10]
    >>> sim.trend(sizes, [0.8, 0.62, 0.5, 0.41, 0.42, 0.52, 0.63, 0.81]).kind
    'U'
    >>> sim.trend(sizes, [0.30, 0.42, 0.50, 0.55, 0.58, 0.60, 0.61, 0.615]).kind  # a parabola would say inverted U
    'rising'
    """

    kind: str
    says: str
    slope: Interval
    break_at: float | None
    halves: tuple[Half, ...]
    jump: tuple[float, float, float] | None
    quadratic: str
    false_u: float | None
    false_u_quadratic: float | None
    level: float
    scales: int
    observations: int
    x: tuple[float, ...] = field(repr=False, default=())
    y: tuple[float, ...] = field(repr=False, default=())
    error: tuple[float | None, ...] = field(repr=False, default=())
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Trend({self.kind}: {self.says})"

    def view(self) -> Section:
        """The class, the lines and their picture, what the quadratic rule says and how often each errs."""
        items: list[Any] = [Text("Trend", [self.says])]
        if self.warnings:
            items.append(Text("Beware", points=self.warnings, tone="warning"))
        items += [_table(self), _figure(self)]
        return Section(f"Trend with scale: {self.kind}", tuple(items))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": self.kind,
            "says": self.says,
            "slope": _plain(self.slope),
            "break_at": self.break_at,
            "halves": [{"slope": _plain(h.slope), "p": h.p, "low": h.low, "high": h.high} for h in self.halves],
            "jump": None if self.jump is None else dict(zip(("from", "to", "share"), self.jump, strict=True)),
            "quadratic": self.quadratic,
            "false_u": self.false_u,
            "false_u_quadratic": self.false_u_quadratic,
            "level": self.level,
            "scales": self.scales,
            "observations": self.observations,
            "warnings": list(self.warnings),
        }


def _plain(value: Interval) -> dict[str, Any]:
    return {"value": value.value, "low": value.low, "high": value.high, "unit": str(value.unit)}


def trend(
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    *,
    level: float = 0.95,
    flat: float | None = None,
    seed: int = 0,
) -> Trend:
    """The class of the trend of a metric `y` over scale `x`, each (observations,); scales may repeat.

    Two lines in log x, their break placed by the Robin Hood rule (Simonsohn 2018), both slopes significant and of
    opposite sign: a U or an inverted U. Else sudden, where one step between neighbouring scales, two scales or more on
    either side, makes most of the change, and two levels leave a quarter of the squares that a line or a power law with
    a floor leaves. Else rising or falling, where a line, a power law with a floor or Kendall's rank test is significant
    (the smallest p times three). Else flat, where the interval of the change over the whole range lies within `flat` of
    zero (by default one standard deviation of an observation), or "cannot say".

    Repeated observations at a scale are averaged, their scatter giving the errors; without repeats the scatter about
    the fitted lines does. `seed` is that of the simulated error rates; below zero there are none.

    Raises ArgumentError for values that are no numbers or scales that are not positive, DataError for fewer than four
    scales.

    >>> import similitude as sim
    >>> sim.trend([1e8, 1e9, 1e10, 1e11] * 3, [0.2, 0.3, 0.41, 0.5, 0.21, 0.32, 0.4, 0.52, 0.19, 0.3, 0.42, 0.5]).kind
    'rising'
    """
    u, means, errors, count = _prepared(x, y)
    if not 0 < level < 1:
        raise ArgumentError(f"level = {level:g}; expected a number between 0 and 1, such as 0.95")
    if errors is None and np.ptp(means) <= EXACT * np.max(np.abs(means)):
        return _constant(u, means, count, level)
    data = Data(u, means, errors, count)
    found = two_lines(data)
    line = weighted(design_of(u, ()), data)
    slope = _slope(line, 1, level)
    jump = jump_of(data)
    scatter = float(np.sqrt(np.mean(errors**2 * count))) if errors is not None else line.scatter
    kind = _kind(found, line, data, jump, level, scatter if flat is None else flat)
    quadratic = quadratic_rule(data, level)
    rates = _false_rates(data, level, seed) if seed >= 0 else (None, None)
    halves = () if found is None else tuple(_half(found, data, side, level) for side in (0, 1))
    at = None if found is None else float(10**found.at)
    return Trend(
        kind=kind,
        says=_says(kind, at, slope, jump, data),
        slope=slope,
        break_at=at,
        halves=halves,
        jump=jump,
        quadratic=quadratic,
        false_u=rates[0],
        false_u_quadratic=rates[1],
        level=level,
        scales=len(u),
        observations=int(np.sum(count)),
        x=tuple((10**u).tolist()),
        y=tuple(means.tolist()),
        error=tuple([None] * len(u)) if errors is None else tuple(errors.tolist()),
        warnings=_warnings(data, kind, quadratic, found),
    )


def _constant(u: np.ndarray, means: np.ndarray, count: np.ndarray, level: float) -> Trend:
    """The trend of one value at every scale: nothing to test."""
    return Trend(
        kind="flat",
        says=f"The metric is the same, {means[0]:.6g}, at all {len(u)} scales.",
        slope=Interval(0.0, 0.0, 0.0, "a decade"),
        break_at=None,
        halves=(),
        jump=None,
        quadratic="no U",
        false_u=None,
        false_u_quadratic=None,
        level=level,
        scales=len(u),
        observations=int(np.sum(count)),
        x=tuple((10**u).tolist()),
        y=tuple(means.tolist()),
        error=tuple([None] * len(u)),
    )


def _prepared(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]:
    x, y = (np.asarray(v, float).ravel() for v in (x, y))
    if x.shape != y.shape:
        raise ArgumentError(f"x has {x.size} values and y {y.size}: expected as many")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (x > 0).all()):
        bad = np.flatnonzero(~(np.isfinite(x) & np.isfinite(y) & (x > 0)))[0]
        raise ArgumentError(
            f"observation {bad + 1}: x = {x[bad]:g}, y = {y[bad]:g}; expected a positive scale, a number"
        )
    u, member = np.unique(np.log10(x), return_inverse=True)
    if u.size < LEAST:
        raise DataError(f"{u.size} scales: a trend that may turn takes at least {LEAST} different ones")
    count = np.bincount(member)
    means = np.bincount(member, y) / count
    if (count < 2).all() or y.size < 2 * u.size:
        return u, means, None, count
    within = np.sum((y - means[member]) ** 2) / (y.size - u.size)
    own = np.bincount(member, (y - means[member]) ** 2) / np.maximum(count - 1, 1)
    # scatter of each scale where it has many observations, pooled where it has few
    variance = np.where(count >= 20, own, within)
    return u, means, np.sqrt(np.maximum(variance, 1e-300) / count), count


def _kind(
    found: Fitted | None,
    line: Fitted,
    data: Data,
    jump: tuple[float, float, float] | None,
    level: float,
    flat: float,
) -> str:
    alpha = 1 - level
    if found is not None:
        slopes = found.coefficients[1:3]
        if slopes[0] * slopes[1] < 0 and max(found.p(1), found.p(2)) < alpha:
            return "U" if slopes[0] < 0 else "inverted U"
    if is_sudden(data, jump, line, level):
        return "sudden rise" if data.y[-1] > data.y[0] else "sudden fall"
    if (way := _one_way(data, line, alpha)) is not None:
        return way
    change = _slope(line, 1, level)
    width = np.ptp(data.u)
    if change.low is not None and change.high is not None:
        ends = np.array([change.low, change.high]) * width
        if np.isfinite(flat) and np.max(np.abs(ends)) <= flat:
            return "flat"
    return "cannot say"


def _one_way(data: Data, line: Fitted, alpha: float) -> str | None:
    """Rising or falling, by a line, ranks or a bent curve, whichever tells; the others see what a line fits badly."""
    from scipy.stats import kendalltau

    straight = (line.p(1), line.coefficients[1])
    if data.error is not None:
        return ("rising" if straight[1] > 0 else "falling") if straight[0] < alpha else None
    ranks: Any = kendalltau(data.u, data.y)
    every = straight, (float(ranks.pvalue), float(ranks.statistic)), (bent_p(data), float(bent(data).coefficients[1]))
    tests = [t for t in every if np.isfinite(t[0])]
    p, way = min(tests, default=(1.0, 0.0))
    return ("rising" if way > 0 else "falling") if len(every) * p < alpha else None


def _slope(made: Fitted, i: int, level: float) -> Interval:
    from scipy.stats import t as student

    value = float(made.coefficients[i])
    if not made.freedom > 0:
        return Interval(value, unit="a decade")
    half = float(student.ppf(0.5 + level / 2, made.freedom) * np.sqrt(max(made.covariance[i, i], 0.0)))
    return Interval(value, value - half, value + half, "a decade")


def _half(found: Fitted, data: Data, side: int, level: float) -> Half:
    rows = data.u <= found.at if side == 0 else data.u >= found.at
    ends = 10 ** data.u[rows]
    return Half(_slope(found, 1 + side, level), found.p(1 + side), float(ends.min()), float(ends.max()))


def _false_rates(data: Data, level: float, seed: int) -> tuple[float | None, float | None]:
    """How often each rule says U on the monotone curve nearest the data with the data's own noise."""
    from scipy.optimize import isotonic_regression

    weights = data.count.astype(float) if data.error is None else 1 / data.error**2
    both = [isotonic_regression(data.y, weights=weights, increasing=up).x for up in (True, False)]
    near = min(both, key=lambda m: float(np.sum(weights * (data.y - m) ** 2)))
    if data.error is None:
        spare = max(len(data.y) - len(np.unique(near)), 1)
        noise = np.sqrt(np.sum(data.count * (data.y - near) ** 2) / spare / data.count)
        line = weighted(design_of(data.u, ()), data)
        noise = np.maximum(noise, 0.1 * line.scatter / np.sqrt(data.count))
    else:
        noise = data.error
    if not np.all(np.isfinite(noise)) or not np.any(noise > 0):
        return None, None
    rng = np.random.default_rng(seed)
    lines, bends = 0, 0
    for _ in range(DRAWS):
        made = Data(data.u, near + noise * rng.standard_normal(len(near)), data.error, data.count)
        found = two_lines(made)
        if found is not None:
            slopes = found.coefficients[1:3]
            lines += bool(slopes[0] * slopes[1] < 0 and max(found.p(1), found.p(2)) < 1 - level)
        bends += quadratic_rule(made, level) != "no U"
    return lines / DRAWS, bends / DRAWS


def _says(kind: str, at: float | None, slope: Interval, jump: Any, data: Data) -> str:
    from similitude._quantity import format_quantity

    if kind in ("U", "inverted U"):
        way = ("falls", "rises") if kind == "U" else ("rises", "falls")
        turn = format_quantity(at or 0.0)
        return f"The metric {way[0]} up to about {turn} and {way[1]} beyond; both slopes are told from zero."
    if kind.startswith("sudden"):
        ends = f"{format_quantity(jump[0])} and {format_quantity(jump[1])}"
        return f"The metric is level but for one step between {ends}, which makes {jump[2]:.0%} of the whole change."
    if kind in ("rising", "falling"):
        return f"The metric is {kind} by {slope.text()} of scale."
    if kind == "flat":
        return f"The metric is flat: {slope.text()} of scale, over the whole range less than what is called flat."
    return f"These {len(data.u)} scales cannot say: one line has {slope.text()} of scale, which may be either way."


def _warnings(data: Data, kind: str, quadratic: str, found: Fitted | None) -> tuple[str, ...]:
    said = []
    if quadratic != "no U" and kind not in ("U", "inverted U"):
        said.append(
            f"The usual rule, a significant square term with its vertex inside the data, would have said {quadratic}."
        )
    if kind in ("rising", "falling") and found is not None and (turn := _turn(found, kind)):
        said.append(turn)
    if data.error is None and len(data.u) < 6:
        said.append(
            f"{len(data.u)} scales with one observation each leave {max(len(data.u) - 4, 0)} degrees of freedom to two "
            "lines: a turn can hardly be seen. Repeat observations (seeds, items)."
        )
    return tuple(said)


def _turn(found: Fitted, kind: str) -> str:
    """What is said of a line that goes the other way and is not told from zero."""
    from similitude._quantity import format_quantity

    sign = 1 if kind == "rising" else -1
    for i, where in ((1, "Up to"), (2, "Beyond")):
        if sign * found.coefficients[i] < 0 and found.p(i) < 0.5:
            return (
                f"{where} {format_quantity(10**found.at)} the line goes the other way, not told from zero "
                f"(p = {found.p(i):.2g}): a turn there is not ruled out. Add scales on that side, or repeats."
            )
    return ""


def _table(made: Trend) -> Table:
    from similitude._quantity import format_quantity

    def bare(slope: Interval) -> Interval:
        return Interval(slope.value, slope.low, slope.high)

    rows: list[tuple[Any, ...]] = [("one line", _scales(made.x[0], made.x[-1]), bare(made.slope), "")]
    for half, name in zip(made.halves, ("below the break", "above the break")):
        rows.append((name, _scales(half.low, half.high), bare(half.slope), f"{half.p:.2g}"))
    columns = ("line", Column("scales"), Column("slope a decade"), Column("p", align="right"))
    rates = ""
    if made.false_u is not None and made.false_u_quadratic is not None:
        rates = (
            f" On metrics like these that only rise or fall, two lines say U in {made.false_u:.1%} of simulations, the "
            f"quadratic rule in {made.false_u_quadratic:.1%}."
        )
    where = "" if made.break_at is None else f" Break at {format_quantity(made.break_at)} (Robin Hood rule)."
    note = f"{made.observations} observations at {made.scales} scales; intervals at {made.level:.0%}.{where}"
    return Table("Two lines", columns, rows, f"{note} The quadratic rule says: {made.quadratic}.{rates}")


def _scales(low: float, high: float) -> str:
    from similitude._quantity import format_quantity

    return f"{format_quantity(low)} to {format_quantity(high)}"


def _figure(made: Trend) -> Figure:
    x, y = np.array(made.x), np.array(made.y)
    error = [np.nan if e is None else e for e in made.error]
    bars = {} if np.isnan(error).any() else {"low": y - error, "high": y + np.array(error)}
    series: list[Any] = [Points("observed" if not bars else "means with standard errors", x, y, **bars)]
    for half, name in zip(made.halves, ("first line", "second line")):
        rows = (x >= half.low) & (x <= half.high)
        u, v = np.log10(x[rows]), y[rows]
        level = float(np.mean(v - half.slope.value * u))
        series.append(Line(name, x[rows], level + half.slope.value * u))
    if made.break_at is not None:
        series.append(Rule("break", made.break_at))
    return Figure("The metric against scale", Axis("Scale"), Axis("Metric", scale="linear"), series, name="trend")
