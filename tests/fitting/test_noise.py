"""Models of the noise: offsets shared within a run, and a spread that changes with scale."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize_scalar

import similitude as sim
from similitude._errors import QuestionError

TRUTH = sim.laws.chinchilla.published["besiroglu2024"]


def _clustered(seed, groups=20, each=6, own=0.01, offset=0.03):
    rng = np.random.default_rng(seed)
    x = np.geomspace(1, 1e4, groups * each)[rng.permutation(groups * each)]
    label = np.repeat([f"g{i}" for i in range(groups)], each)
    error = rng.normal(0, own, x.size) + np.repeat(rng.normal(0, offset, groups), each)
    return x, label, 3 * x**-0.25 * np.exp(error)


def _restricted_likelihood(x, y, label):
    """REML on the explicit covariance of a straight line on logarithms: (tau, coefficients, covariance, variance)."""
    design = np.stack([np.ones(x.size), -np.log(x)], axis=1)
    target = np.log(y)
    _, codes = np.unique(label, return_inverse=True)
    same = (codes[:, None] == codes[None, :]).astype(float)

    def solve(tau):
        factor = cho_factor(np.eye(x.size) + tau * same)
        info = design.T @ cho_solve(factor, design)
        beta = np.linalg.solve(info, design.T @ cho_solve(factor, target))
        left = target - design @ beta
        variance = left @ cho_solve(factor, left) / (x.size - 2)
        log_det = 2 * np.sum(np.log(np.diag(factor[0]))) + np.linalg.slogdet(info)[1]
        return (x.size - 2) * np.log(variance) + log_det, beta, variance * np.linalg.inv(info), variance

    best = minimize_scalar(lambda t: solve(np.exp(t))[0], bounds=(-6, 8), method="bounded", options={"xatol": 1e-8})
    return np.exp(best.x), *solve(np.exp(best.x))[1:]


@pytest.mark.parametrize("seed", range(4))
def test_random_offsets_are_generalised_least_squares(seed):
    x, label, y = _clustered(seed)
    tau, beta, covariance, variance = _restricted_likelihood(x, y, label)
    fit = sim.fit(sim.laws.power, sim.read_runs({"D": x, "loss": y, "run": label}, check=False), intervals="delta")
    assert fit.solution.problem.clusters.tau == pytest.approx(tau, rel=0.005)
    assert fit.values["c"] == pytest.approx(beta[1], rel=1e-3)
    assert np.log(fit.values["a"]) == pytest.approx(beta[0], abs=1e-3)
    assert fit.noise == pytest.approx(np.sqrt(variance), rel=5e-3)
    assert fit.offset == pytest.approx(np.sqrt(variance * tau), rel=0.02)
    reach = stats.t.ppf(0.95, 20 - 2 + 1) * np.sqrt(covariance[1, 1])
    low, high = fit.ends["c"]
    assert (high - low) / 2 == pytest.approx(reach, rel=0.02)


def test_the_shared_error_is_recovered_on_average():
    found = []
    for seed in range(16):
        x, label, y = _clustered(seed, groups=15, each=5)
        fit = sim.fit(sim.laws.power, sim.read_runs({"D": x, "loss": y, "run": label}, check=False), intervals="delta")
        found.append((fit.noise**2, fit.offset**2))
    own, offset = np.mean(found, axis=0)
    assert own == pytest.approx(0.01**2, rel=0.12)
    assert offset == pytest.approx(0.03**2, rel=0.25)


def test_checkpoints_taken_for_independent_runs_give_intervals_far_too_narrow():
    runs = sim.simulate(TRUTH, design="curves", noise=0.002, offset=0.005, seed=3)
    shared = sim.fit(sim.laws.chinchilla, runs)
    alone = sim.fit(sim.laws.chinchilla, runs, intervals=sim.Intervals(cluster=None))
    for name in ("alpha", "E"):
        (a, b), (c, d) = shared.ends[name], alone.ends[name]
        assert (b - a) > 1.5 * (d - c)


def test_without_a_shared_error_the_clusters_change_little():
    x, label, y = _clustered(1, own=0.02, offset=0.0)
    table = {"D": x, "loss": y, "run": label}
    clustered = sim.fit(sim.laws.power, sim.read_runs(table, check=False), intervals="delta")
    plain = sim.fit(
        sim.laws.power, sim.read_runs(table, check=False), objective="squares_log",
        intervals=sim.Intervals("delta", cluster=None),
    )  # fmt: skip
    assert clustered.offset < 0.008
    assert clustered.values["c"] == pytest.approx(plain.values["c"], rel=0.01)


def test_too_few_runs_with_checkpoints_are_refused():
    runs = sim.simulate(TRUTH, design="curves", seed=1)
    few = runs.where(np.isin(runs.labels("run"), ["run00", "run04", "run08", "run11"]))
    with pytest.raises(QuestionError, match="checkpoints of only 4 runs"):
        sim.fit(sim.laws.chinchilla, few)


def test_few_clusters_are_said_to_be_few():
    runs = sim.simulate(TRUTH, design="curves", noise=0.002, offset=0.005, seed=1)
    few = runs.where(np.isin(runs.labels("run"), [f"run{i:02d}" for i in range(0, 12, 2)]))
    fit = sim.fit(sim.laws.chinchilla, few, intervals="delta")
    assert any("only 6 runs with several checkpoints" in w for w in fit.warnings)


def test_the_slope_of_a_shrinking_noise_is_found():
    rng = np.random.default_rng(11)
    slopes = []
    for _ in range(12):
        runs = sim.simulate(TRUTH, design="isoflop", noise=0.0)
        n, d, y = (runs.column(k) for k in ("N", "D", "loss"))
        c = 6 * n * d
        noisy = y * np.exp(rng.normal(0, 1, y.size) * 0.0015 * (c / c.max()) ** -0.3)
        table = sim.read_runs({"N": n, "D": d, "loss": noisy}, check=False)
        fit = sim.fit(sim.laws.chinchilla, table, intervals=sim.Intervals("delta", noise="scale"))
        slopes.append(fit.solution.spread.slope)
        assert fit.solution.freedom == 42 - 5 - 2
        assert fit.solution.spread.centre == pytest.approx(np.exp(np.mean(np.log(c))))
    assert np.mean(slopes) == pytest.approx(-0.3, abs=0.05)


def test_delta_is_tied_to_the_noise_as_it_is_modelled():
    """It used to stay that of the fit with constant noise."""
    rng = np.random.default_rng(2)
    runs = sim.simulate(TRUTH, design="isoflop", noise=0.0)
    n, d, y = (runs.column(k) for k in ("N", "D", "loss"))
    c = 6 * n * d
    noisy = y * np.exp(rng.normal(0, 1, y.size) * 0.0005 * (c / c.max()) ** -0.5)
    fit = sim.fit(
        sim.laws.chinchilla, sim.read_runs({"N": n, "D": d, "loss": noisy}, check=False),
        intervals=sim.Intervals("delta", noise="scale"),
    )  # fmt: skip
    r = np.sort(np.abs(fit.residuals() / fit.solution.spread.at(c)))
    assert fit.delta == pytest.approx(1.345 * 1.4826 * np.median(r[5:]), rel=0.01)


def test_noise_that_shrinks_is_noticed_and_noise_that_does_not_is_let_be():
    rng = np.random.default_rng(2)
    runs = sim.simulate(TRUTH, design="isoflop", noise=0.0)
    n, d, y = (runs.column(k) for k in ("N", "D", "loss"))
    c = 6 * n * d
    shrinking = y * np.exp(rng.normal(0, 1, y.size) * 0.001 * (c / c.max()) ** -0.4)
    fit = sim.fit(
        sim.laws.chinchilla, sim.read_runs({"N": n, "D": d, "loss": shrinking}, check=False), intervals="delta"
    )
    assert any("the noise shrinks with scale" in w for w in fit.warnings)
    fit = sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, design="isoflop", seed=5), intervals="delta")
    assert not any("with scale" in w for w in fit.warnings)


def test_a_spread_needs_runs_of_different_compute():
    rng = np.random.default_rng(1)
    n = np.geomspace(1e8, 1e9, 12)
    runs = sim.read_runs(
        {"N": n, "D": 1e20 / 6 / n, "loss": 2 + (n / 1e8) ** -0.3 + rng.normal(0, 0.01, 12)}, check=False
    )
    with pytest.raises(QuestionError, match="runs of different C"):
        sim.fit(sim.laws.chinchilla, runs, fix={"B": 0.0, "beta": 0.3}, intervals=sim.Intervals("delta", noise="scale"))


# -- censored runs --------------------------------------------------------------------------------


def _line(x, y, **columns):
    return sim.read_runs({"D": x, "loss": y, **columns}, check=False)


def _with_crashes(seed=0, crashed=10):
    rng = np.random.default_rng(seed)
    x = np.geomspace(10, 1e4, 40)
    y = 3 * x**-0.25 * np.exp(rng.normal(0, 0.02, 40))
    stopped = np.zeros(40, bool)
    stopped[rng.permutation(40)[:crashed]] = True
    return x, np.where(stopped, y * 0.6, y), stopped


def test_a_censored_run_the_law_does_not_contradict_counts_for_nothing():
    """Such runs used to be counted as residuals of zero: the noise and every interval came out too small."""
    x, y, stopped = _with_crashes()
    table = _line(x, y, crashed=stopped)
    without = _line(x[~stopped], y[~stopped])
    for objective in ("squares_log", "huber_log"):
        one, other = (
            sim.fit(sim.laws.power, table, objective=objective),
            sim.fit(sim.laws.power, without, objective=objective),
        )
        assert len(one.observed) == 40
        assert one.noise == pytest.approx(other.noise, rel=1e-3)
        assert one.solution.freedom == other.solution.freedom == 28
        for name in ("a", "c"):
            assert one.values[name] == pytest.approx(other.values[name], rel=1e-4)
            assert one.ends[name] == pytest.approx(other.ends[name], rel=1e-3)
        assert one.predict(D=1e6).new_high == pytest.approx(other.predict(D=1e6).new_high, rel=1e-3)


def test_a_censored_run_above_the_law_pulls_it_up():
    x, y, stopped = _with_crashes()
    y = np.where(stopped, y / 0.6 * 1.5, y)
    pulled = sim.fit(sim.laws.power, _line(x, y, crashed=stopped), intervals="delta")
    plain = sim.fit(sim.laws.power, _line(x[~stopped], y[~stopped]), intervals="delta")
    assert pulled.value(D=1e3) > 1.005 * plain.value(D=1e3)


def test_resampling_leaves_censored_runs_where_they_stopped():
    """Their outputs used to be redrawn around the law and still counted as lower bounds, which pushed the law up."""
    x, y, stopped = _with_crashes()
    fit = sim.fit(sim.laws.power, _line(x, y, crashed=stopped), objective="squares_log")
    spread = np.ptp(np.log(fit.ends["a"]))
    for kind in ("residual", "wild", "parametric"):
        drawn = fit.bootstrap(kind, resamples=300).draws["a"]
        assert abs(np.mean(np.log(drawn)) - np.log(fit.values["a"])) < 0.06 * spread


def test_censored_runs_alone_do_not_make_a_fit():
    x, y, stopped = _with_crashes(crashed=38)
    with pytest.raises(QuestionError, match="2 runs that were not censored cannot determine 2"):
        sim.fit(sim.laws.power, _line(x, y, crashed=stopped))


# -- expectiles --------------------------------------------------------------------------------


def test_the_error_of_an_expectile_is_its_sandwich():
    """The side weights used to be left out of the curvature, which made intervals of asymmetric fits wrong."""
    found, widths = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x = np.geomspace(1, 1e3, 60)
        y = 2 * x**-0.3 * np.exp(rng.normal(0, 0.05, 60))
        objective = sim.Objective("log", "squares", asymmetry=0.1)
        fit = sim.fit(
            sim.laws.power, sim.read_runs({"D": x, "loss": y}, check=False), objective=objective, intervals="delta"
        )
        found.append(fit.values["c"])
        low, high = fit.ends["c"]
        widths.append((high - low) / 2 / stats.t.ppf(0.95, 58))
    assert np.median(widths) == pytest.approx(np.std(found), rel=0.2)


def test_a_new_run_is_not_expected_on_an_expectile():
    rng = np.random.default_rng(0)
    for count in (30, 80):
        x = np.geomspace(1, 1e3, count)
        y = 2 * x**-0.3 * np.exp(rng.normal(0, 0.05, count))
        fit = sim.fit(
            sim.laws.power, sim.read_runs({"D": x, "loss": y}, check=False),
            objective=sim.Objective("log", "squares", asymmetry=0.02),
        )  # fmt: skip
        at = fit.predict(D=30.0)
        assert np.log(at.value) < np.log(2 * 30**-0.3) - 0.05
        middle = np.log([at.new_low, at.new_high]).mean()
        assert middle == pytest.approx(np.log(2 * 30**-0.3), abs=0.03)
