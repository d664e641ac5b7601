"""A fit as plain values and back: the FIT files of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from similitude._errors import DataError
from similitude.fitting._noise import Spread, clustered
from similitude.fitting._objective import Objective
from similitude.fitting._options import Intervals
from similitude.fitting._prepare import Constraints, Observed, law_unit, pose
from similitude.fitting._problem import Priors
from similitude.fitting._solve import Convergence, Solution

__all__ = ["fit_from_dict", "fit_to_dict"]

SCHEMA = "similitude/fit"
VERSION = 1


def fit_to_dict(fit: Any, *, runs: bool = True) -> dict[str, Any]:
    """See `Fit.to_dict`."""
    from similitude import __version__
    from similitude.laws import law_to_dict

    problem, unit = fit.solution.problem, law_unit(fit.law, fit.runs)
    coordinates = problem.coordinates
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
        "interval": {
            "level": fit.level,
            "method": fit.method,
            "resamples": fit.intervals.count,
        },
        "runs": len(fit.observed),
        "warnings": list(fit.warnings),
        "options": {
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
        },
        "evidence": {
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
            "spread": None if fit.solution.spread is None else
            [fit.solution.spread.slope, fit.solution.spread.centre, fit.solution.spread.name],
            "coordinates": fit.solution.u.tolist(),
            "inner_scale": dict(coordinates.scale),
            "within": {k: list(v) for k, v in fit.within.items()},
        },
    }  # fmt: skip
    if runs:
        document["data"] = fit.runs.to_dict()
    return document


def fit_from_dict(data: Mapping[str, Any]) -> Any:
    """See `Fit.from_dict`."""
    from similitude.fitting._fit import assemble
    from similitude.fitting._prepare import observe
    from similitude.laws import law_from_dict
    from similitude.runs import Runs

    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
        raise DataError("not a fit: expected a document that `similitude fit -o FIT` wrote")
    if data.get("schema_version", 0) > VERSION:
        raise DataError(
            f"this fit was written by a newer version (schema {data['schema_version']}); upgrade similitude"
        )
    if "data" not in data:
        raise DataError("this fit was written without its runs, so no new interval can be made from it; fit again")
    try:
        law = law_from_dict(data["formula"])
        options = data["options"]
        runs = Runs.from_dict(data["data"])
        objective = Objective.named(options["objective"], delta=options["delta"], asymmetry=options["asymmetry"],
                                    weights=options["weights"])  # fmt: skip
        intervals = Intervals(options["method"], data["interval"]["level"], options["cluster"], options["noise"],
                              options["resamples"])  # fmt: skip
        constraints = Constraints.of(
            options["fix"],
            options["tie"],
            {k: tuple(v) for k, v in options["bound"].items()},
            {k: tuple(v) for k, v in options["prior"].items()},
        )
        observed, _ = observe(law, runs, objective, intervals)
        solution, observed = _solution(pose(law, observed, objective, constraints), observed, data)
        ends = {k: (v["low"], v["high"]) for k, v in data["parameters"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"this fit's document is damaged ({type(error).__name__}: {error}); fit again") from None
    return assemble(law, observed, runs, objective, constraints, intervals, options["seed"], solution, ends)


def _solution(problem: Any, observed: Observed, data: Mapping[str, Any]) -> tuple[Solution, Observed]:
    """The solved problem in the state it was saved in."""
    from dataclasses import replace

    evidence = data["evidence"]
    spread = None
    if evidence["spread"] is not None:
        spread = Spread(*evidence["spread"])
        scale = observed.compute()
        assert scale is not None
        weights = 1 / spread.at(scale[0])
        base = problem.root_weights
        problem = replace(problem, root_weights=weights if base is None else base * weights)
    priors: Priors = replace(problem.priors, noise=evidence["prior_noise"])
    problem = replace(problem, delta=evidence["delta"], priors=priors)
    order = np.arange(problem.runs)
    if evidence["tau"] is not None and observed.labels is not None:
        problem = replace(problem, objective=replace(problem.objective, loss="squares"), delta=None)
        problem, order = clustered(problem, observed.labels)
        assert problem.clusters is not None
        problem = replace(problem, clusters=replace(problem.clusters, tau=evidence["tau"]))
    convergence = Convergence(
        data["converged"], evidence["starts"], evidence["agreed"], evidence["decrease"], evidence["iterations"]
    )
    u = np.asarray(evidence["coordinates"], float)
    solution = Solution(problem, u, data["objective"], convergence, evidence["freedom"], order, spread)
    return solution, observed.take(order)
