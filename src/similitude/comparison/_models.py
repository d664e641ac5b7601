"""Two procedures under one law: the models of what they share, told apart, and what the freest of them says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from similitude._errors import DataError, QuestionError, SimilitudeError
from similitude.comparison._crossing import crossings_of, gaps_of, verdict_of
from similitude.comparison._joint import SHARINGS, SIDE, Scale, joint_law, own, shared_names
from similitude.comparison._procedures import BLOCK, along
from similitude.comparison._result import Pair, SharedModel
from similitude.fitting import Fit, Intervals, Objective, fit
from similitude.fitting._compare import akaike
from similitude.laws import Law
from similitude.runs import Runs, read_runs

__all__ = ["Where", "pair_of", "scatters_of"]

HELD = 0.8  # the share of the log range of the scale below which runs train, for the held-out error
WEIGHT = "weight"  # a column of the runs of two procedures: one over the square of the procedure's scatter
UNEQUAL = 0.05  # p of an F test below which each procedure has a scatter of its own
MOST = 30.0  # times: the largest ratio of scatters that is believed


@dataclass(frozen=True)
class Where:
    """The range of the runs, how far beyond it curves are followed, scales to judge at, and how sure to be."""

    span: tuple[float, float]
    reach: float
    spots: tuple[float, ...]
    higher: bool
    level: float
    seed: int


def pair_of(
    scale: Scale,
    one: tuple[str, Runs],
    two: tuple[str, Runs],
    where: Where,
    *,
    blocked: bool,
    scatters: tuple[float, float] | None = None,
) -> Pair:
    """One procedure against another; runs are weighted by the scatter of each, where two are given."""
    both = _together(one[1], two[1], scale.law, scatters)
    models, sharing, joint = _models(scale, both, where)
    if blocked:
        joint = _blocked(scale, sharing, both, where)
    sides, names = _sides(scale.law, shared_names(scale.law, sharing)), (one[0], two[0])
    crossings, undecided = crossings_of(
        scale, joint, sides, names, (where.span, where.reach), where.higher, where.level
    )
    noises = scatters or (joint.noise, joint.noise)
    gaps = gaps_of(scale, joint, sides, where.spots, where.span[1], noises, where.higher, where.level)
    return Pair(
        *names,
        models=models,
        chosen=min(models, key=lambda m: m.aicc if np.isfinite(m.aicc) else np.inf).sharing,
        crossings=crossings,
        verdict=verdict_of(names, crossings, undecided, gaps, where.span, where.reach),
        undecided=undecided,
        gaps=gaps,
        paired=_paired(scale, one, two, blocked),
        fit=joint,
    )


def scatters_of(one: Fit, two: Fit) -> tuple[float, float] | None:
    """The scatter of each procedure's runs, where an F test tells them apart; None where one scatter serves both."""
    from scipy.stats import f as fisher

    if not (one.noise > 0 and two.noise > 0 and min(f.solution.freedom for f in (one, two)) > 0):
        return None
    ratio = (one.noise / two.noise) ** 2
    freedom = one.solution.freedom, two.solution.freedom
    p = 2 * min(fisher.sf(ratio, *freedom), fisher.cdf(ratio, *freedom))
    least = max(one.noise, two.noise) / MOST  # runs that lie on their law, as made ones do, would count for everything
    return (max(one.noise, least), max(two.noise, least)) if p < UNEQUAL else None


def _together(one: Runs, two: Runs, law: Law, scatters: tuple[float, float] | None) -> Runs:
    columns = {k: np.concatenate([one.column(k), two.column(k)]) for k in (*law.inputs, "loss")}
    for k in (BLOCK, "run"):
        if k in one.names and k in two.names:
            columns[k] = np.concatenate([one.labels(k), two.labels(k)])
    columns[SIDE] = np.repeat([1.0, 2.0], [len(one), len(two)])
    columns[WEIGHT] = np.repeat([s**-2 for s in scatters or (1.0, 1.0)], [len(one), len(two)])
    return replace(read_runs(columns, loss="loss", check=False), source=f"{one.source} and {two.source}")


def _sides(law: Law, shared: tuple[str, ...]) -> Any:
    """A function from parameters of the joint law to those of one side."""

    def side(params: Mapping[str, Any], number: int) -> dict[str, Any]:
        return {k: params[own(k, number, shared)] for k in law.params}

    return side


def _models(scale: Scale, both: Runs, where: Where) -> tuple[tuple[SharedModel, ...], str, Fit]:
    """Every model that can be fitted, the least free first; what the freest shares, and its fit."""
    floored = any(p.relative == "output" for p in scale.law.params.values())
    small = both.where(along(scale, both) <= _cut(along(scale, both)))
    found: dict[str, SharedModel] = {}
    freest: tuple[str, Fit] | None = None
    for sharing, says in reversed(SHARINGS.items()):
        if not floored and sharing in ("exponents", "floor"):
            continue  # without a floor these are models already listed
        made = _fitted(scale.law, sharing, both, where, None if freest is None else freest[1].delta)
        if made is None:
            continue
        freest = freest or (sharing, made)
        said = says if floored else says.removeprefix("own floors, ")
        held = _held_out(scale, sharing, both, small)
        found[sharing] = SharedModel(sharing, said, len(made.free), akaike(made), held, _f_test(made, freest[1]))
    if freest is None:
        raise DataError(f"{both.source}: the two procedures' runs could not be fitted together")
    return tuple(reversed(found.values())), *freest


def _fitted(law: Law, sharing: str, both: Runs, where: Where, delta: float | None) -> Fit | None:
    joint = joint_law(law, shared_names(law, sharing))
    # only of the freest model are intervals asked for: profiles of the others would be work for nothing
    method = "profile" if delta is None else "delta"
    try:
        return fit(
            joint,
            both,
            objective=Objective(weights=WEIGHT),
            delta=delta,
            intervals=Intervals(method, where.level),
            seed=where.seed,
        )
    except SimilitudeError:
        return None


def _blocked(scale: Scale, sharing: str, both: Runs, where: Where) -> Fit:
    """The freest model with an offset of its own for each block, which cancels from differences within it."""
    law = joint_law(scale.law, shared_names(scale.law, sharing))
    try:
        return fit(
            law,
            both,
            objective=Objective(weights=WEIGHT),
            intervals=Intervals(level=where.level, cluster=BLOCK),
            seed=where.seed,
        )
    except QuestionError:
        count = len(np.unique(both.labels(BLOCK)))
        raise QuestionError(
            f"{both.source}: {count} blocks cannot carry the {len(law.params)} parameters of both curves; make more "
            "blocks, leave blocks out, or give a law with fewer parameters"
        ) from None


def _f_test(made: Fit, freest: Fit) -> float:
    """p of the F test of a model within the freest, both under one threshold of Huber's loss; NaN with shared errors.

    The rise of the objective is counted as the profile intervals count it.
    """
    from scipy.stats import f as fisher

    more, curvature = len(freest.free) - len(made.free), freest.curvature
    if more <= 0 or freest.solution.problem.clusters is not None:
        return float("nan")
    rise = max(made.objective_value - freest.objective_value, 0.0) * 2 * curvature.slope / curvature.variance
    return float(fisher.sf(rise / more, more, curvature.freedom))


def _cut(x: np.ndarray) -> float:
    low, high = np.log(x.min()), np.log(x.max())
    return float(np.exp(low + HELD * (high - low)))


def _held_out(scale: Scale, sharing: str, both: Runs, small: Runs) -> float:
    """Root mean square of log residuals on the runs above the cut, of the model fitted below it."""
    law = joint_law(scale.law, shared_names(scale.law, sharing))
    held = both.where(along(scale, both) > _cut(along(scale, both)))
    if not len(held):
        return float("nan")
    try:
        made = fit(law, small, objective=Objective(weights=WEIGHT), intervals="delta")
    except SimilitudeError:
        return float("nan")
    told = np.asarray(law.evaluate({k: held.column(k) for k in law.inputs}, made.values), float)
    return float(np.sqrt(np.mean(np.log(told / held.column("loss")) ** 2)))


def _paired(scale: Scale, one: tuple[str, Runs], two: tuple[str, Runs], blocked: bool) -> str:
    """Runs of both at the very same inputs (or of one block): how many each wins, the mean of several runs taken."""
    means = [_means(scale, table, blocked) for _, table in (one, two)]
    gaps = np.array([means[1][k] - v for k, v in means[0].items() if k in means[1]])
    if gaps.size < 2:
        return ""
    error = float(np.std(gaps, ddof=1) / np.sqrt(gaps.size))
    return (
        f"{gaps.size} {'blocks' if blocked else 'settings'} hold runs of both {one[0]} and {two[0]}: {two[0]} is lower "
        f"in {int(np.sum(gaps < 0))} of them; the mean difference is {np.mean(gaps):+.4g}, standard error {error:.2g}."
    )


def _means(scale: Scale, table: Runs, blocked: bool) -> dict[Any, float]:
    columns = [table.labels(BLOCK)] if blocked else [table.column(k) for k in scale.law.inputs]
    found: dict[Any, list[float]] = {}
    for key, loss in zip(zip(*columns, strict=True), table.column("loss"), strict=True):
        found.setdefault(key, []).append(float(loss))
    return {k: float(np.mean(v)) for k, v in found.items()}
