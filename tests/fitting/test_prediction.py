"""Predictions: how far beyond the runs, where a new run would fall, and what cannot be said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import similitude as sim
from similitude._errors import ArgumentError, QuestionError, SimilitudeError
from similitude.laws import formula_law

TRUTH = sim.laws.chinchilla.published["besiroglu2024"]


@pytest.fixture(scope="module")
def ladder():
    return sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, noise=0.003, seed=1))


@pytest.fixture(scope="module")
def ray():
    n = np.geomspace(1e7, 1e9, 24)
    return sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, points={"N": n, "D": 20 * n}, seed=2))


def test_extrapolation_is_compute_over_the_largest_run(ladder):
    n, d = (ladder.runs.column(k) for k in ("N", "D"))
    at = ladder.predict(N=7e10, D=1.4e12)
    assert at.extrapolation == pytest.approx(7e10 * 1.4e12 / np.max(n * d))
    assert ladder.predict(N=n[0], D=d[0]).extrapolation < 1


def test_an_input_outside_the_runs_is_said_at_either_end(ladder):
    n, d = (ladder.runs.column(k) for k in ("N", "D"))
    small = ladder.predict(N=n.min() / 50, D=1.0)
    assert len(small.notes) == 2
    assert small.notes[0].startswith("N = ")
    assert "is 0.02 of the smallest among the runs (" in small.notes[0]
    assert small.notes[1].startswith("D = 1 is ")
    assert small.extrapolation < 1
    large = ladder.predict(N=77 * n.max(), D=d.min())
    assert len(large.notes) == 1
    assert "is 77 times the largest among the runs (" in large.notes[0]


def test_points_among_the_runs_have_no_notes(ladder):
    n, d = (ladder.runs.column(k) for k in ("N", "D"))
    assert ladder.predict(N=n, D=d).notes == ()
    assert ladder.predict(N=1.04 * n.max(), D=0.97 * d.min()).notes == ()
    assert len(ladder.predict(N=1.06 * n.max(), D=0.94 * d.min()).notes) == 2


def test_of_many_points_the_furthest_is_noted(ladder):
    n, d = (ladder.runs.column(k) for k in ("N", "D"))
    (note,) = ladder.predict(N=n.max() * np.array([1.0, 3.0, 20.0, 2.0]), D=d.max()).notes
    assert "is 20 times the largest" in note
    assert "3 points" in note


def test_an_input_that_may_be_negative_has_no_factor():
    law = replace(formula_law("a + b*x", ("x",), real_parameters=("a", "b")), positive_inputs=False)
    x = np.linspace(-1, 1, 9)
    runs = sim.read_runs({"x": x, "y": 3 + x + 0.01 * np.cos(40 * x)}, loss="y", check=False)
    fit = sim.fit(law, runs, inputs={"x": "x"}, objective="squares", intervals="delta")
    assert fit.predict(x=-5.0).notes == ("x = -5 lies outside the runs' -1 to 1",)


def test_many_points_are_the_points_one_by_one(ladder):
    n, d = np.array([[1e9, 1e10], [2e10, 7e10]]), np.array([2e11, 1.4e12])
    many = ladder.predict(N=n, D=d)
    assert many.value.shape == many.low.shape == many.new_high.shape == many.extrapolation.shape == (2, 2)
    for i, j in ((0, 1), (1, 0)):
        one = ladder.predict(N=n[i, j], D=d[j])
        assert (one.value, one.low, one.high) == pytest.approx(
            (many.value[i, j], many.low[i, j], many.high[i, j]), rel=1e-5
        )
        assert one.new_low == pytest.approx(many.new_low[i, j], rel=1e-5)


def test_a_new_run_is_less_certain_than_the_law(ladder):
    for n, d in ((1e8, 4e9), (7e10, 1.4e12)):
        at = ladder.predict(N=n, D=d)
        assert at.new_low < at.low < at.value < at.high < at.new_high
        wide = ladder.predict(N=n, D=d, level=0.99)
        assert wide.low < at.low
        assert wide.new_high > at.new_high


def test_heavy_tails_widen_where_a_new_run_would_fall():
    rng = np.random.default_rng(4)
    x = np.geomspace(1, 1e3, 200)
    heavy = 2 * x**-0.3 * np.exp(0.01 * rng.standard_t(1.5, 200))
    fit = sim.fit(sim.laws.power, sim.read_runs({"D": x, "loss": heavy}, check=False))
    at = fit.predict(D=30.0, level=0.98)
    errors = -fit.residuals()
    expected = np.quantile(errors, [0.01, 0.99])
    assert np.log([at.new_low / at.value, at.new_high / at.value]) == pytest.approx(expected, rel=0.15)


def test_skewed_noise_is_not_centred_on_the_law():
    """Residuals used to be centred first, which moved the interval off the runs when their noise was skewed."""
    rng = np.random.default_rng(7)
    x = np.geomspace(1, 1e3, 400)
    y = 2 * x**-0.3 * np.exp(0.02 * rng.gamma(2, 1, 400))
    fit = sim.fit(sim.laws.power, sim.read_runs({"D": x, "loss": y}, check=False))
    at = fit.predict(D=x)
    assert np.mean(y < at.new_low) == pytest.approx(0.05, abs=0.02)
    assert np.mean(y > at.new_high) == pytest.approx(0.05, abs=0.02)


def test_runs_on_one_ray_determine_no_parameter(ray):
    assert not ray.identified
    assert all(pair == (None, None) for pair in ray.ends.values())
    assert ray.interval_of(lambda p: p["alpha"])[1:] == (None, None)
    assert any("all lie near D/N = 20" in w for w in ray.warnings)
    assert "not determined" in str(ray)


def test_on_the_ray_and_within_range_the_law_is_known(ray):
    at = ray.predict(N=1e8, D=2e9)
    truth = TRUTH.value(N=1e8, D=2e9)
    assert at.low < truth < at.high
    assert at.high - at.low < 0.02 * truth


@pytest.mark.parametrize(("n", "d"), [(1e8, 1e9), (1e8, 8e9), (1e10, 2e11), (1e6, 2e7)])
def test_off_the_ray_or_beyond_it_nothing_is_said(ray, n, d):
    with pytest.raises(QuestionError, match="cannot say anything at"):
        ray.predict(N=n, D=d)


def test_no_allocation_is_planned_from_a_ray(ray):
    import similitude.planning as planning

    with pytest.raises(SimilitudeError):
        planning.plan(ray, flop=1e22)


def test_a_weak_design_is_said_to_be_weak():
    rng = np.random.default_rng(5)
    n = np.geomspace(2e7, 2e9, 30)
    fit = sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, points={"N": n, "D": n * rng.uniform(18, 22, 30)}))
    assert fit.identified
    assert any("weakly identified" in w for w in fit.warnings)
    assert fit.condition > 150


def test_a_good_design_is_let_be(ladder):
    assert ladder.condition < 100
    assert not any("identified" in w for w in ladder.warnings)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"N": 1e9}, "needs D"),
        ({"N": 1e9, "D": 1e10, "C": 1e20}, "no input 'C'"),
        ({"N": -1e9, "D": 1e10}, "must be positive"),
        ({"N": np.nan, "D": 1e10}, "must be positive"),
        ({"N": 1e9, "D": 1e10, "level": 1.0}, "between 0 and 1"),
    ],
)
def test_questions_that_make_no_sense_are_refused(ladder, inputs, message):
    with pytest.raises(ArgumentError, match=message):
        ladder.predict(**inputs)


def test_hundreds_of_points_are_predicted_in_good_time(ladder):
    import time

    n = np.geomspace(1e8, 1e11, 500)
    begin = time.process_time()
    many = ladder.predict(N=n, D=20 * n)
    assert np.isfinite(many.low).all()
    assert np.all(many.low < many.value)
    assert time.process_time() - begin < 8
