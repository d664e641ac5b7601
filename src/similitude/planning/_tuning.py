"""What tuning finds: the best settings of each group of a sweep, their law, and what it says at a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from similitude._view import Interval, Section
from similitude.planning._bowl import Bowls
from similitude.planning._optimum_law import OptimumLaw
from similitude.planning._rules import TuningRule
from similitude.planning._sweep import Sweep

__all__ = ["Optimum", "RuleCost", "SettingLaw", "TunedSettings", "Tuning"]

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Optimum:
    """The best settings of one group, by its bowl and by its best run.

    `side` holds -1, 0 or 1 for each setting: 1 says that its optimum lies at or above the largest value tried, so that
    the interval is open above. `loss` is the bottom of the bowl; `cells` were measurements of it, `bounds` (crashed or
    far above) only bounds. `measured` are the settings and loss of the best run.
    """

    group: Mapping[str, float]
    settings: Mapping[str, Interval]
    side: Mapping[str, int]
    loss: float
    cells: int
    bounds: int
    measured: Mapping[str, float]


@dataclass(frozen=True)
class SettingLaw:
    """setting = amplitude x product of input^exponent; `scatter` is the spread of optima around it in ln.

    `groups` fed it, of which `inequalities` with an optimum at the end of their sweep.
    """

    setting: str
    amplitude: Interval
    exponents: Mapping[str, Interval]
    scatter: Interval
    groups: int
    inequalities: int
    law: OptimumLaw = field(repr=False, compare=False)

    def __str__(self) -> str:
        terms = " ".join(f"{k}^{v.value:.3f}" for k, v in self.exponents.items())
        return f"{self.setting} = {self.amplitude.value:.4g} {terms}"


@dataclass(frozen=True)
class RuleCost:
    """A published rule at the target against the sweep's own law: ratios, and the excess loss in % of taking the rule.

    `scaled_lr` and `scaled_batch` are the rule's values multiplied so that they agree with the sweep's optima on
    average: its slopes with your level.
    """

    rule: TuningRule
    lr_ratio: Interval | None
    batch_ratio: Interval | None
    excess: Interval | None
    scaled_lr: float | None
    scaled_batch: float | None


@dataclass(frozen=True, eq=False)
class TunedSettings:
    """Learning rate and batch at a target; made by `Tuning.at`.

    Intervals hold the optimum of that one target, scatter included; `lr_law` and `batch_law` those of the law alone.
    `regret` is the expected excess loss, in %, of taking the values here. `reach` says how many times beyond the sweep
    the target lies, by input.
    """

    at: Mapping[str, float]
    lr: Interval
    lr_law: Interval
    batch: Interval | None
    batch_law: Interval | None
    regret: Interval
    reach: Mapping[str, float]
    rules: tuple[RuleCost, ...]
    level: float
    warnings: tuple[str, ...]
    tuning: Tuning = field(repr=False)

    def __repr__(self) -> str:
        batch = "" if self.batch is None else f", batch {self.batch.text()}"
        return f"TunedSettings(lr {self.lr.text()}{batch})"

    def __str__(self) -> str:
        from similitude.planning._tuning_views import printed

        return printed(self.view())

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

    def view(self) -> Section:
        """The recommendation, published rules beside it with what each would cost, and the law drawn to the target."""
        from similitude.planning._tuning_views import target_view

        return target_view(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        from similitude.planning._tuning_views import target_document

        return target_document(self)


@dataclass(frozen=True, eq=False)
class Tuning:
    """Optima of a sweep and their law; made by `tune`.

    `optima` has one entry a group; `lr_law` and `batch_law` are None where the groups are too few (`no_law` says why).
    `noise` is the scatter of log loss around the bowls. `.at(N=..., D=...)` gives settings at a target.

    >>> import similitude as sim
    >>> found = sim.tune(sim.datasets.load("steplaw"), batch="batch_tokens")
    >>> len(found.optima), round(found.lr_law.exponents["N"].value, 2), round(found.batch_law.exponents["D"].value, 2)
    (17, -0.76, 0.58)
    """

    source: str
    by: tuple[str, ...]
    settings: tuple[str, ...]
    optima: tuple[Optimum, ...]
    set_aside: tuple[tuple[Mapping[str, float], str], ...]
    lr_law: SettingLaw | None
    batch_law: SettingLaw | None
    no_law: str
    noise: float
    correlation: float
    level: float
    seed: int
    counts: str
    batch_in_tokens: bool
    warnings: tuple[str, ...]
    bowls: Bowls = field(repr=False)
    sweep: Sweep = field(repr=False)

    def __repr__(self) -> str:
        laws = "; ".join(str(law) for law in (self.lr_law, self.batch_law) if law is not None)
        return f"Tuning({len(self.optima)} groups: {laws or self.no_law})"

    def __str__(self) -> str:
        from similitude.planning._tuning_views import printed

        return printed(self.view())

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

    def view(self) -> Section:
        """Optima by group, their law, and figures: bowls, and optima against the inputs with published rules."""
        from similitude.planning._tuning_views import tuning_view

        return tuning_view(self)

    def at(self, *, loss: float | None = None, **inputs: Any) -> TunedSettings:
        """Learning rate and batch at a target, with published rules beside them where N and D are given.

        `inputs` are values of the law's inputs (text such as "7B" will do); `loss` is what the target is expected to
        reach, for rules that need it. Raises ArgumentError for missing or unknown inputs, QuestionError where the sweep
        gave no law.
        """
        from similitude.planning._settings import settings_at

        return settings_at(self, inputs, loss)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        from similitude.planning._tuning_views import tuning_document

        return tuning_document(self)
