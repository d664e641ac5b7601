"""`next_runs`: which small runs, for a budget, make the decision at a target most certain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._errors import ArgumentError, QuestionError
from similitude._quantity import format_quantity
from similitude._result import Result
from similitude._view import Interval, Section
from similitude.planning._aim import Aims
from similitude.planning._belief import Belief, belief_of_fit
from similitude.planning._budget import amount
from similitude.planning._candidates import Candidates, grid_of, listed
from similitude.planning._decide import pose
from similitude.planning._information import Choice, Pool
from similitude.planning._optimum import Space

if TYPE_CHECKING:
    from similitude.fitting import Fit

__all__ = [
    "GainMap",
    "NewRuns",
    "NextRuns",
    "Outlook",
    "aims_wanted",
    "inverse",
    "leaning",
    "maker",
    "next_runs",
    "outlook",
]

AIMS = ("regret", "value", "both")
RUNS = 12
DRAWS = 33
LEANS = 2.0  # times as wide without a configuration, from which a warning is given
SHARES = (0.25, 0.5, 2.0, 4.0)


@dataclass(frozen=True)
class NewRuns:
    """One configuration to train `seeds` times: its inputs, the cost of one run, and by how much leaving all of them
    out would widen the interval of the decision (a factor)."""

    inputs: Mapping[str, float]
    seeds: int
    cost: float
    weight: float


@dataclass(frozen=True)
class Outlook:
    """The expected uncertainty of the decision after `runs` more runs of `cost` altogether.

    `inputs` and `value` are the decision with intervals; `regret` is the expected loss in excess at equal cost and
    `wasted` the share of the target's cost that it stands for. All are medians over draws of the parameters.
    """

    what: str
    runs: int
    cost: float
    inputs: Mapping[str, Interval]
    value: Interval
    regret: float
    wasted: float


@dataclass(frozen=True)
class GainMap:
    """What a first single run at each candidate would bring for its cost, relative to the best; inputs (candidates,).

    `so_far` are the inputs of the runs there are.
    """

    inputs: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    cost: tuple[float, ...] = ()
    gain: tuple[float, ...] = ()
    so_far: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class NextRuns(Result):
    """Runs to make next, with what they are expected to do for the decision; made by `next_runs`.

    `design` is cheapest first; `now` and `after` the decision's uncertainty before and after it, `budgets` after the
    best designs for other budgets. `efficiency` is a guarantee: no design within the same limits has more than
    1 / efficiency times this one's precision (1 / variance, averaged over draws), in the linearised problem.
    """

    label: str
    law: str
    target: float
    formula: str
    unit: str
    aim: str
    design: tuple[NewRuns, ...]
    now: Outlook
    after: Outlook
    budgets: tuple[Outlook, ...]
    efficiency: float
    noise: float
    candidates: int
    draws: int
    level: float
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    map: GainMap = field(default_factory=GainMap, repr=False)
    seed: int = 0

    @property
    def cost(self) -> float:
        """What the design costs altogether, in `unit`."""
        return sum(r.cost * r.seeds for r in self.design)

    @property
    def runs(self) -> int:
        """How many runs the design has, seeds counted."""
        return sum(r.seeds for r in self.design)

    def __repr__(self) -> str:
        spent = format_quantity(self.cost)
        return (
            f"NextRuns({self.runs} runs of {len(self.design)} configurations for {spent} {self.unit}; expected regret "
            f"{self.now.regret:.2g} -> {self.after.regret:.2g}; {self.label})"
        )

    def view(self) -> Section:
        """Tables of runs and of what they bring, figures of where a run pays and of certainty against spending."""
        from similitude.planning._design_views import next_runs_view

        return next_runs_view(self)


def next_runs(
    fit: Fit,
    target: float | str,
    *,
    spend: float | str | None = None,
    runs: int | None = None,
    per_run: float | str | None = None,
    repeats: int | None = None,
    within: Mapping[str, tuple[Any, Any]] | None = None,
    candidates: Mapping[str, Any] | None = None,
    aim: str | None = None,
    cost: str | None = None,
    at: Mapping[str, float | str] | None = None,
    limits: Mapping[str, tuple[Any, Any]] | None = None,
    inference_tokens: float | str | None = None,
    noise: float | None = None,
    draws: int = DRAWS,
    level: float = 0.9,
    seed: int = 0,
) -> NextRuns:
    """The runs that shrink the uncertainty of the decision at `target` (a cost, FLOP) most, after the runs of `fit`.

    `spend` is what the new runs may cost altogether, `runs` how many they may be (12 where left out), `per_run` what
    one may cost (all of `spend` where left out), `repeats` how many seeds one configuration may have. Candidates are a
    grid `within` limits, {"N": ("20M", "1B"), "M": (5, 160)} (M: tokens per parameter), else from the smallest run so
    far to what one run may cost; or a list of your own, {"N": [...], "D": [...]}. `aim` is what is to be small:
    "regret" (expected loss in excess at equal cost), "value" (the interval of the loss at the target), "both" (the
    default where there is something to choose), or an input such as "N". `cost`, `at`, `limits` and
    `inference_tokens` pose the target's question as for `decide`. `noise` replaces the fit's own (standard deviation
    of the log loss of one run).

    The law is linearised at the estimate and at `draws` of the parameters, so that the design does not rest on the
    estimate alone; it is chosen greedily, exchanged until no swap helps, and checked by the equivalence theorem.

    Raises ArgumentError for a question that is not one, QuestionError where no candidate is affordable or the law has
    no optimum at the target.

    Criteria: Pukelsheim (1993), Optimal Design of Experiments; Chaloner and Verdinelli (1995), Bayesian experimental
    design, section 4.

    >>> import similitude as sim
    >>> truth = sim.laws.chinchilla.published["besiroglu2024"]
    >>> fit = sim.fit(truth.law, sim.simulate(truth, noise=0.01, seed=0))
    >>> found = sim.next_runs(fit, 1e24, spend=1e21, runs=8)
    >>> found.runs <= 8, found.cost <= 1e21, found.after.regret < found.now.regret, found.efficiency > 0.8
    (True, True, True, True)
    """
    _refuse_others(fit, draws, level, noise, repeats, runs)
    asked = {"cost": cost, "at": at, "limits": limits, "inference_tokens": inference_tokens}
    space, goal, notes = pose(fit, target, **asked)  # pyright: ignore[reportArgumentType]
    training = replace(space.cost, served=0.0)
    budget, most, each = _budget(spend, runs, per_run, training.unit)
    if candidates is not None and within:
        raise ArgumentError("within limits the grid of candidates: leave it out beside candidates of your own")
    if candidates is not None:
        offered = listed(candidates, space, training, each)
    else:
        offered = grid_of(fit, space, training, each, within or {})
    make, named = maker(fit, space, goal, offered, aim, noise, draws, level, seed)
    pool, belief = make.pool, make.belief
    chosen = pool.choose(budget, most, repeats)
    budgets = [_other(make, share * budget, most, repeats, each) for share in SHARES]
    after = make.outlook("after these runs", chosen.counts)
    return NextRuns(
        label=fit.label,
        law=fit.law.name,
        target=float(f"{np.exp(goal):.12g}"),  # a logarithm and back
        formula=training.text,
        unit=training.unit.name,
        aim=named,
        design=make.design(chosen),
        now=make.outlook("now", np.zeros(pool.size)),
        after=after,
        budgets=tuple(sorted([after, *(b for b in budgets if b is not None)], key=lambda o: o.cost)),
        efficiency=chosen.efficiency,
        noise=belief.noise,
        candidates=pool.size,
        draws=len(belief.u),
        level=level,
        assumptions=(*notes, *offered.notes, *_said(belief, budget, most, training.unit)),
        warnings=(*_warnings(fit, chosen, budget, offered), *leaning(make.design(chosen))),
        map=_map(fit, space, offered, pool),
        seed=seed,
    )


def _refuse_others(fit: Any, draws: int, level: float, noise: Any, repeats: Any, runs: Any) -> None:
    if not hasattr(fit, "solution"):
        raise ArgumentError(
            f"next runs follow runs that there are: give a fit, not {type(fit).__name__}; before any run, design a "
            "ladder from a published set"
        )
    if not 0 < level < 1:
        raise ArgumentError(f"level = {level:g}; expected a number between 0 and 1, such as 0.9")
    if draws < 1:
        raise ArgumentError(f"draws = {draws}; at least 1, the estimate itself, is needed")
    if noise is not None and not 0 < noise < np.inf:
        raise ArgumentError(f"noise = {noise:g}; it is the standard deviation of a run's log loss, such as 0.003")
    for name, value in (("repeats", repeats), ("runs", runs)):
        if value is not None and value < 1:
            raise ArgumentError(f"{name} = {value}; expected at least 1")


def _budget(spend: Any, runs: int | None, per_run: Any, unit: Any) -> tuple[float, int, float]:
    """What all may cost, how many runs, what one may cost."""
    kind = unit.kind if unit.kind in ("compute", "money") else ""
    whole, each = amount("spend", spend, kind), amount("per_run", per_run, kind)
    if whole is None and (runs is None or each is None):
        raise ArgumentError("say what the runs may cost: spend=1e21, or a number of runs with what one may cost")
    most = runs or RUNS
    whole = whole if whole is not None else most * float(each or 0.0)
    return whole, most, min(each or whole, whole)


def aims_wanted(aim: str | None, aims: Aims, space: Space) -> tuple[str, tuple[np.ndarray, ...]]:
    """The aim's name, and its rows as the pool takes them."""
    choosing = len(space.free) > 1 and float(np.max(np.abs(aims.by_regret))) > 0
    aim = aim or ("both" if choosing else "value")
    if aim not in (*AIMS, *space.free):
        raise ArgumentError(f"aim = {aim!r}; expected one of {', '.join((*AIMS, *space.free))}")
    if not choosing and aim != "value":
        raise ArgumentError(
            f"the budget alone decides {', '.join(space.free)}: only aim='value' has something to learn"
        )
    rows: dict[str, tuple[np.ndarray, ...]] = {
        "regret": (aims.by_regret,),
        "value": (aims.by_value,),
        "both": (aims.by_regret, aims.by_value),
    }
    if aim in rows:
        return aim, rows[aim]
    j = space.free.index(aim)
    return aim, (aims.by_choice[:, j : j + 1],)


def maker(
    fit: Fit,
    space: Space,
    goal: float,
    offered: Candidates,
    aim: str | None = None,
    noise: float | None = None,
    draws: int = DRAWS,
    level: float = 0.9,
    seed: int = 0,
) -> tuple[Maker, str]:
    """What designs for a decision are made from, and the name of what is aimed at."""
    belief, aims = belief_of_fit(fit, noise, draws, seed).aims(space, goal)
    named, rows = aims_wanted(aim, aims, space)
    pool = Pool.of(belief.slopes(offered.inputs), offered.costs, belief.information, rows)
    return Maker(space, belief, aims, offered, pool, goal, level), named


@dataclass(frozen=True)
class Maker:
    """What outlooks and designs are made from."""

    space: Space
    belief: Belief
    aims: Aims
    offered: Candidates
    pool: Pool
    goal: float
    level: float

    def outlook(self, what: str, counts: np.ndarray) -> Outlook:
        """The decision with the intervals expected after a design."""
        used = np.flatnonzero(counts)
        some = self.belief.slopes({k: v[used] for k, v in self.offered.inputs.items()}) if used.size else None
        matrix = self.belief.information
        if some is not None:
            matrix = matrix + np.einsum("kmi,m,kmj->kij", some, counts[used], some)
        return outlook(
            what, self.space, self.belief, self.aims, inverse(matrix), self.goal, self.level,
            int(counts.sum()), float(counts @ self.offered.costs),
        )  # fmt: skip

    def design(self, chosen: Choice) -> tuple[NewRuns, ...]:
        """The configurations, cheapest first."""
        out = []
        for i in sorted(np.flatnonzero(chosen.counts), key=lambda i: self.offered.costs[i]):
            without = chosen.counts.copy()
            without[i] = 0
            wider = float(np.exp(0.5 * (self.pool.criterion(without) - chosen.criterion)))
            inputs = {k: float(v[i]) for k, v in self.offered.inputs.items()}
            out.append(NewRuns(inputs, int(chosen.counts[i]), float(self.offered.costs[i]), wider))
        return tuple(out)


def inverse(matrix: np.ndarray) -> np.ndarray:
    """The inverse of information matrices of very different coordinates."""
    size = np.sqrt(np.maximum(np.einsum("kii->ki", matrix), 1e-300))
    scale = size[:, :, None] * size[:, None, :]
    return np.linalg.inv(matrix / scale) / scale


def outlook(
    what: str,
    space: Space,
    belief: Belief,
    aims: Aims,
    cover: np.ndarray,
    goal: float,
    level: float,
    runs: int,
    cost: float,
) -> Outlook:
    """The decision at the estimate with the median half-widths over draws."""
    found = belief.certainty(aims, cover, runs, level)
    half, value_half, regret = (np.median(x, axis=0) for x in (found.inputs, found.value, found.regret))
    inputs = {}
    for j, name in enumerate(space.free):
        at = float(aims.choice[0, j])
        ends = [_exp(at + s * float(half[j])) for s in (0, -1, 1)]
        inputs[name] = Interval(ends[0], ends[1], ends[2], space.law.inputs[name].name)
    value = float(aims.value[0])
    low, high = (value * _exp(s * float(value_half)) for s in (-1, 1))
    loss = Interval(value, low, high, space.law.output.name)
    params = {k: np.ravel(v)[:1] for k, v in belief.coordinates.values(belief.u[:1]).items()}
    price = float(space.least(params, goal, aims.choice[0]).price[0])
    wasted = 1 - float(np.exp(-min(float(regret) / price, 50.0))) if price > 0 else float("nan")
    return Outlook(what, runs, cost, inputs, loss, float(regret), wasted)


def _exp(x: float) -> float:
    return float(np.exp(np.clip(x, -700, 700)))


def _other(make: Maker, budget: float, most: int, repeats: int | None, each: float) -> Outlook | None:
    """After the best design for another budget, runs of the same largest size; None where nothing is affordable."""
    if budget < make.offered.costs.min():
        return None
    found = make.pool.choose(budget, most, repeats, bound=False)
    return make.outlook(f"{format_quantity(budget, make.space.cost.unit)} spent", found.counts)


def _said(belief: Belief, budget: float, most: int, unit: Any) -> tuple[str, ...]:
    noise = f"A run's loss scatters by {belief.noise:.2%} around the law" if belief.log else "Noise as in the fit"
    return (
        f"At most {most} runs for {format_quantity(budget, unit)} altogether.",
        f"{noise}{', changing with compute as the runs show' if belief.spread is not None else ''}.",
        "Intervals are those of the linearised law, medians over draws; they are right only as far as the law is.",
    )


def _warnings(fit: Fit, chosen: Choice, budget: float, offered: Candidates) -> tuple[str, ...]:
    said = []
    runs = float(chosen.counts.sum())
    if not runs:
        raise QuestionError("no run is affordable: raise the budget, or allow smaller runs")
    if chosen.counts @ offered.costs < 0.5 * budget:
        said.append("Less than half of the budget is used: the number of runs or their largest size limits it.")
    if fit.solution.freedom + runs < 5:
        said.append("Fewer than 5 degrees of freedom will be left: the noise itself stays poorly known.")
    if chosen.efficiency < 0.8:
        said.append("The design may be far from the best: allow more runs, or a finer list of candidates.")
    return tuple(said)


def leaning(design: tuple[NewRuns, ...]) -> tuple[str, ...]:
    """A warning where the decision would hang on few configurations."""
    most = max(design, key=lambda r: r.weight)
    if most.weight < LEANS:
        return ()
    where = ", ".join(f"{k} = {format_quantity(v)}" for k, v in most.inputs.items())
    said = (
        f"Much hangs on the runs at {where}: without them the interval would be {most.weight:.2g} times as wide. If "
        "runs like these may not follow the law of the target, keep candidates within where they do."
    )
    return (said,)


def _map(fit: Fit, space: Space, offered: Candidates, pool: Pool) -> GainMap:
    gains = pool.gains(pool.inverse(np.zeros(pool.size))) / offered.costs
    best = max(float(gains.max()), 1e-300)
    shown = {k: tuple(v.tolist()) for k, v in offered.inputs.items() if k in space.free}
    so_far = {k: tuple(np.asarray(fit.observed.inputs[k], float).tolist()) for k in space.free}
    return GainMap(shown, tuple(offered.costs.tolist()), tuple((gains / best).tolist()), so_far)
