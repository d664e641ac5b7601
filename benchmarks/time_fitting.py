"""Rows about fitting: the robust multi-start fit, bootstrap refits, profile intervals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from clock import Row, Timing, clock, clock_once
from recipes import Recipe, grid_starts

import similitude as sim
from similitude.fitting._bootstrap import _case_weights
from similitude.fitting._solver import minimise
from similitude.fitting._starts import project, projected_grid

__all__ = ["bootstrap_rows", "fit_rows", "interval_rows", "published_runs"]

LAW = sim.laws.chinchilla
DELTA = 1e-3
MISSED = 1e-6  # a refit whose objective is further than this, relatively, from the best known is off the optimum
SEED = 20240415


def published_runs(outliers: str = "dropped") -> sim.Runs:
    """The 240 (or, "unmarked", 245) runs of Besiroglu et al.; as many simulated ones where they cannot be had."""
    try:
        return sim.datasets.load("chinchilla-epoch", outliers=outliers)
    except sim.DataError:
        rng = np.random.default_rng(SEED)
        n, d = np.exp(rng.uniform(np.log([[4.4e7], [1e9]]), np.log([[1.6e10], [3e11]]), (2, 245)))
        keep = slice(None) if outliers == "unmarked" else slice(240)
        points = {"N": n[keep], "D": d[keep]}
        return sim.simulate(LAW.published["besiroglu2024"], points=points, noise=0.01, seed=SEED)


def _recipe(runs: sim.Runs) -> Recipe:
    return Recipe(*(runs.column(k) for k in ("N", "D", runs.output)))


def _point_fit(runs: sim.Runs, **options: Any) -> Any:
    return sim.fit(LAW, runs, intervals="delta", **options)


def fit_rows(starts: int, repeats: int) -> Iterator[Row]:
    """The field's fit: the same objective, once here and from `starts` of the 4,500 starts of the recipe."""
    every = grid_starts()
    chosen = every[np.random.default_rng(SEED).permutation(len(every))[:starts]]
    for outliers in ("dropped", "unmarked"):
        runs = published_runs(outliers)
        ours = clock(lambda runs=runs: _point_fit(runs, delta=DELTA), repeats)
        best = _point_fit(runs, delta=DELTA).objective_value
        recipe = _recipe(runs)
        theirs, ends = clock_once(lambda recipe=recipe: recipe.grid_search(chosen))
        found = float(np.mean(ends <= best * (1 + MISSED)))
        yield Row(
            f"robust fit, {len(runs)} runs of {runs.source.split()[0]}",
            ours,
            0.020,
            "4,500 starts of L-BFGS-B",
            theirs.times(len(every) / starts),
            f"objective {best:.9e}; of {starts} starts of the recipe {found:.1%} end there, the best at "
            f"{np.nanmin(ends) / best - 1:+.1e}",
        )
    runs = published_runs()
    yield Row("the same, delta tied to the noise", clock(lambda: _point_fit(runs), repeats), 0.020)


def bootstrap_rows(resamples: int, checked: int, peers: int) -> Iterator[Row]:
    """Case-resampled refits, warm and re-seeded, each with the share that misses the best optimum known.

    Of the first `checked` resamples the best is looked for from a dozen starts each; `peers` of them are refitted by
    SciPy's BFGS from the optimum of all runs, as is common.
    """
    runs = published_runs()
    fit = _point_fit(runs, delta=DELTA)
    weights = _case_weights(fit.solution.problem, resamples, np.random.default_rng(SEED))[:checked]
    truth = _truth(fit, weights)
    theirs, ends = _warm_refits(runs, fit, weights[:peers])
    missed = [np.mean(ends > truth[:peers] * (1 + x)) for x in (MISSED, 1e-3)]
    note = f"of {peers} of the recipe's {missed[0]:.1%}, {missed[1]:.1%} by more than 1e-3"
    for name, reseed, target in (("warm", False, 1.5), ("re-seeded", True, 3.0)):
        ours, drawn = clock_once(lambda r=reseed: fit.bootstrap("case", resamples=resamples, seed=SEED, reseed=r))
        off = np.mean(drawn.objective[:checked] > truth * (1 + MISSED))
        yield Row(
            f"{resamples:,} bootstrap refits, {name}",
            ours,
            target * resamples / 4000,
            "warm BFGS, exact gradient",
            theirs.times(resamples / peers),
            f"more than {MISSED:g} above the best optimum known: {off:.2%} of {checked} of ours; {note}",
        )


def _truth(fit: Any, weights: np.ndarray) -> np.ndarray:
    """The best objective from the optimum of all runs and eleven grid points spread over the projected grid."""
    problem = fit.solution.problem
    grid = projected_grid(problem, {})
    assert grid is not None
    rows = project(problem, grid)
    spread = np.concatenate([fit.solution.u[None], rows[np.linspace(0, len(rows) - 1, 11).astype(int)]])
    best = np.full(len(weights), np.inf)
    for start in spread:
        found = minimise(problem, np.repeat(start[None], len(weights), axis=0), case=weights)
        best = np.fmin(best, found.objective)
    return best


def _warm_refits(runs: sim.Runs, fit: Any, weights: np.ndarray) -> tuple[Timing, np.ndarray]:
    recipe = _recipe(runs)
    v = fit.values
    start = np.array([np.log(v["A"]), np.log(v["B"]), np.log(v["E"]), v["alpha"], v["beta"]])
    return clock_once(lambda: np.array([recipe.weighted(w).warm(start) for w in weights]))


def interval_rows(repeats: int, peers: int) -> Iterator[Row]:
    """A fit with the profile intervals of every parameter and one prediction, against a percentile bootstrap."""
    runs = published_runs()
    fit = _point_fit(runs, delta=DELTA)
    weights = _case_weights(fit.solution.problem, peers, np.random.default_rng(SEED))
    theirs, _ = _warm_refits(runs, fit, weights)

    def ours() -> Any:
        return sim.fit(LAW, runs, delta=DELTA).predict(N=70e9, D=1.4e12)

    yield Row(
        "fit, profile intervals of 5 parameters, 1 prediction",
        clock(ours, repeats),
        None,
        "400 warm BFGS refits",
        theirs.times(400 / peers),
    )
