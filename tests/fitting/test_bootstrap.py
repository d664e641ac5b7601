"""Resampled refits: what is drawn, that every refit is an optimum, and that seeds are kept."""

from __future__ import annotations

import numpy as np
import pytest

import similitude as sim
from similitude._errors import ArgumentError
from similitude.fitting._bootstrap import _case_weights
from similitude.fitting._solver import minimise

TRUTH = sim.laws.chinchilla.published["besiroglu2024"]


@pytest.fixture(scope="module")
def ladder():
    return sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, noise=0.003, seed=6), intervals="delta")


@pytest.mark.parametrize("kind", ["case", "residual", "wild", "parametric"])
def test_spread_of_resamples_is_that_of_the_delta_method(kind):
    """On a straight line under normal noise every kind estimates the same standard error."""
    rng = np.random.default_rng(0)
    x = np.geomspace(1, 1e3, 120)
    y = 2 * x**-0.3 * np.exp(rng.normal(0, 0.05, 120))
    fit = sim.fit(
        sim.laws.power, sim.read_runs({"D": x, "loss": y}, check=False), objective="squares_log", intervals="delta"
    )
    drawn = fit.bootstrap(kind, resamples=1500, seed=3)
    error = np.sqrt(np.diag(fit.curvature.covariance))
    assert np.std(drawn.draws["c"]) == pytest.approx(error[1], rel=0.12)
    assert np.mean(drawn.draws["c"]) == pytest.approx(fit.values["c"], abs=0.15 * error[1])
    assert drawn.converged == 1.0


@pytest.mark.parametrize("kind", ["case", "residual", "wild", "parametric"])
def test_the_same_seed_gives_the_same_draws(ladder, kind):
    one, same, other = (ladder.bootstrap(kind, resamples=60, seed=s) for s in (5, 5, 6))
    np.testing.assert_array_equal(one.draws["alpha"], same.draws["alpha"])
    assert not np.array_equal(one.draws["alpha"], other.draws["alpha"])
    assert len(one) == 60
    assert one.kind == kind


def test_intervals_by_bootstrap_are_its_percentiles():
    runs = sim.simulate(TRUTH, noise=0.003, seed=6)
    fit = sim.fit(sim.laws.chinchilla, runs, intervals=sim.Intervals("residual", resamples=200, level=0.8), seed=9)
    drawn = fit.bootstrap("residual", resamples=200, seed=9).draws
    assert fit.ends["alpha"] == pytest.approx(tuple(np.quantile(drawn["alpha"], [0.1, 0.9])))
    at = fit.predict(N=7e10, D=1.4e12)
    losses = sim.laws.chinchilla.evaluate({"N": 7e10, "D": 1.4e12}, drawn)
    assert (at.low, at.high) == pytest.approx(tuple(np.quantile(losses, [0.1, 0.9])))
    assert fit.to_dict()["interval"]["resamples"] == 200


def test_clusters_are_drawn_whole():
    runs = sim.simulate(TRUTH, design="curves", noise=0.002, offset=0.005, seed=1)
    problem = sim.fit(sim.laws.chinchilla, runs, intervals="delta").solution.problem
    counts = _case_weights(problem, 50, np.random.default_rng(0))
    assert counts.shape == (50, 120)
    blocks = counts.reshape(50, 12, 10)
    assert np.all(blocks == blocks[:, :, :1])
    np.testing.assert_array_equal(blocks[:, :, 0].sum(axis=1), 12)
    assert np.unique(blocks).size > 2


def test_clusters_are_not_resampled_by_residual():
    fit = sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, design="curves", offset=0.005, seed=1), intervals="delta")
    with pytest.raises(ArgumentError, match="'case' \\(whole clusters\\) or 'parametric'"):
        fit.bootstrap("wild", resamples=20)


def test_cluster_bootstrap_is_as_wide_as_the_shared_error_asks():
    runs = sim.simulate(TRUTH, design="curves", noise=0.002, offset=0.005, seed=4)
    fit = sim.fit(sim.laws.chinchilla, runs, intervals="delta")
    t = 1.859548 if fit.solution.freedom == 8 else 1.7
    error = (fit.ends["alpha"][1] - fit.ends["alpha"][0]) / 2 / t
    for kind in ("case", "parametric"):
        spread = np.std(fit.bootstrap(kind, resamples=200).draws["alpha"])
        assert 0.5 * error < spread < 2.0 * error


def _missed(problem, drawn, case, truth_starts):
    """Shares of resamples whose objective lies more than 1e-6 (relatively) above the best of many starts."""
    best = drawn.objective.copy()
    for start in truth_starts:
        found = minimise(problem, np.repeat(start[None], len(case), axis=0), case=case, iterations=300)
        best = np.minimum(best, np.where(np.isfinite(found.objective), found.objective, np.inf))
    return np.mean(drawn.objective > best * (1 + 1e-6))


def test_reseeded_resamples_reach_the_optimum_that_many_starts_find(data_home):
    """At delta = 1e-3 on the 240 published points, where warm refits alone are known to miss now and then."""
    runs = sim.read_runs(data_home / "chinchilla-epoch" / "data.csv").mark_outliers("outlier == 1")
    fit = sim.fit(sim.laws.chinchilla, runs, delta=1e-3, intervals="delta")
    problem, u = fit.solution.problem, fit.solution.u
    drawn = fit.bootstrap("case", resamples=200, seed=0)
    case = _case_weights(problem, 200, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    starts = [u + rng.normal(0, s, u.size) * [0.1, 0.5, 0.3, 0.5, 0.3] for s in (0.3, 0.6, 1.0, 1.0)]
    assert _missed(problem, drawn, case, starts) <= 0.002
    assert drawn.converged >= 0.995


def test_warm_refits_alone_miss_optima_where_few_runs_leave_several():
    fit = sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, noise=0.02, seed=3), delta=1e-3, intervals="delta")
    warm = fit.bootstrap("case", resamples=200, seed=2, reseed=False).objective
    both = fit.bootstrap("case", resamples=200, seed=2).objective
    assert np.all(both <= warm * (1 + 1e-9))
    assert np.any(warm > both * (1 + 1e-6))


def test_resamples_whose_floor_is_zero_converge_and_are_counted():
    """A floor at its bound used to be stepped over at every iteration, and the other coordinates never arrived."""
    x = np.geomspace(10, 1000, 12)
    y = 3 * x**-0.3 * np.exp(np.random.default_rng(3).normal(0, 0.02, 12))
    fit = sim.fit(sim.laws.power_floor, sim.read_runs({"D": x, "loss": y}, check=False), intervals="delta")
    drawn = fit.bootstrap("residual", resamples=100)
    assert 0.1 < drawn.at_bound < 1.0
    assert drawn.converged == 1.0
    floor = fit.solution.problem.coordinates.low[0]
    assert np.mean(np.log(drawn.draws["E"]) < floor + 1e-5) == pytest.approx(drawn.at_bound)


def test_an_unknown_kind_is_refused(ladder):
    with pytest.raises(ArgumentError, match="unknown bootstrap 'jackknife'"):
        ladder.bootstrap("jackknife")


def test_draws_are_for_every_parameter(ladder):
    drawn = ladder.draws(50, seed=1)
    assert set(drawn) == set(ladder.law.params)
    assert all(v.shape == (50,) for v in drawn.values())
