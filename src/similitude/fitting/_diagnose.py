"""What a fit cannot know, and which runs it hangs on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from similitude._digits import format_number
from similitude.fitting._bootstrap import leave_one_out
from similitude.fitting._noise import leverages, residuals_at
from similitude.fitting._objective import loss_terms
from similitude.fitting._prepare import Observed, compute_of, constant_inputs
from similitude.fitting._profile import own_gradients

if TYPE_CHECKING:
    from similitude.fitting._fit import Fit
    from similitude.laws import Estimate

__all__ = [
    "Identifiability",
    "Influence",
    "extrapolation",
    "flat_directions",
    "identifiability",
    "influence",
    "inputs_outside",
    "range_notes",
]

FLAT = 0.02  # spread of a combination of inputs, relative to the widest one, under which it was not varied
CONDITION = 80.0  # beyond it, runs whose inputs moved together cannot tell parameters apart; good designs have 30 to 60
HELD_CONDITION = 1e3  # the same where an input was held constant and the parameters of its term were not
WEAK = 150.0  # condition number from which parameters are told apart with difficulty
FEW_CLUSTERS = 12
MANY = 100  # runs from which a sandwich estimate is steady enough to speak of
TREND = 2.6  # standard deviations of chance from which a trend of the noise is said: one sweep in a hundred by chance
OUTSIDE = 0.05  # share by which an input may leave the range of the runs before it is said
UNEVEN = 1.3  # ratio of standard errors from which unevenness is said: chance alone reached 1.17 in 60 even sweeps


@dataclass(frozen=True)
class Influence:
    """Change of each parameter, in its standard errors, when a run is left out: `shift` (runs, parameters).

    `rows` holds the runs' row numbers, or their labels where several rows of a run share its error.
    """

    rows: np.ndarray
    parameters: tuple[str, ...]
    shift: np.ndarray

    def largest(self, count: int = 5) -> list[tuple[int | str, str, float]]:
        """The most influential runs: (row number, parameter it moves most, by how many standard errors)."""
        worst = np.argmax(np.abs(self.shift), axis=1)
        size = self.shift[np.arange(len(worst)), worst]
        order = np.argsort(-np.abs(size))[:count]
        rows = self.rows.tolist()
        return [
            (
                rows[i],
                self.parameters[worst[i]],
                float(size[i]),
            )
            for i in order
        ]


@dataclass(frozen=True)
class Identifiability:
    """How well the runs determine the parameters.

    `condition` of the scaled Jacobian; `correlation` of the estimates (free, free) in the order of `parameters`; `open`
    lists parameters whose interval does not close, with the side; `at_bound` those at a bound; `floor` holds, where the
    law has a floor E, triples (E, objective rise in units of its 90 % cut) along its profile.
    """

    condition: float
    parameters: tuple[str, ...]
    correlation: np.ndarray
    open: tuple[tuple[str, str], ...]
    at_bound: tuple[str, ...]
    sentences: tuple[str, ...]


def flat_directions(observed: Observed) -> np.ndarray:
    """Directions of log inputs that were (nearly) not varied together, one a row; none for a law of one input.

    An input that is the same in every run is left out: it did not move with the others.
    """
    constant = {name for name, _ in constant_inputs(observed)}
    varied = np.array([k not in constant for k in observed.inputs], bool)
    none = np.empty((0, len(observed.inputs)))
    if varied.sum() < 2 or any(np.min(v) <= 0 for v in observed.inputs.values()):
        return none
    logs = np.log(np.stack(list(observed.inputs.values()), axis=1))[:, varied]
    _, spread, axes = np.linalg.svd(logs - logs.mean(axis=0), full_matrices=False)
    axes = axes[spread < FLAT * max(spread[0], 1e-300)]
    directions = np.zeros((len(axes), varied.size))
    directions[:, varied] = axes
    return directions


def tells_apart(observed: Observed, condition: float) -> bool:
    """Whether the runs can tell the free parameters apart, from the condition number and how the inputs varied."""
    if condition > CONDITION and flat_directions(observed).size:
        return False
    return not (condition > HELD_CONDITION and constant_inputs(observed))


def off_the_ray(observed: Observed, flat: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which points leave the inputs' range, or the line the runs lie on, by more than the runs themselves do."""
    logs = np.log(np.stack(list(observed.inputs.values()), axis=1))
    points = np.log(np.stack([flat[k] for k in observed.inputs], axis=1))
    outside = np.any((points < logs.min(axis=0) - 0.02) | (points > logs.max(axis=0) + 0.02), axis=1)
    directions = flat_directions(observed)
    if not directions.size:
        return outside
    centre = logs.mean(axis=0)
    reach = np.abs((logs - centre) @ directions.T).max(axis=0) + 0.05
    return outside | np.any(np.abs((points - centre) @ directions.T) > reach, axis=1)


def ray_sentence(observed: Observed) -> str:
    """What was not varied, in words."""
    if not flat_directions(observed).size and (constant := constant_inputs(observed)):
        held = " and ".join(f"{k} = {v:.4g}" for k, v in constant)
        return f"they all have {held}, so the parameters of its term are not told apart from the others"
    if "N" in observed.inputs and "D" in observed.inputs:
        ratio = observed.inputs["D"] / observed.inputs["N"]
        if np.ptp(np.log(ratio)) < 0.2:
            return (
                f"all lie near D/N = {np.exp(np.mean(np.log(ratio))):.3g} tokens per parameter, so N and D always "
                "moved together; the law is known on that line and inside its range only"
            )
    return f"their inputs {', '.join(observed.inputs)} always moved together"


def extrapolation(observed: Observed, flat: Mapping[str, np.ndarray]) -> np.ndarray:
    """Each point's compute over the largest among the runs; for other inputs, the largest such ratio of any input."""
    found, points = observed.compute(), compute_of(flat)
    if found is not None and points is not None:
        return np.asarray(points[0], float) / found[0].max()
    return np.max([np.asarray(flat[k], float) / v.max() for k, v in observed.inputs.items()], axis=0)


def inputs_outside(estimate: Estimate, flat: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Which points (a mask each) leave the range `estimate.within` of an input, only inputs that some point leaves."""
    out = {}
    for name, (low, high) in estimate.within.items():
        if name not in flat:
            continue
        slack = (OUTSIDE * low, OUTSIDE * high) if low > 0 else (OUTSIDE * (high - low),) * 2
        points = np.asarray(flat[name], float)
        mask = (points < low - slack[0]) | (points > high + slack[1])
        if mask.any():
            out[name] = mask
    return out


def range_notes(estimate: Estimate, flat: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """One sentence for each input that leaves the range of the runs, at the point that leaves it furthest."""
    return tuple(
        _range_note(name, np.asarray(flat[name], float)[mask], estimate)
        for name, mask in inputs_outside(estimate, flat).items()
    )


def _range_note(name: str, points: np.ndarray, estimate: Estimate) -> str:
    low, high = estimate.within[name]
    unit = estimate.law.inputs[name].name

    def show(x: float) -> str:
        return format_number(x, unit, show_unit=False)

    if low <= 0:
        worst = points[np.argmax(np.maximum(low - points, points - high))]
        sentence = f"{name} = {show(worst)} lies outside the runs' {show(low)} to {show(high)}"
    else:
        with np.errstate(divide="ignore"):
            worst = points[np.argmax(np.maximum(low / np.maximum(points, 0), points / high))]
        if worst > high:
            sentence = (
                f"{name} = {show(worst)} is {_factor(worst / high)} times the largest among the runs ({show(high)})"
            )
        else:
            sentence = f"{name} = {show(worst)} is {_factor(worst / low)} of the smallest among the runs ({show(low)})"
    return sentence if points.size == 1 else f"{sentence}; {points.size} points leave the runs' range of {name}"


def _factor(ratio: float) -> str:
    return format_number(ratio, digits=2 if ratio < 1 or ratio >= 10 else 3)


def influence(fit: Fit) -> Influence:
    """Refit without each run in turn; without each cluster, where runs share errors."""
    problem, u = fit.solution.problem, fit.solution.u
    rows = leave_one_out(problem, u)
    coordinates = problem.coordinates
    values, found = coordinates.values(rows), coordinates.values(np.atleast_2d(u))
    shift = np.concatenate(
        [w.open(values[g[0]]) - w.open(found[g[0]]) for g, w in zip(coordinates.groups, coordinates.parameters)], axis=1
    )
    error = np.sqrt(np.maximum(np.diag(_covariance(fit)), 1e-300))
    labels = fit.observed.labels
    units = fit.observed.rows if problem.clusters is None or labels is None else np.unique(labels)
    return Influence(units, coordinates.names, shift / error)


def _covariance(fit: Fit) -> np.ndarray:
    """Of the law's own parameters on their lines, such as log A and not the term at the centre of the runs."""
    turn = own_gradients(fit.solution.problem, fit.solution.u)
    return turn @ fit.curvature.covariance @ turn.T


def bounds_reached(fit: Fit) -> list[tuple[str, str]]:
    """Free coordinates at a bound: (name, "lower" or "upper")."""
    coordinates, u = fit.solution.problem.coordinates, fit.solution.u
    out = []
    for j, name in enumerate(coordinates.names):
        if u[j] <= coordinates.low[j] + 1e-6:
            out.append((name, "lower"))
        elif u[j] >= coordinates.high[j] - 1e-6:
            out.append((name, "upper"))
    return out


def open_ends(fit: Fit) -> list[tuple[str, str]]:
    """Parameters whose interval has an unknown end: (name, "lower", "upper" or "both")."""
    out = []
    for group in fit.solution.problem.coordinates.groups:
        low, high = fit.ends.get(group[0], (None, None))
        if low is None or high is None:
            out.append(
                ("=".join(group), "both" if low is None and high is None else "lower" if low is None else "upper")
            )
    return out


def identifiability(fit: Fit) -> Identifiability:
    """The report on what these runs can and cannot determine."""
    covariance = _covariance(fit)
    error = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    return Identifiability(
        fit.condition,
        fit.solution.problem.coordinates.names,
        covariance / np.outer(error, error),
        tuple(open_ends(fit)),
        tuple(n for n, _ in bounds_reached(fit)),
        tuple(_identifiability_sentences(fit)),
    )


def _identifiability_sentences(fit: Fit) -> list[str]:
    out = []
    if not fit.identified:
        out.append(
            f"{ray_sentence(fit.observed)} (condition number {fit.condition:.0f}): parameters and optimal allocations "
            "are not given; vary the ratio, or fix parameters"
        )
        return out
    if fit.condition > WEAK:
        out.append(
            f"the parameters are weakly identified (condition number {fit.condition:.0f}; good designs have 30 to 60): "
            "read the intervals, not the values"
        )
    for name, side in open_ends(fit):
        out.append(_open_sentence(name, side, fit))
    for name, side in bounds_reached(fit):
        out.append(f"{name} sits on its {side} bound: these runs may not constrain it; fix it, or add runs")
    return out


def _open_sentence(name: str, side: str, fit: Fit) -> str:
    low, high = fit.ends[name.partition("=")[0]]
    if side == "lower" and fit.law.params[name.partition("=")[0]].relative == "output":
        return f"{name} may be zero: only {name} <= {high:.4g} is known at {fit.level:.0%}"
    if side == "both":
        return f"{name} is not determined by these runs on either side"
    known = f"{name} <= {high:.4g}" if side == "lower" else f"{name} >= {low:.4g}"
    return f"the profile of {name} does not close: only {known} is known at {fit.level:.0%}"


def warnings_of(fit: Fit) -> tuple[str, ...]:
    """One sentence for each thing a reader should know before using the fit."""
    out = list(_identifiability_sentences(fit))
    out += _missing_sentences(fit)
    out += _sample_sentences(fit)
    out += _noise_sentences(fit)
    out += _uneven_sentences(fit)
    if fit.convergence.starts > 1 and fit.convergence.agreed < 1:
        out.append("no other start ended at this optimum: try more with start=")
    if fit.runs.counts == "undeclared" and "N" in fit.law.inputs:
        out.append(
            "how N counts parameters is undeclared (with or without embeddings): the answer in tokens per parameter "
            "depends on it; say counts='total' or another when reading"
        )
    return tuple(out)


def _missing_sentences(fit: Fit) -> list[str]:
    """How many runs the fit could not use, and what they lack."""
    runs = fit.runs.kept
    if len(runs) == len(fit.observed):
        return []
    runs = runs.with_inputs(list(fit.law.inputs))
    gaps = {name: int(np.isnan(runs.column(name)).sum()) for name in (*fit.law.inputs, runs.output)}
    lacking = ", ".join(f"no {name} in {count}" for name, count in gaps.items() if count)
    return [f"{len(runs) - len(fit.observed)} of {len(runs)} runs are not used: {lacking}"] if lacking else []


def _sample_sentences(fit: Fit) -> list[str]:
    out = []
    n, p = len(fit.observed), len(fit.free)
    if n < 2 * p:
        out.append(f"{n} runs for {p} parameters: the intervals rest on {max(n - p, 0)} degrees of freedom")
    clusters = fit.solution.problem.clusters
    if clusters is not None:
        count = len(clusters.sizes)
        if count < FEW_CLUSTERS:
            out.append(
                f"only {count} runs with several checkpoints each: their shared errors are hard to judge from so few"
            )
    if fit.objective.delta is not None and n < 40:
        out.append(
            f"delta = {fit.objective.delta:g} on {n} runs is nearly least absolute deviation: intervals over-cover; "
            "the default delta, tied to the noise, is sound here"
        )
    return out


def robust_ratio(fit: Fit) -> np.ndarray:
    """Each coordinate's standard error without the assumption that all runs err alike (the HC3 sandwich), relative to
    the error with it."""
    problem = fit.solution.problem
    r, slopes = residuals_at(problem, fit.solution.u)
    _, psi, *_ = loss_terms(r, problem.delta, problem.objective.asymmetry)
    inverse = fit.curvature.covariance / fit.curvature.variance * fit.curvature.slope**2
    scores = slopes * (psi / (1 - leverages(slopes)))
    sandwich = inverse @ (scores @ scores.T) @ inverse / fit.curvature.slope**2
    return np.sqrt(np.diag(sandwich) / np.maximum(np.diag(fit.curvature.covariance), 1e-300))


def _uneven_sentences(fit: Fit) -> list[str]:
    """Said where the runs' errors are so uneven that an interval built on one noise level is too short."""
    if fit.solution.problem.clusters is not None or len(fit.observed) < MANY or fit.resampled is not None:
        return []
    if not (fit.noise > 0 and fit.identified):
        return []
    with np.errstate(all="ignore"):
        ratio = robust_ratio(fit)
    worst = int(np.nanargmax(ratio)) if np.isfinite(ratio).any() else 0
    if not ratio[worst] > UNEVEN:
        return []
    name = fit.solution.problem.coordinates.names[worst]
    return [
        (
            f"the runs do not all err alike: allowing for that, the interval of {name} would be about "
            f"{ratio[worst]:.1f} times wider; method='case' resamples runs and makes no such assumption"
        )
    ]


def _noise_sentences(fit: Fit) -> list[str]:
    found = fit.observed.compute()
    if found is None or fit.solution.spread is not None or len(fit.observed) < 20:
        return []
    r, _ = residuals_at(fit.solution.problem, fit.solution.u)
    if not np.any(r):
        return []
    ranks = np.argsort(np.argsort(np.abs(r))).astype(float)
    place = np.argsort(np.argsort(found[0])).astype(float)
    correlation = float(np.corrcoef(ranks, place)[0, 1])
    if abs(correlation) * np.sqrt(len(r) - 1) > TREND:
        way = "shrinks" if correlation < 0 else "grows"
        return [
            (
                f"the noise {way} with scale (rank correlation of its size with compute {correlation:.2f}): intervals "
                "that take it as constant can be too short, for exponents above all; noise='scale' models it"
            )
        ]
    return []
