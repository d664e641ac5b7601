"""Influence, identifiability, leverage: against explicit refits and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import similitude as sim
from similitude._errors import ConvergenceError
from similitude.fitting._noise import leverages, residuals_at
from similitude.laws import formula_law

TRUTH = sim.laws.chinchilla.published["besiroglu2024"]


def test_influence_is_that_of_explicit_refits():
    runs = sim.simulate(TRUTH, noise=0.003, seed=1)
    fit = sim.fit(sim.laws.chinchilla, runs, objective="squares_log", intervals="delta")
    found = fit.influence()
    assert found.shift.shape == (20, 5)
    error = np.sqrt(np.diag(fit.curvature.covariance))
    for i in (0, 7, 19):
        keep = np.arange(20) != i
        again = sim.fit(sim.laws.chinchilla, runs.where(keep), objective="squares_log", intervals="delta")
        for name, column in (("E", 0), ("alpha", 2), ("beta", 4)):
            moved = np.log(again.values[name] / fit.values[name]) / error[column]
            assert found.shift[i, column] == pytest.approx(moved, abs=2e-3)


def test_a_coefficient_is_judged_as_the_law_has_it_and_not_at_the_centre_of_the_runs():
    """A and alpha trade off almost perfectly; the engine's own coordinates hide that, and used to be shown."""
    fit = sim.fit(
        sim.laws.chinchilla, sim.simulate(TRUTH, noise=0.003, seed=1), objective="squares_log", intervals="delta"
    )
    report = fit.identifiability()
    drawn = fit.bootstrap("parametric", resamples=600, seed=1).draws
    rows = [np.log(drawn[k]) for k in report.parameters]
    np.testing.assert_allclose(report.correlation, np.corrcoef(rows), atol=0.12)
    assert report.correlation[1, 2] > 0.98
    low, high = fit.ends["A"]
    reach = np.log(high / low) / 2
    again = sim.fit(sim.laws.chinchilla, fit.runs.where(np.arange(20) != 4), objective="squares_log", intervals="delta")
    moved = np.log(again.values["A"] / fit.values["A"]) / (reach / 1.75305)  # t(15) at 90 %
    assert fit.influence().shift[4, 1] == pytest.approx(moved, rel=0.01, abs=2e-3)


def test_the_run_that_is_off_is_the_most_influential():
    rng = np.random.default_rng(0)
    x = np.geomspace(1, 1e3, 30)
    y = 2 * x**-0.3 * np.exp(rng.normal(0, 0.01, 30))
    y[-1] *= 1.2
    fit = sim.fit(
        sim.laws.power, sim.read_runs({"D": x, "loss": y}, check=False), objective="squares_log", intervals="delta"
    )
    row, _, size = fit.influence().largest(1)[0]
    assert row == 30
    assert abs(size) > 1


def test_checkpoints_are_left_out_with_their_run():
    """A row of a whitened problem is no run: leaving it out used to mix the errors of the others."""
    runs = sim.simulate(TRUTH, design="curves", noise=0.002, offset=0.005, seed=3)
    fit = sim.fit(sim.laws.chinchilla, runs, intervals="delta")
    found = fit.influence()
    assert found.shift.shape == (12, 5)
    assert list(found.rows) == [f"run{i:02d}" for i in range(12)]
    error = np.sqrt(np.diag(fit.curvature.covariance))
    without = runs.where(runs.labels("run") != "run11")
    again = sim.fit(sim.laws.chinchilla, without, intervals="delta")  # its own tau, so only close
    moved = np.log(again.values["beta"] / fit.values["beta"]) / error[4]
    assert found.shift[11, 4] == pytest.approx(moved, abs=0.25)
    assert isinstance(found.largest(1)[0][0], str)


def test_influence_of_many_runs_is_one_step():
    rng = np.random.default_rng(0)
    x = np.geomspace(1, 1e3, 6000)
    y = 2 * x**-0.3 * np.exp(rng.normal(0, 0.01, 6000))
    fit = sim.fit(
        sim.laws.power, sim.read_runs({"D": x, "loss": y}, check=False), objective="squares_log", intervals="delta"
    )
    found = fit.influence()
    design = np.stack([np.ones(6000), -np.log(x)], axis=1)
    gram = np.linalg.inv(design.T @ design)
    beta = gram @ design.T @ np.log(y)
    left = np.log(y) - design @ beta
    hat = np.einsum("ij,jk,ik->i", design, gram, design)
    moved = -(design @ gram) * (left / (1 - hat))[:, None]  # the closed form of leaving one out of a line
    error = np.sqrt(np.sum(left**2) / 5998 * np.diag(gram))
    np.testing.assert_allclose(found.shift, moved / error, rtol=1e-4, atol=1e-8)


def test_leverages_are_the_hat_matrix_of_a_line():
    x = np.geomspace(1, 1e3, 20)
    y = 2 * x**-0.3 * np.exp(np.random.default_rng(0).normal(0, 0.01, 20))
    fit = sim.fit(sim.laws.power, sim.read_runs({"D": x, "loss": y}, check=False), intervals="delta")
    design = np.stack([np.ones(20), np.log(x)], axis=1)
    found = leverages(residuals_at(fit.solution.problem, fit.solution.u)[1])
    np.testing.assert_allclose(found, np.diag(design @ np.linalg.pinv(design)), rtol=1e-9)
    assert found.sum() == pytest.approx(2)


def test_correlations_are_those_of_a_line():
    x = np.geomspace(10, 1e3, 20)
    y = 2 * x**-0.3 * np.exp(np.random.default_rng(0).normal(0, 0.01, 20))
    law = formula_law("a + b*log(x)", ("x",), real_parameters=("a", "b"))
    runs = sim.read_runs({"x": x, "y": np.log(y)}, loss="y", check=False)
    fit = sim.fit(law, runs, inputs={"x": "x"}, objective="squares", intervals="delta")
    report = fit.identifiability()
    z = np.log(x)
    expected = -z.mean() / np.sqrt(np.mean(z**2))  # intercept and slope of a line through uncentred points
    assert report.correlation[0, 1] == pytest.approx(expected, rel=1e-9)
    assert report.parameters == ("a", "b")


def test_a_parameter_at_a_bound_is_reported():
    runs = sim.simulate(TRUTH, noise=0.003, seed=1)
    fit = sim.fit(sim.laws.chinchilla, runs, bound={"beta": (0.01, 0.2)})
    assert fit.identifiability().at_bound == ("beta",)
    assert fit.ends["beta"][1] is None or fit.ends["beta"][1] <= 0.2 + 1e-9


def test_few_runs_for_many_parameters_are_mentioned():
    runs = sim.simulate(TRUTH, noise=0.001, seed=1)
    fit = sim.fit(sim.laws.chinchilla, runs.where(np.arange(20) % 3 != 0), intervals="delta", objective="squares_log")
    assert not any("degrees of freedom" in w for w in fit.warnings)
    few = sim.fit(sim.laws.chinchilla, runs.where(np.arange(20) % 5 != 1).where("N > 3e7").where("D < 6e10"),
                  intervals="delta", objective="squares_log")  # fmt: skip
    expected = len(few.observed) < 10
    assert any("degrees of freedom" in w for w in few.warnings) == expected


def test_a_small_delta_on_few_runs_is_mentioned():
    fit = sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, seed=1), delta=1e-3, intervals="delta")
    assert any("nearly least absolute deviation" in w for w in fit.warnings)


def test_the_frame_of_a_fit_holds_what_it_prints():
    fit = sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, seed=1), fix={"E": 1.8})
    frame = fit.to_frame()
    assert frame["parameter"].to_list() == ["E", "A", "alpha", "B", "beta"]
    assert frame.filter(frame["parameter"] == "E")["state"].item() == "fixed"
    row = frame.filter(frame["parameter"] == "alpha")
    assert (row["value"].item(), row["low"].item()) == (fit.values["alpha"], fit.ends["alpha"][0])
    assert "Fit(chinchilla on 20 runs" in repr(fit)
    assert "20 runs of simulated from" in str(fit)


def test_an_input_held_constant_did_not_move_with_the_other():
    """Its term fixed, the rest is a law of N alone, and was refused as if N and D had always moved together."""
    runs = sim.simulate(TRUTH, points={"N": np.geomspace(2e7, 5e9, 13), "D": np.full(13, 1e10)}, noise=0.001, seed=1)
    fixed = {"B": TRUTH.values["B"], "beta": TRUTH.values["beta"]}
    fit = sim.fit(sim.laws.chinchilla, runs, fix=fixed)
    assert fit.condition > 80
    assert fit.identified
    assert not any("moved together" in w for w in fit.warnings)
    low, high = fit.ends["alpha"]
    assert low < TRUTH.values["alpha"] < high


def test_a_parameter_open_on_both_sides_is_not_determined():
    from dataclasses import replace

    fit = sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, noise=0.003, seed=1), intervals="delta")
    assert "not determined" not in str(fit)
    assert str(replace(fit, ends={**fit.ends, "B": (None, None)})).count("not determined") == 1


def test_an_input_held_constant_with_its_term_free_determines_nothing():
    from similitude.fitting._diagnose import ray_sentence, tells_apart
    from similitude.fitting._prepare import Observed

    inputs = {"N": np.geomspace(1e7, 1e9, 9), "D": np.full(9, 1e10)}
    observed = Observed(inputs, np.ones(9), np.arange(9))
    assert tells_apart(observed, 500.0)
    assert not tells_apart(observed, 2e3)
    assert "D = 1e+10" in ray_sentence(observed)


def test_an_objective_that_is_not_finite_is_said_to_be_the_cause():
    from similitude.fitting._solve import Convergence

    lost = str(Convergence(False, 5, 0, 0.0, 10, finite=False))
    assert "objective is not finite" in lost
    assert "decrease" not in lost
    assert "promises a relative decrease of 1.0e-03" in str(Convergence(False, 5, 0, 1e-3, 10))


def test_a_law_without_a_value_at_the_runs_names_the_cause():
    x = np.geomspace(1, 30, 12)
    runs = sim.read_runs({"x": x, "y": 2 + x**-0.5}, loss="y", check=False)
    law = formula_law("sin(x)*E", ("x",))
    with pytest.raises(ConvergenceError, match="objective is not finite"):
        sim.fit(law, runs, inputs={"x": "x"})


def test_the_checklist_claims_no_check_that_was_not_made():
    from similitude.fitting._checklist import checklist

    fit = sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, noise=0.003, seed=1), intervals="delta")
    question = "How far was the law checked beyond its runs?"
    answers = [{q: a for _, q, a in checklist(fit, compared=c).rows}[question] for c in (False, True)]
    assert answers == ["not checked", "see the back-tests of the laws compared"]


def test_a_law_of_one_input_is_not_told_to_add_a_plan():
    from similitude.fitting._views import without_a_plan

    d = np.geomspace(1e8, 1e11, 8)
    curve = sim.fit(sim.laws.power, sim.read_runs({"D": d, "loss": 3 * (d / 1e8) ** -0.1}), intervals="delta")
    both = sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, noise=0.003, seed=1), intervals="delta")
    assert "plan" not in str(without_a_plan(curve))
    assert "power has no N and D" in " ".join(map(str, vars(without_a_plan(curve)).values()))
    assert "add a plan" in " ".join(map(str, vars(without_a_plan(both)).values()))
