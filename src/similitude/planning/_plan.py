"""A plan: the parameters and tokens to train, what they will reach, how sure that is and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from similitude._view import Figure, FirstScreen, Interval, Section
from similitude.laws import Estimate

__all__ = ["Check", "Curves", "OffOptimum", "Plan", "Regret", "RoundPlan", "Sensitivity"]

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Check:
    """The closed form against the numeric optimum: relative difference of N, difference of loss in its unit."""

    closed_N: float
    numeric_N: float
    closed_loss: float
    numeric_loss: float

    @property
    def agrees(self) -> bool:
        """Whether the two are one to 1e-6 in N and 1e-9 in loss."""
        return abs(self.closed_N / self.numeric_N - 1) < 1e-6 and abs(self.closed_loss - self.numeric_loss) < 1e-9


@dataclass(frozen=True)
class Regret:
    """What planning with estimated coefficients is expected to cost against knowing the true ones, over `draws`.

    `loss` is the mean excess loss at equal compute and `loss_high` what it stays below with probability `level`;
    `compute` and `compute_high` are the share of the compute that the true optimum would have saved for the same loss.
    """

    loss: float
    loss_high: float
    compute: float
    compute_high: float
    level: float
    draws: int


@dataclass(frozen=True)
class Sensitivity:
    """What N and loss become when one assumption changes, from one end of its range to the other."""

    what: str
    N: tuple[float, float]
    loss: tuple[float, float]

    @property
    def spread(self) -> float:
        """How far N moves: the ratio of its ends."""
        return max(self.N) / min(self.N)


@dataclass(frozen=True)
class OffOptimum:
    """A model `factor` times the optimal size at the same compute: its loss, and the share of compute wasted."""

    factor: float
    N: float
    D: float
    loss: float
    excess: float
    wasted: float


@dataclass(frozen=True)
class RoundPlan:
    """The nearest configuration that a person can train: a decoder of whole sizes, sequences to a batch and steps.

    `N` counts as the plan does; `D` are the tokens of all steps, `loss` the law there, `excess` that over the plan's.
    """

    layers: int
    width: int
    heads: int
    feed_forward: int
    N: float
    batch: int
    context: int
    steps: int
    D: float
    loss: float
    excess: float


@dataclass(frozen=True)
class Curves:
    """What a plan's figures draw: loss along the budget against N, and the best N and D against compute.

    Bands of the frontier are quantiles over draws of the coefficients, empty without draws.
    """

    N: tuple[float, ...] = ()
    loss: tuple[float, ...] = ()
    flop: tuple[float, ...] = ()
    best_N: tuple[float, ...] = ()
    best_D: tuple[float, ...] = ()
    best_loss: tuple[float, ...] = ()
    N_low: tuple[float, ...] = ()
    N_high: tuple[float, ...] = ()
    D_low: tuple[float, ...] = ()
    D_high: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Plan:
    """How many parameters on how many tokens, with what they rest on.

    `N` and `D` count as the estimate's runs did (`counts`); `compute` is all the plan spends in FLOP, of which
    `training_flop` for training and the rest for serving `inference_tokens`. Ends of intervals are None where they are
    not known: a bare estimate has none. `regret` needs draws of the coefficients. `excess` is what a fixed or capped
    size costs against the free optimum at the same compute. `check` holds closed form and numeric optimum side by side,
    `round` the nearest configuration of whole sizes.

    >>> import similitude as sim
    >>> best = sim.plan(sim.laws.chinchilla.published["besiroglu2024"], flop=1e23)
    >>> round(best.tokens_per_parameter.value, 1), best.N.low, best.check.agrees
    (19.2, None, True)
    """

    label: str
    law: str
    question: str
    N: Interval
    D: Interval
    loss: Interval
    tokens_per_parameter: Interval
    compute: Interval
    training_flop: float
    counts: str = "undeclared"
    at: Mapping[str, float] = field(default_factory=dict)
    inference_tokens: float | None = None
    level: float | None = None
    days: Interval | None = None
    dollars: Interval | None = None
    regret: Regret | None = None
    excess: OffOptimum | None = None
    off_optimum: tuple[OffOptimum, ...] = ()
    sensitivity: tuple[Sensitivity, ...] = ()
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    extrapolation: float | None = None
    check: Check | None = None
    round: RoundPlan | None = None
    curves: Curves = field(default_factory=Curves, repr=False)
    estimate: Estimate | None = field(default=None, repr=False)

    @property
    def flop(self) -> float:
        """All the compute of the plan in FLOP."""
        return self.compute.value

    def __repr__(self) -> str:
        return (
            f"Plan({_count(self.N.value)} parameters, {_count(self.D.value)} tokens, "
            f"{self.tokens_per_parameter.value:.3g} tokens/parameter: loss {self.loss.value:.4f} "
            f"at {self.flop:.3g} FLOP; {self.label})"
        )

    def __str__(self) -> str:
        from similitude.planning._views import plan_view

        return "\n\n".join(str(v).rstrip() for v in plan_view(self) if not isinstance(v, Figure))

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

    def view(self) -> Section:
        """The plan as views: tables, figures of the budget and the frontier, assumptions, warnings."""
        from similitude.planning._views import plan_view

        return Section("Plan", plan_view(self))

    def first_screen(self) -> FirstScreen:
        """What to run, what it gives, how sure that is and what would change it, a sentence each."""
        from similitude.planning._views import first_screen

        return first_screen(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `flop` is a number, every interval value, low and high."""
        plain = {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.name != "estimate"}
        order = ("N", "D", "loss", "flop", "tokens_per_parameter")
        plain["flop"] = self.flop
        return {"schema_version": SCHEMA_VERSION, **{k: plain[k] for k in order}, **plain}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Plan:
        """The plan that `to_dict` wrote. It no longer has its estimate: what was not computed cannot be asked of it."""
        return cls(**{f.name: _read(f.name, document[f.name]) for f in fields(cls) if f.name in document})


_INTERVALS = ("N", "D", "loss", "tokens_per_parameter", "compute", "days", "dollars")
_VALUES: dict[str, type] = {"check": Check, "regret": Regret, "excess": OffOptimum, "round": RoundPlan}
_UNITS = {
    "N": "parameters",
    "D": "tokens",
    "tokens_per_parameter": "tokens/parameter",
    "compute": "FLOP",
    "days": "days",
    "dollars": "$",
}


def _read(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _INTERVALS:
        return Interval(value["value"], value["low"], value["high"], value.get("unit", _UNITS.get(name, "")))
    if name in _VALUES:
        return _VALUES[name](**value)
    if name == "curves":
        return Curves(**{k: tuple(v) for k, v in value.items()})
    if name == "sensitivity":
        return tuple(Sensitivity(s["what"], tuple(s["N"]), tuple(s["loss"])) for s in value)
    if name == "off_optimum":
        return tuple(OffOptimum(**o) for o in value)
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Interval):
        return {"value": value.value, "low": value.low, "high": value.high, "unit": value.unit}
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _count(value: float) -> str:
    from similitude._quantity import format_quantity

    return format_quantity(value)
