"""A fit as plain values and back: the FIT files of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._errors import DataError
from similitude.fitting._noise import Spread, clustered
from similitude.fitting._objective import Objective
from similitude.fitting._options import Intervals
from similitude.fitting._prepare import Constraints, Observed, law_unit, observe, pose
from similitude.fitting._problem import Priors
from similitude.fitting._solve import Convergence, Solution

if TYPE_CHECKING:
    from similitude.fitting._fit import Fit

__all__ = ["fit_from_dict", "fit_to_dict"]

SCHEMA = "similitude/fit"
VERSION = 1


def fit_to_dict(fit: Fit, *, runs: bool = True) -> dict[str, Any]:
    """See `Fit.to_dict`."""
    from similitude import __version__
    from similitude.laws import law_to_dict

    unit = law_unit(fit.law, fit.runs)
    units = {k: p.unit or (str(unit) if p.relative == "output" else "") for k, p in fit.law.params.items()}
    document = {
        "schema": SCHEMA,
        "schema_version": VERSION,
        "similitude": __version__,
        "law": fit.law.name,
        "formula": law_to_dict(fit.law),
        "converged": fit.convergence.converged,
        "objective": fit.objective_value,
        "parameters": {
            k: {"value": fit.values[k], "low": fit.ends[k][0], "high": fit.ends[k][1], "unit": units[k]}
            for k in fit.law.params
        },
        "interval": {"level": fit.level, "method": fit.method, "resamples": fit.intervals.count},
        "runs": len(fit.observed),
        "warnings": list(fit.warnings),
        "options": _options(fit),
        "evidence": _evidence(fit),
    }
    if runs:
        document["data"] = fit.runs.to_dict()
    return document


def _options(fit: Fit) -> dict[str, Any]:
    """What the user asked for."""
    return {
        "objective": fit.objective.name,
        "delta": fit.objective.delta,
        "asymmetry": fit.objective.asymmetry,
        "weights": fit.objective.weights,
        **fit.constraints.to_dict(),
        "method": fit.intervals.method,
        "cluster": fit.intervals.cluster,
        "noise": fit.intervals.noise,
        "resamples": fit.intervals.resamples,
        "seed": fit.seed,
    }


def _evidence(fit: Fit) -> dict[str, Any]:
    """What was found beside the parameters, enough to be in the same state again."""
    problem, spread = fit.solution.problem, fit.solution.spread
    return {
        "delta": problem.delta,
        "noise": fit.noise,
        "offset": fit.offset,
        "condition": None if not np.isfinite(fit.condition) else fit.condition,
        "starts": fit.convergence.starts,
        "agreed": fit.convergence.agreed,
        "decrease": fit.convergence.decrease,
        "iterations": fit.convergence.iterations,
        "freedom": fit.solution.freedom,
        "tau": None if problem.clusters is None else problem.clusters.tau,
        "prior_noise": problem.priors.noise,
        "spread": None if spread is None else [spread.slope, spread.centre, spread.name],
        "coordinates": fit.solution.u.tolist(),
        "inner_scale": dict(problem.coordinates.scale),
        "within": {k: list(v) for k, v in fit.within.items()},
    }


def fit_from_dict(data: Mapping[str, Any]) -> Fit:
    """See `Fit.from_dict`."""
    _check_schema(data)
    try:
        return _restored(data)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(f"this fit's document is damaged ({type(error).__name__}: {error}); fit again") from None


def _check_schema(data: Any) -> None:
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
        raise DataError("not a fit: expected a document that `similitude fit -o FIT` wrote")
    version = data.get("schema_version")
    if not isinstance(version, int):
        raise DataError("this fit's document is damaged (it names no schema version); fit again")
    if version > VERSION:
        raise DataError(f"this fit was written by a newer version (schema {version}); upgrade similitude")
    if "data" not in data:
        raise DataError("this fit was written without its runs, so no new interval can be made from it; fit again")


def _restored(data: Mapping[str, Any]) -> Fit:
    from similitude.fitting._fit import assemble
    from similitude.laws import law_from_dict
    from similitude.runs import Runs

    law, options = law_from_dict(data["formula"]), data["options"]
    runs = Runs.from_dict(data["data"])
    objective = Objective.named(
        options["objective"], delta=options["delta"], asymmetry=options["asymmetry"], weights=options["weights"]
    )
    intervals = Intervals(
        options["method"], data["interval"]["level"], options["cluster"], options["noise"], options["resamples"]
    )
    constraints = Constraints.of(
        options["fix"],
        options["tie"],
        {k: tuple(v) for k, v in options["bound"].items()},
        {k: tuple(v) for k, v in options["prior"].items()},
    )
    observed, _ = observe(law, runs, objective, intervals)
    solution, observed = _solution(pose(law, observed, objective, constraints), observed, data)
    _check_values(data, solution)
    ends = {k: (_end(data["parameters"][k]["low"]), _end(data["parameters"][k]["high"])) for k in law.params}
    return assemble(law, observed, runs, objective, constraints, intervals, int(options["seed"]), solution, ends)


def _end(value: Any) -> float | None:
    return None if value is None else float(value)


def _check_values(data: Mapping[str, Any], solution: Solution) -> None:
    """The parameters printed must be those of the optimum stored."""
    if solution.u.shape != (solution.problem.free,):
        raise ValueError(f"{solution.u.size} coordinates for {solution.problem.free} free parameters")
    for name, value in solution.problem.coordinates.point(solution.u).items():
        if not np.isclose(float(data["parameters"][name]["value"]), value, rtol=1e-6):
            raise ValueError(f"the value of {name} is not that of its coordinates")


def _solution(problem: Any, observed: Observed, data: Mapping[str, Any]) -> tuple[Solution, Observed]:
    """The solved problem in the state it was saved in."""
    evidence = data["evidence"]
    spread = None
    if evidence["spread"] is not None:
        spread = Spread(*evidence["spread"])
        scale = observed.compute()
        if scale is None:
            raise ValueError("a noise that changes with a compute which these runs do not have")
        weights = 1 / spread.at(scale[0])
        base = problem.root_weights
        problem = replace(problem, root_weights=weights if base is None else base * weights)
    priors: Priors = replace(problem.priors, noise=evidence["prior_noise"])
    problem = replace(problem, delta=evidence["delta"], priors=priors)
    order = np.arange(problem.runs)
    if evidence["tau"] is not None and observed.labels is not None:
        problem = replace(problem, objective=replace(problem.objective, loss="squares"), delta=None)
        problem, order = clustered(problem, observed.labels)
        if problem.clusters is not None:
            problem = replace(problem, clusters=replace(problem.clusters, tau=float(evidence["tau"])))
    convergence = Convergence(
        data["converged"], evidence["starts"], evidence["agreed"], evidence["decrease"], evidence["iterations"]
    )
    u = np.asarray(evidence["coordinates"], float)
    solution = Solution(problem, u, data["objective"], convergence, evidence["freedom"], order, spread)
    return solution, observed.take(order)
