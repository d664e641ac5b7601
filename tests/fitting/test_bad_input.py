"""Runs and options a fit cannot be made from: one sentence each, of the right kind."""

from __future__ import annotations

import numpy as np
import pytest

import similitude as sim
from similitude._errors import ArgumentError, DataError, QuestionError, SimilitudeError
from similitude.fitting import Intervals, Objective

TRUTH = sim.laws.chinchilla.published["besiroglu2024"]
LADDER = sim.simulate(TRUTH, noise=0.003, seed=1)


def _table(**changes):
    columns = {k: LADDER.column(k).copy() for k in ("N", "D", "loss")}
    return sim.read_runs({**columns, **changes}, check=False)


def test_all_runs_at_one_size():
    with pytest.raises(
        QuestionError, match=r"N = 1e\+08 in every run, so how the output changes with N cannot be learnt"
    ):
        sim.fit(sim.laws.chinchilla, _table(N=np.full(20, 1e8)))


def test_one_size_is_enough_where_its_term_is_held():
    runs = _table(
        N=np.full(20, 1e8), loss=TRUTH.value(N=1e8, D=LADDER.column("D")) * np.exp(1e-3 * np.sin(np.arange(20)))
    )
    fit = sim.fit(sim.laws.chinchilla, runs, fix={"A": 482.01, "alpha": 0.3478}, intervals="delta")
    assert fit.values["beta"] == pytest.approx(0.3658, rel=0.1)


@pytest.mark.parametrize("count", [1, 4, 5])
def test_fewer_runs_than_parameters(count):
    with pytest.raises(
        QuestionError, match=f"{count} runs cannot determine 5 free parameters .* at least 6 are needed"
    ):
        sim.fit(sim.laws.chinchilla, LADDER.where(np.arange(20) < count))


def test_as_many_runs_as_parameters_will_do_with_some_held():
    runs = LADDER.where(np.isin(np.arange(20), [0, 3, 9, 16, 19]))
    fit = sim.fit(sim.laws.chinchilla, runs, fix={"E": 1.8172, "alpha": 0.3478, "beta": 0.3658}, intervals="delta")
    assert fit.values["A"] == pytest.approx(482, rel=0.2)


def test_a_loss_that_is_not_positive_has_no_logarithm():
    y = LADDER.column("loss").copy()
    y[6] = -0.5
    with pytest.raises(DataError, match=r"row 7: loss = -0.5; an objective on logarithms needs positive values"):
        sim.fit(sim.laws.chinchilla, _table(loss=y))
    sim.fit(sim.laws.chinchilla, _table(loss=y), objective="huber", intervals="delta")


def test_weights_must_be_positive():
    w = np.ones(20)
    w[2] = 0
    with pytest.raises(DataError, match="row 3: weight w = 0"):
        sim.fit(sim.laws.chinchilla, _table(w=w), objective=Objective(weights="w"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fix": {"gamma": 1.0}}, "no parameter 'gamma'"),
        ({"fix": {"E": np.nan}}, "finite"),
        ({"fix": {"E": -1.0}}, "fix E = -1: it must lie between 0"),
        ({"fix": {"E": 1.8}, "tie": [("E", "A")]}, "both fixed and tied"),
        ({"fix": {"E": 1.8}, "prior": {"E": (1.7, 0.1)}}, "both fixed and given a prior"),
        ({"tie": [("alpha",)]}, "at least two"),
        ({"tie": [("alpha", "beta"), ("beta", "A")]}, "two ties"),
        ({"bound": {"alpha": (0.5, 0.4)}}, "leave no room"),
        ({"prior": {"E": (1.7, 0.0)}}, "spread must be positive"),
        ({"start": {"gamma": 1.0}}, "no parameter 'gamma'"),
        ({"fix": dict(TRUTH.values)}, "every parameter of 'chinchilla' is fixed"),
        ({"objective": "mse"}, "unknown objective"),
        ({"objective": "squares_log", "delta": 1e-3}, "delta belongs to a Huber"),
        ({"delta": -1.0}, "positive number"),
        ({"intervals": "bayes"}, "unknown interval method"),
        ({"inputs": {"Z": "D"}}, "no input 'Z'"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ArgumentError, match=message):
        sim.fit(sim.laws.chinchilla, LADDER, **options)


@pytest.mark.parametrize("options", [{"level": 0.0}, {"level": 1.0}, {"noise": "white"}, {"resamples": 3}])
def test_intervals_that_make_no_sense(options):
    with pytest.raises(ArgumentError):
        Intervals(**options)


def test_a_term_may_be_switched_off():
    fit = sim.fit(sim.laws.chinchilla, LADDER, fix={"E": 0.0}, intervals="delta")
    assert fit.values["E"] == 0.0
    assert fit.values["alpha"] < 0.3


def test_a_law_of_one_input_must_know_which():
    with pytest.raises(DataError, match="takes one input and the table has N, D"):
        sim.fit(sim.laws.power_floor, LADDER)
    fit = sim.fit(sim.laws.power_floor, LADDER, inputs={"x": "N"}, intervals="delta")
    assert list(fit.law.inputs) == ["N"]


def test_missing_values_are_left_out_and_not_taken_for_zero():
    y = [None if i in (3, 8) else v for i, v in enumerate(LADDER.column("loss"))]
    fit = sim.fit(
        sim.laws.chinchilla, sim.read_runs({"N": LADDER.column("N"), "D": LADDER.column("D"), "loss": y}, check=False)
    )
    assert len(fit.observed) == 18
    assert 4 not in fit.observed.rows


def test_runs_without_an_input_are_counted_in_a_warning():
    columns = {name: list(LADDER.column(name)) for name in ("N", "D", "loss")}
    columns["D"][3] = columns["D"][8] = columns["N"][8] = None
    fit = sim.fit(sim.laws.chinchilla, sim.read_runs(columns, check=False))
    assert "2 of 20 runs are not used: no N in 1, no D in 2" in fit.warnings
    assert not any("not used" in s for s in sim.fit(sim.laws.chinchilla, LADDER).warnings)


def test_noise_that_changes_with_scale_needs_a_scale():
    law = sim.laws.formula_law("E + a/x^b + c/z^d", ("x", "z"))
    rng = np.random.default_rng(0)
    x, z = np.exp(rng.uniform(0, 5, (2, 30)))
    runs = sim.read_runs({"x": x, "z": z, "y": 1 + x**-0.5 + z**-0.3 + rng.normal(0, 0.01, 30)}, loss="y", check=False)
    with pytest.raises(QuestionError, match="needs compute"):
        sim.fit(law, runs, intervals=Intervals("delta", noise="scale"))


def test_constant_outputs_do_not_crash():
    """Nothing falls here, so nothing can be learnt but the level: an answer or a sentence, never a traceback."""
    try:
        fit = sim.fit(sim.laws.chinchilla, _table(loss=np.full(20, 2.5)))
    except SimilitudeError:
        return
    assert fit.value(N=1e8, D=1e10) == pytest.approx(2.5, rel=1e-6)


def test_wild_values_do_not_crash():
    rng = np.random.default_rng(0)
    for seed in range(2):
        y = np.exp(np.random.default_rng(seed).normal(0, 3, 20))
        n = np.exp(rng.uniform(0, 60, 20))
        try:
            fit = sim.fit(sim.laws.chinchilla, _table(loss=y, N=n))
        except SimilitudeError:
            continue
        assert fit.convergence.converged
        assert all(np.isfinite(v) for v in fit.values.values())
        for low, high in fit.ends.values():
            assert low is None or high is None or low <= high


def test_a_law_or_runs_of_another_kind_are_refused_with_the_remedy():
    runs = sim.simulate(sim.laws.chinchilla.published["besiroglu2024"], seed=0)
    with pytest.raises(ArgumentError, match=r"law is a str; .*similitude.laws.get\('chinchilla'\)"):
        sim.fit("chinchilla", runs)
    with pytest.raises(ArgumentError, match=r"runs is a str; .*read_runs"):
        sim.fit(sim.laws.chinchilla, "sweep.csv")


def test_a_fit_predicts_at_sizes_as_people_write_them():
    fit = sim.fit(sim.laws.chinchilla, sim.simulate(sim.laws.chinchilla.published["besiroglu2024"], seed=0))
    made = fit.predict(N="7B", D="140B")
    assert made.value == fit.predict(N=7e9, D=140e9).value
    assert made.at == {"N": 7e9, "D": 140e9}
