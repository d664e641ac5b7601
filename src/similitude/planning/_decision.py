"""The decision over all inputs of a law that carry cost: what it rests on, what being off it costs, how it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from similitude._digits import format_number, in_powers
from similitude._quantity import format_quantity
from similitude._result import SCHEMA_VERSION, Result
from similitude._view import Axis, Band, Column, Figure, Interval, Line, Marker, Section, Table, Text
from similitude.laws import Estimate
from similitude.planning._plan import Regret, Sensitivity

__all__ = ["Decision", "Deviation", "Frontier", "Rounded"]


@dataclass(frozen=True)
class Deviation:
    """One input held at `factor` times its best value, the others chosen again at the same cost: value, loss, waste.

    `wasted` is the share of the cost that the optimum would have saved for the same value; None where it has no answer.
    """

    name: str
    factor: float
    inputs: Mapping[str, float]
    value: float
    excess: float
    wasted: float | None


@dataclass(frozen=True)
class Frontier:
    """The best inputs and value along costs, with ends of each input over draws of the coefficients."""

    cost: tuple[float, ...] = ()
    inputs: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    value: tuple[float, ...] = ()
    low: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    high: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Rounded:
    """The best configuration with whole numbers where inputs are counted, the others chosen again; what it loses."""

    inputs: Mapping[str, float]
    value: float
    excess: float
    cost: float


@dataclass(frozen=True, eq=False)
class Decision(Result):
    """The best inputs of a law for a cost, or the least cost for a value, with what they rest on.

    `inputs` holds an interval for each input that was chosen, `at` those that were given. `binding` names the ends of
    limits that the decision sits on and what moving each by one per cent would gain. `rounded` has whole numbers where
    an input is counted. Ends of intervals are None where not known: a bare estimate has none. Made by `decide`.

    >>> import similitude as sim
    >>> found = sim.decide(sim.laws.fine_grained_moe.published["krajewski2024"], 1.93e20)
    >>> found
    Decision(N 43.9B, D 28.1B, G 16.9: 2.4716 nats/token for 1.93e20 FLOP; fine_grained_moe:krajewski2024)
    >>> found.rounded.inputs["G"]
    16.0
    """

    label: str
    law: str
    question: str
    inputs: Mapping[str, Interval]
    value: Interval
    cost: Interval
    formula: str
    at: Mapping[str, float] = field(default_factory=dict)
    level: float | None = None
    counts: str = "undeclared"
    regret: Regret | None = None
    rounded: Rounded | None = None
    binding: Mapping[str, float] = field(default_factory=dict)
    deviations: tuple[Deviation, ...] = ()
    sensitivity: tuple[Sensitivity, ...] = ()
    frontier: Frontier = field(default_factory=Frontier, repr=False)
    extrapolation: Mapping[str, float] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    estimate: Estimate | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        chosen = ", ".join(f"{k} {format_quantity(v.value)}" for k, v in self.inputs.items())
        cost = format_number(self.cost.value, self.cost.unit, 3)
        return f"Decision({chosen}: {self.value.value:.4f} {self.value.unit} for {cost}; {self.label})"

    def view(self) -> Section:
        """The decision as views: tables, the frontier, assumptions, warnings."""
        views: list[Any] = [_answer(self)]
        if self.warnings:
            views.append(Text("Beware", points=self.warnings, tone="warning"))
        views += [
            v for v in (_frontier_figure(self), _deviation_table(self), _sensitivity_table(self)) if v is not None
        ]
        views.append(Text("What the decision takes for granted", points=self.assumptions))
        return Section("Decision", tuple(views))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; every chosen input under its own name, each interval as value, low and high."""
        plain: dict[str, Any] = {k: _interval(v) for k, v in self.inputs.items()}
        head = {"schema_version": SCHEMA_VERSION, "kind": "decision", "inputs": plain, "value": _interval(self.value)}
        if self.estimate is not None and self.estimate.law.output.kind == "loss":
            head["loss"] = head["value"]
        if str(self.cost.unit) == "FLOP":
            head["flop"] = self.cost.value
        rest = {k: _plain(getattr(self, k)) for k in self.__dataclass_fields__ if k not in (*head, "estimate")}
        return {**plain, **head, **rest}


def _interval(value: Interval) -> dict[str, Any]:
    return {"value": value.value, "low": value.low, "high": value.high, "unit": str(value.unit)}


def _plain(value: Any) -> Any:
    if isinstance(value, Interval):
        return _interval(value)
    if hasattr(value, "__dataclass_fields__"):
        return {k: _plain(getattr(value, k)) for k in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (tuple, list)) else value


def _cell(value: Interval) -> Any:
    if value.low is None and value.high is None:
        return in_powers(format_number(value.value, str(value.unit)))
    return value


def _answer(made: Decision) -> Table:
    rows: list[tuple[str, Any]] = [(k, _cell(v)) for k, v in made.inputs.items()]
    rows += [("value", _cell(made.value)), ("cost", _cell(made.cost))]
    rows += [(f"given {k}", in_powers(format_number(v))) for k, v in made.at.items()]
    if made.rounded is not None:
        said = ", ".join(f"{k} {format_quantity(v)}" for k, v in made.rounded.inputs.items())
        dearer = made.rounded.cost / made.cost.value - 1
        told = f"{dearer:+.1%} of cost" if abs(dearer) > 1e-6 else f"{made.rounded.excess:+.2g}"
        rows.append(("in whole numbers", f"{said}: {made.rounded.value:.4f} ({told})"))
    rows += [(f"limit {k}", f"binds: one per cent more room gains {gain:.2g}") for k, gain in made.binding.items()]
    level = f"Intervals at {made.level:.0%}, of the law's own uncertainty; " if made.level else ""
    return Table(f"Decision: {made.question}", ("quantity", "value"), rows, f"{level}{made.label}.{_regret(made)}")


def _regret(made: Decision) -> str:
    r = made.regret
    if r is None:
        return ""
    return (
        f" Deciding on these coefficients, not the true ones, is expected to lose {r.loss:.2g} (at most "
        f"{r.loss_high:.2g} with probability {r.level:.0%}), or {r.compute:.1%} of the cost; {r.draws:,} draws."
    )


def _deviation_table(made: Decision) -> Table | None:
    if not made.deviations:
        return None
    rows = []
    for d in made.deviations:
        times = f"1/{1 / d.factor:.3g}" if d.factor < 1 else f"{d.factor:.3g}×"
        wasted = "…" if d.wasted is None else f"{d.wasted:.1%}"
        rows.append((f"{d.name} {times}", *(_short(d.inputs[k]) for k in made.inputs), f"{d.excess:+.4f}", wasted))
    columns = ("off the optimum", *(Column(k, align="right") for k in made.inputs), Column("excess", align="right"),
               Column("cost wasted", align="right"))  # fmt: skip
    note = "One input is held off, the others are chosen again at the same cost."
    return Table("What it costs to deviate", columns, rows, note)


def _short(value: float) -> str:
    return format_quantity(value)


def _sensitivity_table(made: Decision) -> Table | None:
    if not made.sensitivity:
        return None
    first = next(iter(made.inputs))
    rows = [(s.what, *(_short(v) for v in s.N), *(f"{v:.4f}" for v in s.loss)) for s in made.sensitivity]
    columns = ("assumption", *(Column(c, align="right") for c in (f"{first} from", "to", "value from", "to")))
    return Table("What would change the answer", columns, rows)


def _frontier_figure(made: Decision) -> Figure | None:
    f = made.frontier
    if len(f.cost) < 3:
        return None
    series: list[Any] = []
    for i, (name, values) in enumerate(f.inputs.items()):
        here, group = made.inputs[name].value, float(i + 1)
        if name in f.low:
            low, high = ([v / here for v in ends[name]] for ends in (f.low, f.high))
            series.append(Band(f"{made.level or 0.9:.0%} band", f.cost, low, high, group=group))
        series.append(Line("best value", f.cost, [v / here for v in values], group=group, label=name))
    series.append(Marker("decision", made.cost.value, 1.0, role="target"))
    axis = Axis("Inputs, times those of the decision", ticks="plain")
    unit = str(made.cost.unit)
    shade = Axis("input", scale="linear", names={float(i + 1): k for i, k in enumerate(f.inputs)})
    return Figure("Best inputs against cost", Axis("Cost", unit), axis, series, shade, name="best-inputs")
