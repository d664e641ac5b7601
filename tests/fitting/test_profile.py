"""Profile and delta intervals against closed forms, brute force and SciPy's covariance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq, curve_fit, least_squares, minimize

import similitude as sim
from similitude.laws import formula_law

TRUTH = sim.laws.chinchilla.published["besiroglu2024"]


def _line(rng, n=12):
    x = np.geomspace(1, 1e4, n)
    y = 3 * x**-0.25 * np.exp(rng.normal(0, 0.02, n))
    return x, y, sim.read_runs({"D": x, "loss": y}, check=False)


@pytest.mark.parametrize("method", ["profile", "delta"])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_a_straight_line_has_the_exact_t_interval(rng, method, level):
    x, y, runs = _line(rng)
    fit = sim.fit(sim.laws.power, runs, objective="squares_log", intervals=sim.Intervals(method, level=level))
    line = stats.linregress(np.log(x), np.log(y))
    t = stats.t.ppf(0.5 + level / 2, len(x) - 2)
    assert fit.ends["c"] == pytest.approx((-line.slope - t * line.stderr, -line.slope + t * line.stderr), rel=3e-4)
    reach = t * line.intercept_stderr
    assert np.log(fit.ends["a"]) == pytest.approx((line.intercept - reach, line.intercept + reach), rel=3e-4)
    at = fit.predict(D=1e6)
    far = np.log(1e6) - np.log(x).mean()
    s2 = np.sum((np.log(y) - line.intercept - line.slope * np.log(x)) ** 2) / (len(x) - 2)
    lever = 1 / len(x) + far**2 / np.sum((np.log(x) - np.log(x).mean()) ** 2)
    centre = line.intercept + line.slope * np.log(1e6)
    band, new = t * np.sqrt(s2 * lever), t * np.sqrt(s2 * (1 + lever))
    assert np.log([at.low, at.high]) == pytest.approx([centre - band, centre + band], rel=3e-4)
    assert np.log([at.new_low, at.new_high]) == pytest.approx([centre - new, centre + new], rel=3e-4)


def _brute(cost, optimum, rise, low, high):
    """The ends where a profile computed point by point has risen by `rise`."""
    floor = cost(optimum)
    return [brentq(lambda v: cost(v) - floor - rise, *pair, xtol=1e-10) for pair in ((low, optimum), (optimum, high))]


def test_ends_are_those_of_a_profile_computed_point_by_point(rng):
    x = np.geomspace(1, 300, 15)
    y = 1.0 + 4 * x**-0.5 + rng.normal(0, 0.03, 15)
    runs = sim.read_runs({"D": x, "loss": y}, check=False)
    fit = sim.fit(sim.laws.power_floor, runs, objective="squares")
    freedom = 12
    variance = 2 * fit.objective_value / freedom
    rise = variance * stats.f.ppf(0.9, 1, freedom) / 2

    def held(name):
        def cost(value):
            def residuals(t):
                v = dict(zip([k for k in ("E", "a", "c") if k != name], t, strict=True), **{name: value})
                return v["E"] + v["a"] * x ** -v["c"] - y

            start = [fit.values[k] for k in ("E", "a", "c") if k != name]
            return least_squares(residuals, start, xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=2000).cost

        return cost

    for name, low, high in (("E", 0.2, 1.5), ("a", 2.0, 8.0), ("c", 0.2, 1.2)):
        expected = _brute(held(name), fit.values[name], rise, low, high)
        width = expected[1] - expected[0]
        assert np.max(np.abs(np.array(fit.ends[name]) - expected)) < 2e-3 * width, name


def test_the_huber_cut_follows_the_expected_curvature(rng):
    """Huber's M-interval of a mean, by the textbook formula, where the profile is close to quadratic."""
    y = np.exp(rng.standard_t(3, 400) * 0.05)
    runs = sim.read_runs({"x": np.linspace(1, 2, 400), "y": y}, loss="y", check=False)
    law = formula_law("a + 0*x", ("x",))
    fit = sim.fit(law, runs, inputs={"x": "x"})
    delta = fit.delta
    r = np.log(fit.values["a"]) - np.log(y)
    m = np.mean(np.abs(r) < delta)
    error = np.sqrt(np.sum(np.clip(r, -delta, delta) ** 2) / 399) / m / np.sqrt(400)
    t = stats.t.ppf(0.95, 399)
    centre = np.log(fit.values["a"])
    assert np.log(fit.ends["a"]) == pytest.approx((centre - t * error, centre + t * error), abs=0.02 * error)


def test_ends_do_not_depend_on_units():
    runs = sim.simulate(TRUTH, noise=0.003, seed=4)
    n, d, y = (runs.column(k) for k in ("N", "D", "loss"))
    plain = sim.fit(sim.laws.chinchilla, runs)
    scaled = sim.fit(sim.laws.chinchilla, sim.read_runs({"N": n / 1e6, "D": d / 1e9, "loss": y}, check=False))
    for name in ("E", "alpha", "beta"):
        assert plain.ends[name] == pytest.approx(scaled.ends[name], rel=1e-3)
    one, other = plain.predict(N=7e10, D=1.4e12), scaled.predict(N=7e4, D=1.4e3)
    assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-4)


def test_a_floor_that_may_be_zero_has_no_lower_end():
    x = np.geomspace(10, 1000, 12)
    y = 3 * x**-0.3 * np.exp(np.random.default_rng(3).normal(0, 0.02, 12))
    fit = sim.fit(sim.laws.power_floor, sim.read_runs({"D": x, "loss": y}, check=False), objective="squares_log")
    low, high = fit.ends["E"]
    assert low is None
    assert 0 < high < y.min()
    assert any("E may be zero: only E <=" in w for w in fit.warnings)
    assert ("E", "lower") in fit.identifiability().open
    # the end that is known is where holding E costs the F cut
    freedom, floor = 9, fit.objective_value
    rise = 2 * floor / freedom * stats.f.ppf(0.9, 1, freedom) / 2
    held = sim.fit(sim.laws.power_floor, fit.runs, objective="squares_log", fix={"E": high}, intervals="delta")
    assert held.objective_value - floor == pytest.approx(rise, rel=0.02)


def test_delta_method_is_scipys_covariance_times_t(rng):
    x = np.geomspace(1, 300, 40)
    y = 1.0 + 4 * x**-0.5 + rng.normal(0, 0.01, 40)
    runs = sim.read_runs({"D": x, "loss": y}, check=False)
    fit = sim.fit(sim.laws.power_floor, runs, objective="squares", intervals="delta")
    theirs, covariance = curve_fit(
        lambda x, e, a, c: e + np.exp(a) * x ** -np.exp(c), x, y, p0=[1, 1.4, -0.7], ftol=1e-14
    )
    t = stats.t.ppf(0.95, 37)
    for name, j in (("a", 1), ("c", 2)):
        reach = t * np.sqrt(covariance[j, j])
        assert np.log(fit.ends[name]) == pytest.approx((theirs[j] - reach, theirs[j] + reach), abs=2e-3 * reach)


def test_an_interval_of_anything_agrees_with_that_of_a_parameter():
    fit = sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, noise=0.003, seed=1))
    for name in ("E", "alpha", "beta"):
        value, low, high = fit.interval_of(lambda p, name=name: p[name])
        assert value == fit.values[name]
        width = fit.ends[name][1] - fit.ends[name][0]
        assert abs(low - fit.ends[name][0]) < 0.01 * width
        assert abs(high - fit.ends[name][1]) < 0.01 * width
    _, low, high = fit.interval_of(lambda p: p["E"] + p["A"] / 7e10 ** p["alpha"] + p["B"] / 1.4e12 ** p["beta"])
    at = fit.predict(N=7e10, D=1.4e12)
    assert (low, high) == pytest.approx((at.low, at.high), rel=2e-4)


def test_what_follows_from_a_floor_at_zero_has_an_interval():
    """Differences took a step by the error of log E, which is endless there: both ends were unknown."""
    d = np.geomspace(1e8, 1e11, 10)
    noise = np.exp(0.01 * np.random.default_rng(0).standard_normal(10))
    fit = sim.fit(sim.laws.power_floor, sim.read_runs({"D": d, "loss": 20 * d**-0.1 * noise}))
    assert fit.values["E"] < 1e-3
    _, low, high = fit.interval_of(lambda p: p["E"] + p["a"] * 1e12 ** -p["c"])
    at = fit.predict(D=1e12)
    assert (low, high) == pytest.approx((at.low, at.high), rel=1e-4)


@pytest.mark.parametrize("method", ["profile", "delta"])
def test_how_sure_a_slope_is_above_a_value_is_students_t_of_it(rng, method):
    x, y, runs = _line(rng)
    fit = sim.fit(sim.laws.power, runs, objective="squares_log", intervals=method)
    line = stats.linregress(np.log(x), np.log(y))
    goals = -line.slope + np.array([-4.0, -1.0, -0.2, 0.0, 0.5, 2.5]) * line.stderr
    exact = stats.t.cdf((-line.slope - goals) / line.stderr, len(x) - 2)
    assert fit.confidence_along(lambda p, goal: p["c"] - goal, goals) == pytest.approx(exact, abs=2e-4)


def test_how_sure_is_the_level_whose_interval_ends_there():
    fit = sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, noise=0.02, seed=3))
    goals = fit.values["E"] + np.array([-0.1, -0.03, 0.05, 0.1])
    sure = fit.confidence_along(lambda p, goal: p["E"] - goal, goals)
    for goal, one_sided in zip(goals, sure):
        low, high = fit.interval_of(lambda p: p["E"], 2 * max(one_sided, 1 - one_sided) - 1)[1:]
        assert (low if one_sided > 0.5 else high) == pytest.approx(goal, abs=2e-3 * abs(goal - fit.values["E"]))


def test_where_zero_cannot_be_reached_it_is_as_sure_as_the_last_value_that_can():
    D = np.geomspace(1e8, 1e11, 8)
    y = 0.3 + 40 * D**-0.16 * np.exp(0.02 * np.array([1, -1, 0, 1, -1, 1, 0, -1]))
    fit = sim.fit(sim.laws.power_floor, sim.read_runs({"D": D, "loss": y}, check=False))
    least, below = fit.confidence_along(lambda p, goal: p["E"] - goal, [1e-4 * fit.values["E"], -0.5])
    assert 0.5 < least < 0.999
    assert below == pytest.approx(least, abs=2e-3)  # a floor is not negative


def test_many_places_together_are_those_one_by_one():
    fit = sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, noise=0.02, seed=3))
    goals = np.array([2.3, 2.5, 3.0])

    def tokens(p, goal):
        return np.log(p["B"] / (goal - p["E"])) / p["beta"]

    together = fit.intervals_along(tokens, goals)
    assert np.isfinite(together).all()
    assert together == pytest.approx(fit.intervals_of([lambda p, g=g: tokens(p, g) for g in goals]), rel=1e-3)
    drawn = sim.fit(sim.laws.chinchilla, fit.runs, intervals=sim.Intervals("case", resamples=40))
    apart = [drawn.interval_of(lambda p, g=g: tokens(p, g)) for g in goals]
    assert drawn.intervals_along(tokens, goals) == pytest.approx(np.array(apart))
    share = np.mean(tokens(drawn.resampled.draws, 2.5) > np.log(2e10))
    assert drawn.confidence_along(lambda p, g: tokens(p, g) - np.log(2e10), [2.5]) == pytest.approx([share])


def test_wider_levels_contain_narrower_ones():
    runs = sim.simulate(TRUTH, noise=0.003, seed=2)
    ends = [sim.fit(sim.laws.chinchilla, runs, intervals=sim.Intervals(level=p)).ends["alpha"] for p in (0.5, 0.8, 0.9)]
    assert ends[2][0] < ends[1][0] < ends[0][0] < ends[0][1] < ends[1][1] < ends[2][1]


def test_no_search_for_an_end_is_given_up_in_ordinary_sweeps():
    """An end that is not found must be one that does not exist: with 0.3 % noise all of these close."""
    for seed in range(5):
        fit = sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, noise=0.003, seed=seed))
        assert all(end is not None for pair in fit.ends.values() for end in pair), seed
        at = fit.predict(N=7e10, D=1.4e12)
        assert at.low < at.value < at.high


def test_every_end_lies_on_its_cut():
    """Holding a parameter at an end of its interval must cost what the F cut allows, no less and no more."""
    for seed in range(2):
        runs = sim.simulate(TRUTH, noise=0.008, seed=seed)
        fit = sim.fit(sim.laws.chinchilla, runs, objective="squares_log")
        rise = 2 * fit.objective_value / 15 * stats.f.ppf(0.9, 1, 15) / 2
        for name in ("E", "alpha", "beta"):
            for end in fit.ends[name]:
                if end is None:
                    continue
                held = sim.fit(sim.laws.chinchilla, runs, objective="squares_log", fix={name: end}, intervals="delta")
                assert held.objective_value - fit.objective_value == pytest.approx(rise, rel=0.02), (seed, name)


def test_a_prediction_closes_where_every_parameter_does(rng):
    law = sim.laws.deff_repetition  # the profile of a prediction is strongly curved: its solves take many steps
    points = {k: np.exp(rng.uniform(*np.log(law.span[k]), 60)) for k in law.inputs}
    runs = sim.simulate(sim.Estimate(law, law.example), points=points, noise=0.01, seed=1)
    fit = sim.fit(law, runs, objective="squares_log")
    assert all(None not in ends for ends in fit.ends.values())
    for at in ({"N": 2.6e9, "D": 1.28e9, "U": 1.25e8}, {"N": 1e9, "D": 5e10, "U": 2e8}):
        made = fit.predict(**at)
        assert None not in (made.low, made.high)
        assert made.low < made.value < made.high


@pytest.mark.parametrize("seed", [2, 5, 9, 10])
def test_ends_are_where_the_profile_meets_the_cut_although_the_floor_is_at_zero(seed):
    """By an independent search over floor and exponent, the best fit with this prediction lies on the cut."""
    sizes, far = np.geomspace(1e8, 1e10, 10), 1e12
    loss = (0.05 + 300 / sizes**0.25) * np.exp(0.01 * np.random.default_rng(seed).standard_normal(10))
    fit = sim.fit(sim.laws.power_floor, sim.read_runs({"D": sizes, "loss": loss}), objective="squares_log")
    found = fit.predict(D=far, level=0.9)

    def squares(floor, log_scale, exponent):
        made = floor + np.exp(log_scale - exponent * np.log(sizes / 1e9))
        return float(np.sum(np.log(made / loss) ** 2))

    def least(objective, starts):
        options = {"xatol": 1e-9, "fatol": 1e-14, "maxiter": 5000}
        return min(minimize(objective, s, method="Nelder-Mead", options=options).fun for s in starts)

    def with_prediction(value):
        def objective(p):
            floor = value / (1 + np.exp(-p[0]))
            rest = value - floor
            return squares(floor, np.log(rest) + p[1] * np.log(far / 1e9), p[1]) if rest > 0 else np.inf

        return least(objective, [(s, c) for s in (-25, -6, -1, 1) for c in (0.2, 0.3, 0.4)])

    best = least(lambda p: squares(np.exp(min(p[0], 5)), p[1], p[2]), [(s, 0.7, 0.25) for s in (-30, -10, -3, -1)])
    cut = best * stats.t.ppf(0.95, 7) ** 2 / 7
    for end in (found.low, found.high):
        assert np.sqrt((with_prediction(end) - best) / cut) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("seed", [2, 5, 13])
def test_a_prediction_whose_best_fit_has_no_floor_has_ends_that_have_one(seed):
    """By SciPy's SLSQP from many beginnings: the upper end needs a floor, which the search has to raise from zero."""
    rng = np.random.default_rng(seed)
    n, d = (np.repeat([1e5, 3e5, 1e6], 3), np.tile([1e6, 3e6, 1e7], 3))
    loss = (4 / (n / 3e5) ** 0.15 + 3 / (d / 3e6) ** 0.3) / 3 * np.exp(0.012 * rng.standard_normal(9))
    fit = sim.fit(sim.laws.chinchilla, sim.read_runs({"N": n, "D": d, "loss": loss}), objective="squares_log")
    assert fit.values["E"] < 0.01 * loss.min()
    far = np.log([3e6 / 3e5, 3e7 / 3e6])
    x, y = np.log([n / 3e5, d / 3e6]), np.log(loss)

    def made(u, x):
        return np.exp(u[1] - np.exp(u[2]) * x[0]) + np.exp(u[3] - np.exp(u[4]) * x[1]) + u[0]

    def squares(u):
        return float(np.sum((np.log(made(u, x)) - y) ** 2))

    def least(starts, **more):
        bounds = [(0, 3), (-9, 3), (-6, 2), (-9, 3), (-6, 2)]
        found = [minimize(lambda u: 1e4 * squares(u), s, method="SLSQP", bounds=bounds,
                          options={"maxiter": 2000, "ftol": 1e-10}, **more) for s in starts]  # fmt: skip
        held = [f.fun for f in found if not more or abs(more["constraints"]["fun"](f.x)) < 1e-6]
        return min(held) / 1e4

    starts = [(e, *rng.normal((0.1, -1.6, 0.0, -1.2), 0.3)) for e in (0.01, 0.3, 0.8, 1.1) for _ in range(6)]
    best = least(starts)
    told = fit.predict(N=3e6, D=3e7, level=0.9)
    cut = best * stats.t.ppf(0.95, 4) ** 2 / 4
    for end in (told.low, told.high):
        within = {"type": "eq", "fun": lambda u, end=end: 10 * (np.log(made(u, far)) - np.log(end))}
        assert np.sqrt((least(starts, constraints=within) - best) / cut) == pytest.approx(1, abs=0.01)
    goal = told.value + np.array([-0.3, 0.4]) * np.array([told.value - told.low, told.high - told.value])
    sure = fit.confidence_along(lambda p, goal: fit.law.evaluate({"N": 3e6, "D": 3e7}, p) - goal, goal)
    for end, found in zip(goal, sure):
        within = {"type": "eq", "fun": lambda u, end=end: 10 * (np.log(made(u, far)) - np.log(end))}
        t = np.sqrt((least(starts, constraints=within) - best) * 4 / best)
        assert found == pytest.approx(stats.t.cdf(t if end < told.value else -t, 4), abs=5e-3)


def test_an_end_behind_which_lies_another_valley_is_passed():
    """Nine runs of masked diffusion, by SciPy's SLSQP: no walk from the best fit leads to the lower end's valley."""
    runs = sim.datasets.load("ladder", "interventions").where(intervention="diffusion")
    d, loss = runs.column("D"), runs.column("loss")
    n = runs.column("C") / (6 * d)
    fit = sim.fit(
        sim.laws.chinchilla, sim.read_runs({"N": n, "D": d, "loss": loss}, check=False), objective="squares_log"
    )
    told = fit.predict(N=n.max(), D=d.max(), level=0.9)
    x, y = np.log([n / n.max(), d / d.max()]), np.log(loss)

    def made(u, x):
        return np.exp(u[1] - np.exp(u[2]) * x[0]) + np.exp(u[3] - np.exp(u[4]) * x[1]) + u[0]

    def least(starts, **more):
        bounds = [(0, 3), (-60, 3), (-6, np.log(12)), (-9, 3), (-6, 2)]  # 12 is the largest exponent of the law
        found = [minimize(lambda u: 1e4 * np.sum((np.log(made(u, x)) - y) ** 2), s, method="SLSQP", bounds=bounds,
                          options={"maxiter": 400, "ftol": 1e-10}, **more) for s in starts]  # fmt: skip
        held = [f.fun for f in found if not more or abs(more["constraints"]["fun"](f.x)) < 1e-6]
        return min(held) / 1e4

    v = fit.values
    near = [v["E"], np.log(v["A"]) - v["alpha"] * np.log(n.max()), np.log(v["alpha"])]
    near += [np.log(v["B"]) - v["beta"] * np.log(d.max()), np.log(v["beta"])]
    rng = np.random.default_rng(0)
    starts = [near + width * rng.standard_normal(5) for width in (0, 0.1, 0.3, 0.6) for _ in range(2)]
    best = least(starts)
    assert np.sum(fit.residuals() ** 2) == pytest.approx(best, rel=1e-5)
    cut = best * stats.t.ppf(0.95, 4) ** 2 / 4
    within = {"type": "eq", "fun": lambda u: 10 * (np.log(made(u, np.zeros(2))) - np.log(told.low))}
    assert np.sqrt((least(starts, constraints=within) - best) / cut) == pytest.approx(1, abs=0.01)


def test_runs_that_lie_on_the_law_have_ends_within_rounding():
    """Where only rounding is left to profile: both ends are known, and next to nothing away."""
    n, d = (np.repeat(np.geomspace(1e7, 1e9, 4), 3), np.tile(np.geomspace(1e9, 1e11, 3), 4))
    loss = TRUTH.law.evaluate({"N": n, "D": d}, dict(TRUTH.values))
    fit = sim.fit(sim.laws.chinchilla, sim.read_runs({"N": n, "D": d, "loss": loss}))
    for name, (low, high) in fit.ends.items():
        assert (low, high) == pytest.approx((fit.values[name],) * 2, rel=1e-9)  # None would not be
        assert fit.values[name] == pytest.approx(TRUTH.values[name], rel=1e-8)
