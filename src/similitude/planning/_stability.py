"""Warnings from small proxies: sensitivity to the learning rate, attention logits and gradients carried to a size.

Wortsman et al. 2023: the mean excess loss over a range of rates, and signals that are power laws of size at each rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from similitude._errors import ArgumentError, DataError, QuestionError
from similitude._quantity import format_quantity
from similitude._view import Axis, Column, Figure, Interval, Line, Points, Rule, Section, Table, Text, View
from similitude.planning._rules import positive_number
from similitude.planning._sweep import RATES
from similitude.runs import Runs

__all__ = ["LrSensitivity", "Signal", "Stability", "stability"]

SCHEMA_VERSION = 1
FEWEST = 3  # sizes behind a power law
Verdict = Literal["crosses", "may cross", "stays", "cannot tell"]


@dataclass(frozen=True)
class LrSensitivity:
    """Mean excess loss at one size over log-uniform rates from `low` to `high`, losses capped at the starting one."""

    size: float
    value: float
    best: float
    low: float
    high: float
    rates: int
    capped: int


@dataclass(frozen=True)
class Signal:
    """One signal at one learning rate: its power law in size, its value at the target, whether it crosses the limit.

    `sizes` and `values` are what it rests on; `verdict`: "crosses" (the whole interval beyond the limit), "may cross",
    "stays", or "cannot tell" (fewer than three sizes).
    """

    name: str
    lr: float
    exponent: Interval | None
    at_target: Interval | None
    limit: float
    verdict: Verdict
    sizes: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Stability:
    """How sensitive runs are to the learning rate, and what their signals foretell at a target; made by `stability`.

    `trend` is the exponent of the sensitivity in size, with its interval, from three sizes on.
    """

    source: str
    size: str
    target: float
    sensitivity: tuple[LrSensitivity, ...]
    trend: Interval | None
    signals: tuple[Signal, ...]
    level: float
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        crossing = sum(s.verdict == "crosses" for s in self.signals)
        return f"Stability({len(self.sensitivity)} sizes, {len(self.signals)} signals of which {crossing} cross)"

    def __str__(self) -> str:
        return "\n\n".join(str(v).rstrip() for v in self.view().items if not isinstance(v, Figure))

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

    def view(self) -> Section:
        """Warnings, sensitivity by size, signals at the target and figures of them."""
        views: list[View] = []
        if self.warnings:
            views.append(Text("Beware", points=self.warnings, tone="warning"))
        views.append(_sensitivities(self))
        views += [_signals(self)] if self.signals else []
        views += [_figure(self, name) for name in dict.fromkeys(s.name for s in self.signals)]
        return Section("Stability", [*views, Text("Notes", points=self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "source": self.source,
            "size": self.size,
            "target": self.target,
            "sensitivity": [dict(vars(s)) for s in self.sensitivity],
            "trend": _plain(self.trend),
            "signals": [
                {**vars(s), "exponent": _plain(s.exponent), "at_target": _plain(s.at_target),
                 "sizes": list(s.sizes), "values": list(s.values)}
                for s in self.signals
            ],
            "level": self.level,
            "warnings": list(self.warnings),
            "notes": list(self.notes),
        }  # fmt: skip


def stability(
    runs: Runs,
    *,
    target: Any,
    size: str = "N",
    lr: str | None = None,
    initial_loss: float | None = None,
    logits: str | None = None,
    logit_limit: float = 1e4,
    gradients: str | None = None,
    epsilon: float = 1e-8,
    level: float = 0.9,
) -> Stability:
    """Sensitivity to the learning rate by size, and warnings for a target size from signals logged in small runs.

    Sensitivity (Wortsman et al. 2023) is the mean over log-uniform rates of min(loss, initial loss) less the best loss,
    by the trapezoid over the rates swept at that size; crashed runs count as the initial loss, `initial_loss` (ln of
    the vocabulary for a language model) or else the largest loss in the table. `logits` names a column of the largest
    attention logit, `gradients` one of the root mean square of gradients: at each rate ln signal is a line in ln size,
    carried to `target` with the interval of one new run (Student's t). A logit above `logit_limit`, or a gradient below
    `epsilon` of the optimiser, is a warning. The limit of 1e4 is the order of size at which the paper saw divergence
    and is not sure to hold for other models.

    Raises DataError for missing columns, QuestionError where no size has three rates.

    >>> import similitude as sim
    >>> rows = {"N": [1e7] * 3 + [1e8] * 3, "lr": [1e-3, 1e-2, 1e-1] * 2, "loss": [3.2, 3.0, 3.6, 2.9, 2.6, 9.0]}
    >>> found = sim.stability(sim.read_runs(rows, check=False), target="1B", initial_loss=8.0)
    >>> [round(s.value, 3) for s in found.sensitivity]
    [0.2, 1.425]
    """
    _check(logit_limit, epsilon, level)
    wanted = positive_number("target", target, "parameters" if size == "N" else None)
    runs = runs.kept
    rate = lr or next((name for name in RATES if name in runs), None)
    if rate is None:
        raise DataError(f"{runs.source}: no column of learning rates (lr); name it with lr='your column'")
    runs = runs.require(size, rate, runs.output)
    n, eta, loss = runs.column(size), runs.column(rate), runs.column(runs.output)
    if np.any(n <= 0) or np.any(eta <= 0):
        raise DataError(f"{runs.source}: {size} and {rate} must be positive")
    start = _start(runs, loss, initial_loss)
    capped = np.where(np.asarray(runs.censored) | ~(loss < start), start, loss)
    sensitivity = tuple(s for value in np.unique(n) if (s := _at(value, eta[n == value], capped[n == value], start)))
    if not sensitivity:
        raise QuestionError(f"{runs.source}: no size has three learning rates, from which sensitivity is computed")
    signals = tuple(
        signal
        for name, limit, sign in ((logits, logit_limit, 1), (gradients, epsilon, -1))
        if name is not None
        for signal in _signals_of(name, n, eta, runs.column(name), wanted, limit, sign, level)
    )
    return Stability(
        runs.source,
        size,
        wanted,
        sensitivity,
        _trend(sensitivity, level),
        signals,
        level,
        _warnings(signals, wanted, float(n.max()), sensitivity),
        _notes(initial_loss, start, sensitivity),
    )


def _check(logit_limit: float, epsilon: float, level: float) -> None:
    if not (logit_limit > 0 and epsilon > 0):
        raise ArgumentError("logit_limit and epsilon must be positive")
    if not 0 < level < 1:
        raise ArgumentError(f"level = {level!r}: expected a coverage between 0 and 1, such as 0.9")


def _start(runs: Runs, loss: np.ndarray, initial_loss: float | None) -> float:
    if initial_loss is not None:
        return positive_number("initial_loss", initial_loss)
    return float(np.nanmax(np.where(np.isfinite(loss), loss, np.nan)))


def _at(size: float, eta: np.ndarray, loss: np.ndarray, start: float) -> LrSensitivity | None:
    """The trapezoid over ln rate of each rate's mean loss."""
    rates = np.unique(eta)
    if rates.size < 3:
        return None
    mean = np.array([loss[eta == r].mean() for r in rates])
    x, best = np.log(rates), float(mean.min())
    value = float(np.trapezoid(mean - best, x) / (x[-1] - x[0]))
    return LrSensitivity(
        float(size), value, best, float(rates[0]), float(rates[-1]), rates.size, int(np.sum(mean >= start))
    )


def _trend(found: Sequence[LrSensitivity], level: float) -> Interval | None:
    points = [(s.size, s.value) for s in found if s.value > 0]
    if len(points) < FEWEST:
        return None
    x, y = np.log(np.array(points)).T
    return _line(x, y, None, level)[0]


def _line(x: np.ndarray, y: np.ndarray, at: float | None, level: float) -> tuple[Interval, Interval | None]:
    """Slope, and the value of one new point at `at`, with Student's intervals."""
    from scipy.stats import t

    centre, free = x.mean(), x.size - 2
    away = x - centre
    slope = float(away @ y / (away @ away))
    left = y - y.mean() - slope * away
    error = float(np.sqrt(left @ left / free))
    cut = float(t.ppf((1 + level) / 2, free))
    arm = cut * error / float(np.sqrt(away @ away))
    if at is None:
        return Interval(slope, slope - arm, slope + arm), None
    value = y.mean() + slope * (at - centre)
    reach = cut * error * float(np.sqrt(1 + 1 / x.size + (at - centre) ** 2 / (away @ away)))
    middle, low, high = (float(np.exp(v)) for v in (value, value - reach, value + reach))
    return Interval(slope, slope - arm, slope + arm), Interval(middle, low, high)


def _signals_of(
    name: str, n: np.ndarray, eta: np.ndarray, values: np.ndarray, target: float, limit: float, sign: int, level: float
) -> list[Signal]:
    """The signal at each learning rate; runs without a value, as crashed ones, are left out."""
    found = []
    for rate in np.unique(eta):
        mine = (eta == rate) & np.isfinite(values) & (values > 0)
        sizes = np.unique(n[mine])
        mean = np.array([np.exp(np.log(values[mine & (n == s)]).mean()) for s in sizes])
        exponent = at = None
        if sizes.size >= FEWEST:
            exponent, at = _line(np.log(sizes), np.log(mean), float(np.log(target)), level)
        verdict = _verdict(at, limit, sign)
        found.append(
            Signal(name, float(rate), exponent, at, limit, verdict, tuple(sizes.tolist()), tuple(mean.tolist()))
        )
    return found


def _verdict(at: Interval | None, limit: float, sign: int) -> Verdict:
    if at is None or at.low is None or at.high is None:
        return "cannot tell"
    near, far = (at.low, at.high) if sign > 0 else (-at.high, -at.low)
    return "crosses" if near > sign * limit else "may cross" if far > sign * limit else "stays"


def _warnings(
    signals: Sequence[Signal], target: float, largest: float, sensitivity: Sequence[LrSensitivity]
) -> tuple[str, ...]:
    said = []
    for name in dict.fromkeys(s.name for s in signals):
        for verdict, words in (("crosses", "is foretold to cross"), ("may cross", "may cross")):
            rates = [s.lr for s in signals if s.name == name and s.verdict == verdict]
            if rates:
                listed = ", ".join(f"{r:.3g}" for r in rates)
                limit = next(s.limit for s in signals if s.name == name)
                said.append(f"{name} {words} {limit:g} at {format_quantity(target)} for learning rates {listed}.")
    if signals and target > 30 * largest:
        said.append(f"The target is {target / largest:.3g} times the largest size: power laws this long are guesses.")
    spans = {(s.low, s.high) for s in sensitivity}
    if len(spans) > 1:
        said.append("The sizes swept different ranges of rates: their sensitivities cannot be compared.")
    return tuple(said)


def _notes(given: float | None, start: float, sensitivity: Sequence[LrSensitivity]) -> tuple[str, ...]:
    limit = (
        "The logit limit is an order of size, unsure for other models; with normalised queries and keys it does not "
        "apply. Growing output logits are met with a z-loss, gradients near epsilon with a smaller epsilon."
    )
    said = [
        "Sensitivity and signals are as in Wortsman et al. 2023; there rates went from 1e-4 to 1e-1.",
        limit,
    ]
    if given is None:
        said.append(f"No initial loss was given: the largest in the table, {start:.4g}, stands in for it.")
    if any(s.capped for s in sensitivity):
        said.append("Rates whose loss reached the initial one, or that crashed, count as the initial loss.")
    return tuple(said)


def _sensitivities(found: Stability) -> Table:
    rows = [
        (format_quantity(s.size), s.value, s.best, f"{s.low:.3g} to {s.high:.3g}", s.rates, s.capped)
        for s in found.sensitivity
    ]
    columns = (found.size, Column("sensitivity", digits=3), Column("best loss"), "rates", "how many", "of which capped")
    note = "Mean loss above the best one over log-uniform rates."
    if found.trend is not None:
        note += f" It goes as {found.size}^{found.trend.text()} ({found.level:.0%}, Student's t)."
    return Table("Sensitivity to the learning rate", columns, rows, note=note)


def _signals(found: Stability) -> Table:
    rows = [
        (s.name, f"{s.lr:.3g}", s.exponent, s.at_target, f"{s.limit:g}", s.verdict, len(s.sizes)) for s in found.signals
    ]
    head = (
        "signal",
        "lr",
        f"exponent in {found.size}",
        f"at {format_quantity(found.target)}",
        "limit",
        "verdict",
        "sizes",
    )
    return Table("Signals carried to the target", head, rows, note=f"{found.level:.0%} intervals of one new run.")


def _figure(found: Stability, name: str) -> Figure:
    series: list[Any] = []
    mine = [s for s in found.signals if s.name == name and s.sizes]
    for s in mine:
        series.append(Points("runs", s.sizes, s.values, group=s.lr))
        if s.at_target is not None and s.exponent is not None:
            last = s.at_target.value * (s.sizes[-1] / found.target) ** s.exponent.value
            first = s.at_target.value * (s.sizes[0] / found.target) ** s.exponent.value
            series.append(Line("power law", [s.sizes[0], s.sizes[-1]], [first, last], group=s.lr))
            ahead = [s.sizes[-1], found.target], [last, s.at_target.value]
            series.append(Line("extrapolated", *ahead, role="extrapolated", group=s.lr, label=f"lr {s.lr:.3g}"))
    if mine:
        series.append(Rule("limit", mine[0].limit, "y"))
    x = Axis("Parameters" if found.size == "N" else found.size, "parameters" if found.size == "N" else "")
    return Figure(f"{name} against size", x, Axis(name), series, Axis("Learning rate"), name=f"signal-{name}")


def _plain(value: Interval | None) -> dict[str, Any] | None:
    return None if value is None else {"value": value.value, "low": value.low, "high": value.high}
