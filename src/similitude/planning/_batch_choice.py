"""What a batch costs: steps, examples, hours and dollars at each, the fastest, the cheapest, and what none beats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, QuestionError
from similitude._quantity import format_quantity
from similitude._view import Interval
from similitude.planning._batch_curve import BatchCurve

__all__ = ["BatchChoice", "BatchDecision", "batch_choices", "batch_decision"]

BEYOND = 10.0  # times the critical batch, where steps are a tenth over their least
FINE = 400  # batches an optimum is looked for among


@dataclass(frozen=True)
class BatchChoice:
    """One batch as a decision: steps, examples, both over their least; hours and dollars where rates are known.

    `beyond` says that it lies outside the batches measured, where the law is extrapolated.
    """

    batch: float
    steps: float
    examples: float
    steps_over: float
    examples_over: float
    beyond: bool
    accelerators: float | None = None
    hours: float | None = None
    dollars: float | None = None


@dataclass(frozen=True)
class BatchDecision:
    """The fastest and the cheapest batch, each with the interval that the critical batch's gives it, and `front`, the
    choices that no other beats in both time and money. `chosen` meets the limits asked for; None without any.

    `cost` is dollars, or accelerator hours without a price. `slower` and `dearer` are the most that the fastest takes
    longer, the cheapest costs more, than the best would if the critical batch is any value in its interval.
    """

    fastest: Interval
    cheapest: Interval
    slower: float | None
    dearer: float | None
    front: tuple[BatchChoice, ...]
    chosen: BatchChoice | None
    limits: Mapping[str, float]


@dataclass(frozen=True)
class _Rates:
    """Seconds of a step and accelerators used, against the batch, and the batches these are known for."""

    seconds: Callable[[Any], Any]
    accelerators: Callable[[Any], Any]
    low: float
    high: float
    price: float | None
    measured: tuple[float, ...]

    def cost(self, hours: Any, batch: Any) -> Any:
        return hours * self.accelerators(batch) * (1.0 if self.price is None else self.price)


def batch_choices(curve: BatchCurve, rates: _Rates | None) -> tuple[BatchChoice, ...]:
    """Powers of two times the smallest batch measured, to ten critical batches; where rates are measured, within them,
    and the batches that they were measured at."""
    smallest = min(curve.batches)
    count = int(np.clip(np.ceil(np.log2(BEYOND * curve.critical.value / smallest)), 1, 24)) + 1
    grid = smallest * 2.0 ** np.arange(count)
    if rates is not None:
        grid = np.unique([*grid[(grid >= rates.low) & (grid <= rates.high)], *rates.measured])
    return tuple(_choice(curve, float(b), rates) for b in grid)


def _choice(curve: BatchCurve, batch: float, rates: _Rates | None) -> BatchChoice:
    steps = float(curve.steps_at(batch))
    beyond = not min(curve.batches) <= batch <= max(curve.batches)
    over = steps / curve.steps_min.value, batch * steps / curve.examples_min.value
    if rates is None:
        return BatchChoice(batch, steps, batch * steps, *over, beyond)
    hours = steps * float(rates.seconds(batch)) / 3600
    dollars = None if rates.price is None else float(rates.cost(hours, batch))
    return BatchChoice(batch, steps, batch * steps, *over, beyond, float(rates.accelerators(batch)), hours, dollars)


def read_rates(
    curve: BatchCurve,
    seconds: float | Mapping[float, float] | None,
    accelerators: float | Mapping[float, float],
    price: float | None,
) -> _Rates | None:
    """Rates as functions of the batch; None where no seconds are given."""
    if seconds is None:
        return None
    if price is not None and not price >= 0:
        raise ArgumentError(f"price = {price:g}; expected dollars for an accelerator and hour")
    smallest = min(curve.batches)
    time, low, high = _against("seconds", seconds)
    count, least, most = _against("accelerators", accelerators)
    low, high = max(low, least), min(high, most)
    given = {float(b) for v in (seconds, accelerators) if isinstance(v, Mapping) for b in v}
    if not low < high:
        raise ArgumentError("seconds and accelerators: expected both at two batches or more that they share")
    if not isinstance(seconds, Mapping) and not isinstance(accelerators, Mapping):
        fixed = count(1.0)
        count = lambda batch: fixed * np.asarray(batch, float) / smallest  # noqa: E731
        low = smallest
    return _Rates(time, count, low, high, price, tuple(sorted(b for b in given if low <= b <= high)))


def _against(name: str, given: float | Mapping[float, float]) -> tuple[Callable[[Any], Any], float, float]:
    """A number at every batch, or measurements joined by straight lines in logarithms, and where these are known."""
    if not isinstance(given, Mapping):
        value = float(given)
        if not (np.isfinite(value) and value > 0):
            raise ArgumentError(f"{name} = {value:g}; expected a number above zero, or one for each batch measured")
        return lambda batch: value * np.ones_like(np.asarray(batch, float)), 0.0, np.inf
    pairs = sorted((float(b), float(v)) for b, v in given.items())
    if len(pairs) < 2 or not all(np.isfinite(b) and np.isfinite(v) and b > 0 and v > 0 for b, v in pairs):
        raise ArgumentError(f"{name}: expected positive numbers at two batches or more, such as {{64: 0.4, 256: 0.9}}")
    x, y = np.log(np.array(pairs).T)
    return lambda batch: np.exp(np.interp(np.log(batch), x, y)), pairs[0][0], pairs[-1][0]


def batch_decision(
    curve: BatchCurve,
    rates: _Rates | None,
    choices: tuple[BatchChoice, ...],
    *,
    days: float | None = None,
    dollars: float | None = None,
) -> BatchDecision | None:
    """The best batches for time and for money; None where no rates are known."""
    if rates is None:
        if days is not None or dollars is not None:
            raise ArgumentError("days and dollars need the seconds of a step (and for dollars a price)")
        return None
    if dollars is not None and rates.price is None:
        raise ArgumentError("dollars need a price: dollars for an accelerator and hour")
    ends = (rates.low, rates.high if np.isfinite(rates.high) else choices[-1].batch)
    grid = np.unique([*np.geomspace(*ends, FINE).clip(*ends), *rates.measured])
    criticals = [v for v in (curve.critical.value, curve.critical.low, curve.critical.high) if v is not None]
    fastest, slower = _best(curve, grid, criticals, lambda b, over: over * rates.seconds(b))
    cheapest, dearer = _best(curve, grid, criticals, lambda b, over: rates.cost(over * rates.seconds(b), b))
    limits = {k: float(v) for k, v in {"days": days, "dollars": dollars}.items() if v is not None}
    chosen = None if not limits else _within(curve, rates, grid, limits)
    return BatchDecision(fastest, cheapest, slower, dearer, _front(choices, rates), chosen, limits)


def _best(
    curve: BatchCurve, grid: np.ndarray, criticals: list[float], price: Callable[[Any, Any], Any]
) -> tuple[Interval, float | None]:
    """The batch of the least price, and where it is at the ends of the critical batch's interval; the regret of it."""
    found, regret = [], []
    chosen = None
    for critical in criticals:
        paid = price(grid, curve.over_least(grid, critical))
        at = int(np.argmin(paid))
        chosen = at if chosen is None else chosen
        found.append(float(grid[at]))
        regret.append(float(paid[chosen] / paid[at] - 1))
    if len(criticals) < 3:
        return Interval(found[0]), None
    return Interval(found[0], min(found), max(found)), max(regret)


def _within(curve: BatchCurve, rates: _Rates, grid: np.ndarray, limits: Mapping[str, float]) -> BatchChoice:
    """The cheapest batch that ends in time, or the fastest that the money pays for."""
    hours = curve.steps_at(grid) * rates.seconds(grid) / 3600
    cost = rates.cost(hours, grid)
    ok = (hours <= limits.get("days", np.inf) * 24) & (cost <= limits.get("dollars", np.inf))
    if not ok.any():
        said = f"the fastest batch, {format_quantity(float(grid[np.argmin(hours)]))}, takes {hours.min() / 24:.3g} days"
        if "dollars" in limits:
            said += f" and the cheapest, {format_quantity(float(grid[np.argmin(cost)]))}, costs ${cost.min():,.0f}"
        asked = " and ".join(f"{v:g} days" if k == "days" else f"${v:,.0f}" for k, v in limits.items())
        raise QuestionError(f"no batch reaches the goal within {asked}: {said}")
    wanted = np.where(ok, cost if "days" in limits else hours, np.inf)
    return _choice(curve, float(grid[int(np.argmin(wanted))]), rates)


def _front(choices: tuple[BatchChoice, ...], rates: _Rates) -> tuple[BatchChoice, ...]:
    """Choices with no other at least as fast and as cheap, and better in one."""
    hours = np.array([c.hours for c in choices], float)
    cost = np.array([rates.cost(c.hours, c.batch) for c in choices], float)
    beats = (hours[None] <= hours[:, None]) & (cost[None] <= cost[:, None])
    beats &= (hours[None] < hours[:, None]) | (cost[None] < cost[:, None])
    beaten = np.any(beats, axis=1).tolist()
    return tuple(c for c, lost in zip(choices, beaten, strict=True) if not lost)
