"""`ladder`: designs of small runs for a target before anything is run, compared at equal cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, QuestionError, SimilitudeError
from similitude._result import Result
from similitude._view import Section
from similitude.laws import Estimate
from similitude.planning._aim import Aims
from similitude.planning._belief import Belief, belief_of_guesses
from similitude.planning._budget import amount
from similitude.planning._candidates import Candidates, grid_of
from similitude.planning._cost import Cost
from similitude.planning._decide import pose
from similitude.planning._information import Pool
from similitude.planning._next_runs import NewRuns, Outlook, aims_wanted, inverse, leaning, outlook
from similitude.planning._optimum import Space

__all__ = ["Design", "Ladder", "Simulated", "ladder"]

AIMS_SAID = {"both": "expected regret and the certainty of the value together"}
REFERENCE = 20.0  # tokens per parameter that multiples of over-training are counted in
RUNGS = (4, 6, 8)
MULTIPLES = ((1.0, 4.0), (1.0, 2.0, 5.0, 10.0), (0.5, 1.0, 2.0, 4.0), (0.25, 1.0, 8.0))
LEVELS = (3, 4, 6)
SIZES = np.geomspace(0.25, 4, 7)  # of an IsoFLOP level, around the size with 20 tokens per parameter
STEP_N, STEP_C = 2.0, 4.0  # from rung to rung in parameters, from level to level in compute
SHARES = (0.1, 0.3, 1.0, 3.0, 10.0)
SEEDS = (1, 2, 3, 5)
DRAWS = 16
SMALLEST = 1e7


@dataclass(frozen=True)
class Design:
    """Runs before any is made: a name, the runs, what they are expected to do; `largest` is the cost of one run."""

    name: str
    runs: tuple[NewRuns, ...]
    outlook: Outlook
    largest: float


@dataclass(frozen=True)
class Simulated(Result):
    """A design carried out on simulated runs, beside what was expected of it; made by `Ladder.simulated`.

    `expected` and `measured` are standard deviations of log N* and of the log of the value at the target, and the mean
    regret; `covered` the share of repeats in which the fit's own interval at `level` held the true value of each.
    Repeats whose fit failed are counted in `failed` and left out.
    """

    design: str
    repeats: int
    failed: int
    expected: Mapping[str, float]
    measured: Mapping[str, float]
    covered: Mapping[str, float]
    level: float

    def view(self) -> Section:
        """One table."""
        from similitude.planning._design_views import simulated_view

        return simulated_view(self)


@dataclass(frozen=True, eq=False)
class Ladder(Result):
    """Designs for a target at equal cost, best first, with what each is expected to do; made by `ladder`.

    `best` is the first of `designs`, `steps` the best that is a ladder. `shares` are outlooks of the best runs for
    other shares of the target's cost, `seeds` of the best ladder with several seeds of each run, made smaller to cost
    the same.
    """

    label: str
    law: str
    target: float
    share: float
    unit: str
    noise: float
    designs: tuple[Design, ...]
    shares: tuple[Outlook, ...]
    seeds: tuple[Outlook, ...]
    efficiency: float
    level: float
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    guesses: tuple[Estimate, ...] = ()

    @property
    def best(self) -> Design:
        """The design with the least of what is aimed at."""
        return self.designs[0]

    @property
    def steps(self) -> Design | None:
        """The best of the ladders proper; None where none was affordable."""
        return next((d for d in self.designs if d.name.startswith("ladder")), None)

    def __repr__(self) -> str:
        return f"Ladder({len(self.designs)} designs for {self.share:.2%} of {self.target:.3g}; best: {self.best.name})"

    def headline(self) -> list[str]:
        """What the comparison says, in a sentence or two."""
        from similitude.planning._design_views import ladder_headline

        return ladder_headline(self)

    def shown(self) -> list[Design]:
        """The best of each kind."""
        kinds: dict[str, Design] = {}
        for design in self.designs:
            kinds.setdefault(design.name.split(" ")[0], design)
        return list(kinds.values())

    def view(self) -> Section:
        """Tables of designs, runs, shares and seeds; figures of where runs lie and of certainty against spending."""
        from similitude.planning._design_views import ladder_view

        return ladder_view(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; guesses by their labels."""
        return {**replace(self, guesses=()).plain_dict(), "guesses": [g.label for g in self.guesses]}

    def plain_dict(self) -> dict[str, Any]:
        """The fields as plain values."""
        return Result.to_dict(self)

    def simulated(self, design: str | None = None, *, repeats: int = 100, seed: int = 0) -> Simulated:
        """Carry a design out on runs simulated from the first guess, fit the law each time and see how far off it is.

        Raises ArgumentError for an unknown design.
        """
        return _simulated(self, design, repeats, seed)


def ladder(
    guesses: Estimate | Sequence[Estimate],
    target: float | str,
    *,
    share: float = 0.01,
    runs: int = 28,
    noise: float = 0.003,
    per_run: float | str | None = None,
    within: Mapping[str, tuple[Any, Any]] | None = None,
    aim: str | None = None,
    cost: str | None = None,
    at: Mapping[str, float | str] | None = None,
    inference_tokens: float | str | None = None,
    spread: float = 0.15,
    level: float = 0.9,
    seed: int = 0,
) -> Ladder:
    """Designs of at most `runs` small runs that cost `share` of a `target` (FLOP), compared before anything is run.

    `guesses` are one or several coefficient sets of one law of N and D, taken as what the truth may be like; around
    each, every exponent and term may be off by `spread` of itself. Compared at equal cost are IsoFLOP sweeps of 3, 4
    and 6 budgets, ladders of 4, 6 and 8 sizes at several multiples of 20 tokens per parameter, and the optimal design
    over a grid `within` limits, one run costing at most `per_run` (the dearest of the others where left
    out) and having at least the parameters of their smallest.
    `noise` is the standard deviation of a run's log loss, `aim` as for `next_runs`.

    Raises ArgumentError for a law without N and D or a question that is not one, QuestionError where nothing is
    affordable.

    IsoFLOP sweeps: Hoffmann et al. (2022), section 3.2; ladders: Bhagia et al. (2024).

    >>> import similitude as sim
    >>> found = sim.ladder(sim.laws.chinchilla.published["besiroglu2024"], 1e24, share=0.001)
    >>> found.best.name.split()[0], abs(found.best.outlook.cost / 1e21 - 1) < 0.1
    ('optimal', True)
    """
    estimates = [guesses] if isinstance(guesses, Estimate) else list(guesses)
    _refuse(estimates, share, runs, noise, spread, level)
    space, goal, notes = pose(estimates[0], target, cost=cost, at=at, inference_tokens=inference_tokens)
    if set(space.free) != {"N", "D"}:
        raise ArgumentError(
            f"a ladder is designed over N and D, and law '{space.law.name}' chooses {', '.join(space.free)}: hold the "
            "others with at=, or fit first runs and ask next_runs"
        )
    training = replace(space.cost, served=0.0)
    spend = share * float(np.exp(goal))
    centre = _centre(space, training, spend)
    start = belief_of_guesses(estimates, noise, centre, spread, DRAWS if spread else 1, seed)
    belief, aims = start.aims(space, goal)
    named, rows = aims_wanted(aim, aims, space)
    make = _Maker(space, belief, aims, rows, training, goal, level)
    classic = make.classics(spend, runs)
    largest = amount("per_run", per_run) or max((d.largest for d in classic), default=spend / 4)
    least = min((r.inputs["N"] for d in classic for r in d.runs), default=SMALLEST)
    usual = {"N": (least, None), "D": (least * 5, None), **(within or {})}
    optimal, efficiency, said = make.optimal(estimates[0], spend, runs, largest, usual)
    designs = sorted([optimal, *classic], key=make.score)
    steps = next((d for d in designs if d.name.startswith("ladder")), None)
    return Ladder(
        label=" and ".join(e.label for e in estimates),
        law=space.law.name,
        target=float(f"{np.exp(goal):.12g}"),  # a logarithm and back
        share=share,
        unit=training.unit.name,
        noise=noise,
        designs=tuple(designs),
        shares=tuple(make.shares(estimates[0], spend, share, runs, largest, usual)),
        seeds=tuple(make.seeded(steps, spend)),
        efficiency=efficiency,
        level=level,
        assumptions=(*notes, *said, *_said(estimates, noise, spread, named, len(belief.u))),
        warnings=leaning(designs[0].runs),
        guesses=tuple(estimates),
    )


def _refuse(estimates: list[Any], share: float, runs: int, noise: float, spread: float, level: float) -> None:
    if not estimates or not all(isinstance(e, Estimate) for e in estimates):
        raise ArgumentError("a ladder starts from guesses: coefficient sets such as sim.laws.chinchilla.published[...]")
    if not 0 < share <= 1:
        raise ArgumentError(f"share = {share:g}; it is a share of the target's cost, such as 0.01 for one per cent")
    if not 0 < noise < 1:
        raise ArgumentError(f"noise = {noise:g}; it is the standard deviation of a run's log loss, such as 0.003")
    if not 0 <= spread < 1:
        raise ArgumentError(f"spread = {spread:g}; it is how far a guess may be off, such as 0.15")
    if not 0 < level < 1:
        raise ArgumentError(f"level = {level:g}; expected a number between 0 and 1, such as 0.9")
    least = len(estimates[0].law.params) + 1
    if runs < least:
        raise ArgumentError(f"runs = {runs}; law '{estimates[0].law.name}' takes at least {least} to be fitted")


def _said(estimates: Sequence[Estimate], noise: float, spread: float, aim: str, draws: int) -> tuple[str, ...]:
    guessed = " or ".join(e.label for e in estimates)
    sizes = f"sizes from {SIZES[0]:g} to {SIZES[-1]:g} times that of {REFERENCE:g} tokens per parameter"
    rung = f"a rung has {STEP_N:g} times the parameters of the one before"
    return (
        f"The truth is taken to be like {guessed}, each exponent and term off by about {spread:.0%}: {draws} draws.",
        f"A run's loss scatters by {noise:.2%} around the law: an assumption, which two seeds of one run test.",
        f"Designs are ranked by {AIMS_SAID.get(aim, aim)}; intervals are the linearised law's, medians over draws.",
        f"Multiples are of {REFERENCE:g} tokens per parameter; {rung}.",
        f"An IsoFLOP level has {STEP_C:g} times the compute of the one before, {sizes}.",
        "Small runs are taken to follow the same law as the target: where they do not, no design of them tells.",
    )


def _centre(space: Space, cost: Cost, spend: float) -> dict[str, float]:
    """Where the small runs lie, about: 20 tokens per parameter for a thirtieth of the budget."""
    scale = _scaled(lambda s: cost.of({**space.held, "N": s, "D": REFERENCE * s}), spend / 30)
    return {**space.held, "N": scale, "D": REFERENCE * scale}


def _scaled(total: Callable[[float], Any], goal: float) -> float:
    """The scale at which a cost, rising with it, comes to a goal."""
    from scipy.optimize import brentq

    def over(log_scale: float) -> float:
        return float(np.log(np.sum(total(float(np.exp(log_scale)))) / goal))

    root: Any = brentq(over, -50.0, 50.0, xtol=1e-12)  # pyright: ignore[reportCallIssue, reportArgumentType]
    return float(np.exp(root))


@dataclass(frozen=True)
class _Maker:
    """What designs are made from and judged by."""

    space: Space
    belief: Belief
    aims: Aims
    rows: tuple[np.ndarray, ...]
    cost: Cost
    goal: float
    level: float

    def classics(self, spend: float, most: int) -> list[Design]:
        """IsoFLOP sweeps and ladders that have at most so many runs and enough to fit the law."""
        shapes: list[tuple[str, np.ndarray, np.ndarray]] = []
        for levels in LEVELS:
            c = np.repeat(STEP_C ** np.arange(levels), len(SIZES))
            n = np.tile(SIZES, levels) * np.sqrt(c)
            shapes.append((f"IsoFLOP, {levels} budgets x {len(SIZES)} sizes", n, REFERENCE * c / n))
        for rungs in RUNGS:
            for multiples in MULTIPLES:
                n, m = (a.ravel() for a in np.meshgrid(STEP_N ** np.arange(rungs), multiples, indexing="ij"))
                name = ", ".join(f"{x:g}" for x in multiples)
                shapes.append((f"ladder, {rungs} sizes at {name} x {REFERENCE:g}", n, REFERENCE * m * n))
        free = len(self.belief.coordinates)
        return [self.stretched(name, n, d, 1, spend) for name, n, d in shapes if free < len(n) <= most]

    def stretched(self, name: str, n: np.ndarray, d: np.ndarray, seeds: int, spend: float) -> Design:
        """A design of given proportions, all sizes scaled together so that it costs what is to be spent."""
        scale = _scaled(lambda s: seeds * self.cost.of({**self.space.held, "N": n * s, "D": d * s}), spend)
        inputs = {**{k: np.full(n.size, v) for k, v in self.space.held.items()}, "N": n * scale, "D": d * scale}
        inputs = {k: inputs[k] for k in self.space.law.inputs}
        return self.judged(name, inputs, np.full(n.size, float(seeds)))

    def judged(self, name: str, inputs: Mapping[str, np.ndarray], counts: np.ndarray) -> Design:
        """A design with its outlook."""
        costs = np.asarray(self.cost.of(dict(inputs)), float)
        slopes = self.belief.slopes(inputs)
        cover = inverse(self.belief.information + np.einsum("kmi,m,kmj->kij", slopes, counts, slopes))
        runs, spent = int(counts.sum()), float(counts @ costs)
        seen = outlook(name, self.space, self.belief, self.aims, cover, self.goal, self.level, runs, spent)
        made = [
            NewRuns({k: float(v[i]) for k, v in inputs.items()}, int(counts[i]), float(costs[i]), float("nan"))
            for i in np.argsort(costs, kind="stable")
        ]
        return Design(name, self._weighed(made, slopes, counts, np.argsort(costs, kind="stable")), seen,
                      float(costs.max()))  # fmt: skip

    def _weighed(self, made: list[NewRuns], slopes: np.ndarray, counts: np.ndarray, order: np.ndarray) -> Any:
        pool = Pool.of(slopes, np.ones(counts.size), self.belief.information, self.rows)
        whole = pool.criterion(counts)
        out = []
        for run, i in zip(made, order, strict=True):
            fewer = counts.copy()
            fewer[i] = 0
            out.append(replace(run, weight=float(np.exp(0.5 * (pool.criterion(fewer) - whole)))))
        return tuple(out)

    def score(self, design: Design) -> float:
        """The criterion of a design: the mean log variance of what is aimed at."""
        inputs = {k: np.array([r.inputs[k] for r in design.runs]) for k in design.runs[0].inputs}
        counts = np.array([float(r.seeds) for r in design.runs])
        slopes = self.belief.slopes(inputs)
        pool = Pool.of(slopes, np.ones(counts.size), self.belief.information, self.rows)
        return pool.criterion(counts)

    def optimal(
        self, estimate: Estimate, spend: float, most: int, each: float, within: Mapping[str, Any]
    ) -> tuple[Design, float, tuple[str, ...]]:
        """The best design over the grid, its guaranteed efficiency, and sentences on the grid."""
        offered, counts, efficiency = self._chosen(estimate, spend, most, each, within, True)
        used = np.flatnonzero(counts)
        inputs = {k: v[used] for k, v in offered.inputs.items()}
        return self.judged("optimal", inputs, counts[used]), efficiency, offered.notes

    def _chosen(
        self, estimate: Estimate, spend: float, most: int, each: float, within: Mapping[str, Any], bound: bool
    ) -> tuple[Candidates, np.ndarray, float]:
        offered = grid_of(estimate, self.space, self.cost, min(each, spend), within)
        pool = Pool.of(self.belief.slopes(offered.inputs), offered.costs, self.belief.information, self.rows)
        found = pool.choose(spend, most, bound=bound)
        if found.counts.sum() <= len(self.belief.coordinates):
            raise QuestionError("too few runs are affordable to fit the law: raise the share, or allow smaller runs")
        return offered, found.counts, found.efficiency

    def shares(
        self, estimate: Estimate, spend: float, share: float, most: int, each: float, within: Mapping[str, Any]
    ) -> list[Outlook]:
        """After the best runs for other shares of the target's cost, the largest run changing with it."""
        out = []
        for times in (t for t in SHARES if share * t <= 1):
            offered, counts, _ = self._chosen(estimate, times * spend, most, times * each, within, False)
            used = np.flatnonzero(counts)
            inputs = {k: v[used] for k, v in offered.inputs.items()}
            out.append(self.judged(f"{100 * share * times:.3g} % of the target", inputs, counts[used]).outlook)
        return out

    def seeded(self, steps: Design | None, spend: float) -> list[Outlook]:
        """The ladder with several seeds of every run, all runs smaller so that it costs the same."""
        if steps is None:
            return []
        n, d = (np.array([r.inputs[k] for r in steps.runs]) for k in ("N", "D"))
        return [self.stretched(f"{s} seed{'s' if s > 1 else ''}", n, d, s, spend).outlook for s in SEEDS]


def _simulated(found: Ladder, name: str | None, repeats: int, seed: int) -> Simulated:
    from similitude.fitting import fit, simulate

    known = {d.name: d for d in found.designs}
    if name is not None and name not in known:
        raise ArgumentError(f"no design '{name}'; the designs are: {'; '.join(known)}")
    design, truth = known[name or found.best.name], found.guesses[0]
    space, goal, _ = pose(truth, found.target)
    params = {k: np.array([float(v)]) for k, v in truth.values.items()}
    best = space.least(params, goal)
    points = {k: np.repeat([r.inputs[k] for r in design.runs], [r.seeds for r in design.runs]) for k in space.free}
    rows = []
    for i in range(repeats):
        runs = simulate(truth, points=points, noise=found.noise, seed=seed * 1_000_003 + i)
        try:
            rows.append(_trial(fit(truth.law, runs, intervals="delta"), space, params, best, goal, found.level))
        except SimilitudeError:
            continue
    if not rows:
        raise QuestionError(f"none of {repeats} simulated sets of runs could be fitted")
    n, value, regret, in_n, in_value = np.array(rows).T
    t = _times(found.level, int(sum(r.seeds for r in design.runs)) - len(truth.law.params))
    expected = {
        "N": float(np.log(design.outlook.inputs["N"].high / design.outlook.inputs["N"].low) / 2 / t),  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
        "value": float(np.log(design.outlook.value.high / design.outlook.value.low) / 2 / t),  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
        "regret": design.outlook.regret,
    }
    measured = {"N": float(n.std()), "value": float(value.std()), "regret": float(regret.mean())}
    covered = {"N": float(in_n.mean()), "value": float(in_value.mean())}
    return Simulated(design.name, repeats, repeats - len(rows), expected, measured, covered, found.level)


def _trial(fit: Any, space: Space, truth: Mapping[str, Any], best: Any, goal: float, level: float) -> tuple[Any, ...]:
    """Errors of log N* and of the log value at the target, the regret, and whether the intervals held the truth."""
    j = space.free.index("N")

    def chosen(p: Mapping[str, Any]) -> np.ndarray:
        return space.least(p, goal, best.z[0]).z

    (value, low, high), at = fit.interval_of(lambda p: chosen(p)[:, j], level), np.exp(best.z[0])
    there = {k: float(v) for k, v in zip(space.free, at, strict=True)}
    told, told_low, told_high = fit.interval_of(lambda p: np.log(space.law.evaluate(there, p)), level)
    true_value = float(np.log(best.value[0]))
    params = {k: np.array([v]) for k, v in fit.values.items()}
    regret = float(space.value(truth, chosen(params))[0][0] - best.value[0])
    return (value - best.z[0, j], told - true_value, max(regret, 0.0), low <= best.z[0, j] <= high,
            told_low <= true_value <= told_high)  # fmt: skip


def _times(level: float, freedom: int) -> float:
    from similitude.fitting._quantiles import t_quantile

    return float(t_quantile(float(freedom), 0.5 + level / 2))
