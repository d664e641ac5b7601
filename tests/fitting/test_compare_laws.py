"""Which law describes runs best: the one they were made from, by its forecast of what was held out."""

from __future__ import annotations

import json

import numpy as np
import pytest

import similitude as sim
from similitude._errors import ArgumentError, QuestionError
from similitude.fitting._compare import akaike

TRUTH = sim.laws.chinchilla.published["besiroglu2024"]
FAMILY = [sim.laws.chinchilla, sim.laws.chinchilla_tied, sim.laws.kaplan]


def test_the_family_runs_were_made_from_forecasts_best():
    uneven = sim.laws.chinchilla.estimate(E=1.8, A=60.0, alpha=0.25, B=60000.0, beta=0.55)
    for estimate, winner in ((uneven, "chinchilla"), (sim.laws.kaplan.published["kaplan2020"], "kaplan")):
        runs = sim.simulate(estimate, noise=0.001, seed=3)
        table = sim.compare_laws(FAMILY, runs, intervals="delta")
        assert table.best.law == winner
        assert table.best.aicc == min(s.aicc for s in table.scores)
        assert [s.held_out for s in table.scores] == sorted(s.held_out for s in table.scores)


def test_the_hold_out_is_the_largest_by_compute():
    rng = np.random.default_rng(0)
    n = np.exp(rng.uniform(np.log(2e7), np.log(1e9), 20))
    runs = sim.simulate(TRUTH, points={"N": n, "D": n * np.exp(rng.uniform(1.5, 4.5, 20))}, noise=0.002, seed=1)
    table = sim.compare_laws([sim.laws.chinchilla], runs, hold_out=0.25, intervals="delta")
    c = np.sort(6 * runs.column("N") * runs.column("D"))
    assert (table.train, table.held) == (15, 5)
    assert table.reach == pytest.approx(c[-1] / c[14])
    below = 6 * runs.column("N") * runs.column("D") <= c[14] * (1 + 1e-9)
    small = sim.fit(sim.laws.chinchilla, runs.where(below), intervals="delta")
    held = runs.where(~below)
    r = np.log(small.value(N=held.column("N"), D=held.column("D")) / held.column("loss"))
    assert table.best.held_out == pytest.approx(np.sqrt(np.mean(r**2)), rel=1e-6)
    assert table.best.bias == pytest.approx(np.mean(r), rel=1e-5)


def test_back_tests_cut_where_they_say():
    runs = sim.simulate(TRUTH, noise=0.002, seed=1)
    table = sim.compare_laws(FAMILY, runs, intervals="delta")
    assert len(table.cuts) >= 3
    for flop, below, above, reach in table.cuts:
        c = 6 * runs.column("N") * runs.column("D")
        assert below == np.sum(c < flop * (1 - 1e-9))
        assert below + above == 20
        assert reach > 1
    for score in table.scores:
        assert len(score.back_tests) == len(table.cuts)
        assert score.median_back_test == pytest.approx(np.nanmedian(score.back_tests))
    printed = str(table)
    assert "Back-tests" in printed
    json.dumps(table.to_dict(), allow_nan=False)


def test_aicc_of_least_squares_is_the_closed_form_of_a_line():
    rng = np.random.default_rng(0)
    x = np.geomspace(1, 1e3, 15)
    y = 2 * x**-0.3 * np.exp(rng.normal(0, 0.05, 15))
    fit = sim.fit(
        sim.laws.power, sim.read_runs({"D": x, "loss": y}, check=False), objective="squares_log", intervals="delta"
    )
    slope, intercept = np.polyfit(np.log(x), np.log(y), 1)
    rss = np.sum((intercept + slope * np.log(x) - np.log(y)) ** 2)
    k = 3  # slope, intercept and variance
    expected = 15 * (np.log(2 * np.pi * rss / 15) + 1) + 2 * k + 2 * k * (k + 1) / (15 - k - 1)
    assert akaike(fit) == pytest.approx(expected, rel=1e-9)


def test_aicc_of_huber_is_near_that_of_the_normal_under_normal_noise():
    rng = np.random.default_rng(0)
    x = np.geomspace(1, 1e3, 400)
    runs = sim.read_runs({"D": x, "loss": 2 * x**-0.3 * np.exp(rng.normal(0, 0.05, 400))}, check=False)
    one = akaike(sim.fit(sim.laws.power, runs, objective="squares_log", intervals="delta"))
    other = akaike(sim.fit(sim.laws.power, runs, intervals="delta"))
    assert other == pytest.approx(one, abs=0.06 * 400)
    assert other > one


def test_a_law_that_cannot_be_fitted_ranks_last_and_says_why():
    runs = sim.simulate(TRUTH, noise=0.002, seed=1).where(np.arange(20) % 3 == 0)
    table = sim.compare_laws([sim.laws.chinchilla, sim.laws.chinchilla_tied], runs, hold_out=0.3, intervals="delta")
    assert table.scores[-1].law == "chinchilla"
    assert "cannot determine 5 free parameters" in table.scores[-1].note
    assert table.to_dict()["laws"][-1]["held_out_error"] is None


def test_runs_without_compute_are_not_the_largest():
    """A missing value sorts last: such runs used to be what was held out."""
    runs = sim.simulate(TRUTH, noise=0.002, seed=1)
    n, d, y = (list(runs.column(k)) for k in ("N", "D", "loss"))
    table = sim.read_runs({"N": [*n, None, 1e8], "D": [*d, 1e10, None], "loss": [*y, 3.0, 3.1]}, check=False)
    one = sim.compare_laws([sim.laws.chinchilla], table, intervals="delta")
    other = sim.compare_laws([sim.laws.chinchilla], runs, intervals="delta")
    assert one.best.held_out == pytest.approx(other.best.held_out, rel=1e-9)
    assert (one.train, one.held) == (other.train, other.held)


@pytest.mark.parametrize("share", ["most", "120%", 0.0, 1.5])
def test_a_share_that_makes_no_sense_is_refused(share):
    with pytest.raises(ArgumentError):
        sim.compare_laws([sim.laws.chinchilla], sim.simulate(TRUTH), hold_out=share)


def test_no_law_and_no_runs_are_refused():
    with pytest.raises(ArgumentError, match="at least one law"):
        sim.compare_laws([], sim.simulate(TRUTH))
    with pytest.raises(QuestionError, match="too few"):
        sim.compare_laws([sim.laws.chinchilla], sim.simulate(TRUTH).where(np.arange(20) < 4), hold_out=0.5)


def test_checkpoints_of_a_run_stay_on_one_side():
    runs = sim.simulate(TRUTH, design="curves", noise=0.002, offset=0.005, seed=3)
    table = sim.compare_laws([sim.laws.chinchilla], runs, hold_out=0.25, intervals="delta")
    names = runs.labels("run")
    assert table.train + table.held == len(np.unique(names)) == 12
    assert table.held == 3
    last = {k: np.max((runs.column("N") * runs.column("D"))[names == k]) for k in np.unique(names)}
    held = sorted(last, key=last.get)[-3:]
    assert table.rows == (np.sum(~np.isin(names, held)), np.sum(np.isin(names, held)))
    assert table.best.judged == table.rows[1]
    small = sim.fit(sim.laws.chinchilla, runs.where(~np.isin(names, held)), intervals="delta")
    rest = runs.where(np.isin(names, held))
    r = np.log(small.value(N=rest.column("N"), D=rest.column("D")) / rest.column("loss"))
    assert table.best.held_out == pytest.approx(np.sqrt(np.mean(r**2)), rel=1e-6)
    assert all(below + above == 12 for _, below, above, _ in table.cuts)
    assert "Whole runs were held out" in table.view()[0].note
    assert f"{len(runs)} rows of 12 runs" in str(sim.fit(sim.laws.chinchilla, runs, intervals="delta"))


def test_runs_inside_their_interval_are_counted():
    table = sim.compare_laws([sim.laws.chinchilla], sim.simulate(TRUTH, noise=0.002, seed=1), intervals="delta")
    score = table.best
    assert score.judged == table.held == 4
    assert f"{round(score.inside * 4)} of 4" in str(table)
    assert "Whole runs" not in str(table)


def test_why_a_law_was_not_judged_stands_below_the_table():
    runs = sim.simulate(TRUTH, noise=0.002, seed=1).where(np.arange(20) % 3 == 0)
    table = sim.compare_laws([sim.laws.chinchilla, sim.laws.kaplan], runs, intervals="delta")
    assert table.scores[-1].law == "chinchilla"
    assert not np.isfinite(table.scores[-1].held_out)
    main, _ = table.view()
    assert "note" not in [getattr(c, "name", c) for c in main.columns]
    assert "chinchilla: not fitted below the hold-out" in main.note


def test_where_no_law_can_be_judged_there_is_no_comparison():
    runs = sim.simulate(TRUTH, noise=0.002, seed=1).where(np.arange(20) % 3 == 0)
    with pytest.raises(QuestionError, match="none of these laws could be judged: chinchilla: not fitted below"):
        sim.compare_laws([sim.laws.chinchilla], runs, intervals="delta")


def test_a_report_points_to_back_tests_only_where_it_has_some():
    runs = sim.simulate(TRUTH, noise=0.002, seed=1)
    fit = sim.fit(sim.laws.chinchilla, runs, intervals="delta")
    table = sim.compare_laws([sim.laws.chinchilla], runs, intervals="delta")
    with_tests, without = (json.dumps(sim.report(results).to_dict()) for results in ([fit, table], fit))
    assert "see the back-tests of the laws compared" in with_tests
    assert "back-tests" not in without


@pytest.mark.parametrize("seeds", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_the_number_of_breaks_is_chosen_by_what_is_held_out(seeds):
    """Too few breaks are found out at once; one too many costs little, so the fewest within reach of the best stand."""
    law = sim.laws.bnsl1
    counts = []
    for seed in range(seeds):
        truth = law.estimate(**law.example)
        runs = sim.simulate(truth, points={"x": np.geomspace(10, 1e6, 60)}, noise=0.01, seed=seed)
        scores = {s.law: s for s in sim.compare_laws([sim.laws.bnsl0, law, sim.laws.bnsl2], runs).scores}
        assert scores["bnsl0"].held_out > 5 * scores["bnsl1"].held_out
        assert scores["bnsl1"].held_out < 1.1 * scores["bnsl2"].held_out
        counts.append(min(scores.values(), key=lambda s: s.aicc).law)
    assert counts.count("bnsl1") >= 0.75 * seeds
