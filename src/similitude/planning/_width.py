"""Width: the rules of the maximal-update parameterisation by kind of weight, and transfer measured on three widths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from similitude._errors import ArgumentError, QuestionError
from similitude._view import Column, Interval, Section, Table, Text, View
from similitude.planning._rules import positive_number
from similitude.planning._tune import tune
from similitude.planning._tuning import Tuning
from similitude.runs import Runs

__all__ = ["WidthRule", "WidthRules", "WidthTransfer", "width_rules", "width_transfer"]

SCHEMA_VERSION = 1
Optimiser = Literal["adam", "sgd"]
# kind of weight -> exponents of m = width / base width: forward multiplier, initial variance, learning rate.
# Yang et al. 2022, table 3 for SGD; for Adam their table 8, in which the output's rate stays and a multiplier shrinks.
EXPONENTS: Mapping[str, Mapping[str, tuple[int, int, int]]] = {
    "adam": {"input and biases": (0, 0, 0), "hidden": (0, -1, -1), "output": (-1, 0, 0)},
    "sgd": {"input and biases": (0, 0, 1), "hidden": (0, -1, 0), "output": (0, -2, -1)},
}


@dataclass(frozen=True)
class WidthRule:
    """Factors for one kind of weight in going from the base width to the target: `lr` and `variance` times those of the
    base, and a forward `multiplier`."""

    weights: str
    multiplier: float
    variance: float
    lr: float


@dataclass(frozen=True)
class WidthRules:
    """The maximal-update rules from a base width to a target width; made by `width_rules`."""

    base: float
    target: float
    optimiser: Optimiser
    rules: tuple[WidthRule, ...]
    lr: float | None = None

    def __repr__(self) -> str:
        return f"WidthRules({self.optimiser}, width {self.base:g} to {self.target:g})"

    def __str__(self) -> str:
        return "\n\n".join(str(v) for v in self.view().items)

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

    def view(self) -> Section:
        """The table of factors, and what else changes."""
        head = ("weights", *(Column(c, align="right") for c in ("multiplier", "initial variance", "learning rate")))
        rows = [(r.weights, r.multiplier, r.variance, r.lr if self.lr is None else r.lr * self.lr) for r in self.rules]
        unit = "factors on those of the base model" if self.lr is None else f"rates for a base rate of {self.lr:g}"
        note = f"{self.optimiser}; {unit}. Initial variance and multiplier are factors. Source: Yang et al. 2022."
        table = Table(f"Maximal-update rules, width {self.base:g} to {self.target:g}", head, rows, note=note)
        return Section("Width", (table, Text("With it", points=_BESIDE)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "base": self.base,
            "target": self.target,
            "optimiser": self.optimiser,
            "lr": self.lr,
            "rules": [
                {"weights": r.weights, "multiplier": r.multiplier, "variance": r.variance, "lr": r.lr}
                for r in self.rules
            ],
        }


_BESIDE = (
    "Attention logits are divided by the head's size, not by its root.",
    "Initial variance is that of the base model times the factor: for hidden weights it stays 1/fan-in.",
    "The rules speak of width alone: depth, batch, tokens and weight decay move the best rate, too.",
    "They say what a correct parameterisation does, not that yours is one: measure three widths (width_transfer).",
)


def width_rules(base: Any, target: Any, *, optimiser: Optimiser = "adam", lr: Any = None) -> WidthRules:
    """How multipliers, initial variance and learning rates change from a base width to a target width.

    Maximal-update parameterisation (Yang et al. 2022, tables 3 and 8): under Adam the rate of hidden weights falls as
    one over the width and the output gets a multiplier of one over the width; under SGD the rate of input weights grows
    with the width and that of the output falls. With `lr`, the base model's rate, rates are given instead of factors.

    Raises ArgumentError for widths that are not positive or another optimiser.

    >>> import similitude as sim
    >>> {r.weights: r.lr for r in sim.width_rules(256, 4096).rules}
    {'input and biases': 1.0, 'hidden': 0.0625, 'output': 1.0}
    """
    if optimiser not in EXPONENTS:
        raise ArgumentError(f"optimiser = {optimiser!r}; expected adam or sgd")
    low, high = positive_number("base", base), positive_number("target", target)
    ratio = high / low
    rules = tuple(
        WidthRule(weights, float(ratio**forward), float(ratio**start), float(ratio**rate))
        for weights, (forward, start, rate) in EXPONENTS[optimiser].items()
    )
    return WidthRules(low, high, optimiser, rules, None if lr is None else positive_number("lr", lr))


@dataclass(frozen=True, eq=False)
class WidthTransfer:
    """Whether the best rate stays as the width grows: rate = c width^-p; made by `width_transfer`.

    `exponent` is p with its interval. `verdict` is "transfers" (the interval holds 0 and moves the best rate by less
    than `margin` over the widths swept), "does not transfer" (it excludes 0) or "cannot tell". `drift` is the factor by
    which the best rate falls from the smallest to the largest width.
    """

    width: str
    exponent: Interval
    drift: Interval
    verdict: str
    margin: float
    tuning: Tuning = field(repr=False)

    def __repr__(self) -> str:
        return f"WidthTransfer({self.verdict}: exponent {self.exponent.text()})"

    def __str__(self) -> str:
        from similitude.planning._tuning_views import printed

        return printed(self.view())

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

    def view(self) -> Section:
        """The verdict, then the optima and figures of the sweep."""
        rows = [("exponent p of rate ~ width^-p", self.exponent), ("fall over the widths swept, factor", self.drift)]
        hidden = "Adam's hidden weights without a rule: p = 1; with the maximal-update rules: p = 0."
        note = f"{self.tuning.level:.0%} intervals. {hidden} Transfers: within a factor {self.margin:g}."
        views: list[View] = [
            Table(f"The best rate: {self.verdict}", ("quantity", Column("value", align="right")), rows, note)
        ]
        return Section("Transfer over width", (*views, *self.tuning.view().items))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        ends = {k: {"value": v.value, "low": v.low, "high": v.high} for k, v in self._intervals()}
        document = {"schema_version": SCHEMA_VERSION, "width": self.width, "verdict": self.verdict}
        return {**document, "margin": self.margin, **ends, "tuning": self.tuning.to_dict()}

    def _intervals(self) -> tuple[tuple[str, Interval], ...]:
        return (("exponent", self.exponent), ("drift", self.drift))


def width_transfer(
    runs: Runs,
    *,
    width: str = "width",
    lr: str | None = None,
    within: float = 0.005,
    margin: float = 1.5,
    level: float = 0.9,
    seed: int = 0,
) -> WidthTransfer:
    """Whether the best learning rate transfers over width, from a sweep of rates at three or more widths.

    rate = c width^-p through the bottoms of the bowls (see `tune`), p = 0 being transfer. An interval that holds 0 only
    says "transfers" when its ends move the best rate by less than `margin` over the widths swept.

    Raises DataError and QuestionError as `tune` does, and QuestionError for fewer than three widths with their optimum
    inside the sweep.

    >>> import numpy as np
    >>> import similitude as sim
    >>> rows = [
    ...     (w, lr, 3 * np.exp(0.02 * np.log(lr * w / 0.5) ** 2))
    ...     for w in (128, 256, 512)
    ...     for lr in (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)
    ... ]
    >>> table = {name: [row[i] for row in rows] for i, name in enumerate(("width", "lr", "loss"))}
    >>> found = sim.width_transfer(sim.read_runs(table, check=False))
    >>> round(found.exponent.value, 2), found.verdict
    (1.0, 'does not transfer')
    """
    if not margin > 1:
        raise ArgumentError(f"margin = {margin!r}: expected a factor above 1, such as 1.5")
    found = tune(runs, lr=lr, by=(width,), lr_inputs=(width,), within=within, level=level, seed=seed)
    if found.lr_law is None:
        raise QuestionError(f"{runs.source}: {found.no_law}; transfer needs three widths whose optimum is inside")
    slope = found.lr_law.exponents[width]
    widths = [o.group[width] for o in found.optima]
    span = float(np.log(max(widths) / min(widths)))
    exponent = Interval(
        -slope.value, None if slope.high is None else -slope.high, None if slope.low is None else -slope.low
    )
    ends = [None if e is None else float(np.exp(e * span)) for e in (exponent.value, exponent.low, exponent.high)]
    drift = Interval(ends[0] or 1.0, ends[1], ends[2])
    return WidthTransfer(width, exponent, drift, _verdict(drift, margin), margin, found)


def _verdict(drift: Interval, margin: float) -> str:
    low, high = drift.low or 0.0, drift.high or np.inf
    if low > 1 or high < 1:
        return "does not transfer"
    return "transfers" if 1 / margin < low and high < margin else "cannot tell"
