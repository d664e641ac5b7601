"""Fits of training curves and choices of a schedule: recovery, refusals, and an independent optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from similitude import laws
from similitude._errors import ArgumentError, DataError, QuestionError
from similitude._schedule import Schedule, schedule
from similitude.planning import TrainingCurve, choose_schedule, cooldown_ladder, fit_curves, logged_schedule
from similitude.planning._curve_laws import FORMS, loss_and_slopes
from similitude.planning._monotone import best_monotone
from similitude.planning._schedule_choice import restarts

MULTI = laws.multi_power.published["luo2025-100M"].values
TISSUE = {"L0": 2.7889, "A": 0.5926, "alpha": 0.4550, "C": 0.4812}
RATES = {"peak": 3e-4, "end": 3e-5, "warm_up": 400}


def told(form: str, values, plan: Schedule, at) -> np.ndarray:
    return np.asarray(FORMS[form].value(FORMS[form].inputs(plan, at), values), float).ravel()


def curve(shape: str, steps: int = 8000, form: str = "multi_power", noise: float = 0.0, rng=None) -> TrainingCurve:
    plan = schedule(shape, steps, **RATES)
    at = np.arange(440, steps + 1, 40)
    loss = told(form, MULTI if form == "multi_power" else TISSUE, plan, at)
    if rng is not None:
        loss = loss * np.exp(noise * rng.standard_normal(len(at)))
    return TrainingCurve(at, loss, plan, shape)


def test_inputs_of_a_segment_sum_are_those_of_a_step_by_step_sum():
    plan = schedule("cosine", 3000, **RATES)
    at, v = np.array([500, 1700, 3000]), MULTI
    rate = plan.rates
    drop = -np.diff(rate, prepend=0.0)
    expected = []
    for t in at:
        area = np.cumsum(rate[:t][::-1])[::-1]  # of steps k to t
        gains = drop[:t] * (1 - (1 + v["C"] * rate[:t] ** -v["gamma"] * area) ** -v["beta"])
        expected.append(v["L0"] + v["A"] * rate[:t].sum() ** -v["alpha"] - v["B"] * gains.sum())
    # the law's own segments place changes of twenty steps together: the loss moves by a few ten-thousandths
    np.testing.assert_allclose(told("multi_power", v, plan, at), expected, atol=5e-4)


@pytest.mark.parametrize("form", FORMS)
def test_slopes_are_those_of_finite_differences(form):
    plan, at = schedule("wsd", 2000, **RATES), np.array([600, 1500, 2000])
    values = MULTI if form == "multi_power" else TISSUE
    u = np.log([values[k] for k in FORMS[form].params])
    inputs = FORMS[form].inputs(plan, at)
    _, slopes = loss_and_slopes(FORMS[form], inputs, u)
    for i in range(len(u)):
        step = np.zeros_like(u)
        step[i] = 1e-6
        up, down = (loss_and_slopes(FORMS[form], inputs, u + s)[0] for s in (step, -step))
        np.testing.assert_allclose(slopes[:, i], (up - down) / 2e-6, rtol=1e-5, atol=1e-9)


def test_other_schedules_follow_from_three_noisy_curves(rng):
    shown = [curve(s, noise=0.001, rng=rng) for s in ("cosine", "constant", "two_stage")]
    found = fit_curves(shown, "multi_power")
    for shape in ("linear", "wsd", "wsd_exponential"):
        plan = schedule(shape, 8000, **RATES)
        at = np.arange(1000, 8001, 100)
        truth = told("multi_power", MULTI, plan, at)
        said = found.predict(plan, at)
        assert np.abs(said.loss / truth - 1).max() < 0.004
        assert np.mean((said.low <= truth) & (truth <= said.high)) > 0.9
        assert (said.reading_high - said.reading_low > said.high - said.low).all()


def test_the_annealing_law_is_taken_where_it_is_the_truth():
    found = fit_curves([curve(s, form="annealing") for s in ("cosine", "constant", "two_stage")])
    assert found.law == "annealing"
    for name, value in TISSUE.items():
        assert found.values[name] == pytest.approx(value, rel=0.02)
    assert set(found.evidence) == {"annealing", "multi_power"}


def test_intervals_widen_where_the_two_laws_disagree():
    found = fit_curves(curve("cosine", form="annealing"))
    agreed = replace(found, rival=(found.law, found.values))
    plan, at = schedule("wsd", 8000, **RATES), [7000, 8000]
    assert found.rival[0] != found.law
    assert (found.predict(plan, at).high > agreed.predict(plan, at).high + 1e-4).any()


def test_the_optimised_schedule_beats_every_named_one_and_never_rises():
    best = best_monotone(MULTI, 20_000, **RATES)
    rates = best.rates[RATES["warm_up"] :]
    assert (np.diff(rates) <= 1e-15).all()
    assert RATES["end"] - 1e-12 <= rates.min()
    assert rates.max() <= RATES["peak"] + 1e-12
    ours = told("multi_power", MULTI, best, [20_000])[0]
    for shape in ("cosine", "linear", "wsd", "wsd_sqrt", "wsd_exponential"):
        for share in (0.1, 0.2, 0.4):
            named = schedule(shape, 20_000, cooldown=share, **RATES)
            assert ours < told("multi_power", MULTI, named, [20_000])[0]


def test_the_optimised_schedule_falls_by_no_jump():
    best = best_monotone(MULTI, 20_000, **RATES)
    rates = best.rates[RATES["warm_up"] - 1 :]
    assert (rates[1:] >= 0.5 * rates[:-1] * (1 - 1e-9)).all()
    later = rates[-(-len(rates) // 60) :]
    assert (later >= 0.25 * rates[: len(later)]).all()


def test_ranked_choice_and_what_it_warns_of():
    found = choose_schedule(fit_curves([curve("cosine"), curve("constant")]), 24_000, others=[
        Schedule(schedule("wsd", 24_000, **RATES).rates, 400, "mine")])  # fmt: skip
    final = [c.final.value for c in found.candidates]
    assert final == sorted(final)
    assert found.candidates[-1].name == "constant"
    assert {"mine", "optimised", "cosine, 2 cycles", "cooldown 20%"} <= {c.name for c in found.candidates}
    assert found.best.excess.value == 0
    assert all(c.excess.low <= c.excess.value <= c.excess.high for c in found.candidates)
    assert any("times the longest curve" in w for w in found.warnings)
    rises = next(c for c in found.candidates if c.name == "cosine, 2 cycles")
    assert any("rises again" in n for n in rises.notes)


def test_peaks_are_not_chosen_silently():
    found = choose_schedule(fit_curves(curve("cosine")), 8000, peaks=[3e-4, 6e-4])
    assert any("do not choose between peaks" in w for w in found.warnings)
    assert any("peak above" in n for c in found.candidates if c.name.endswith("0.0006") for n in c.notes)


def test_constant_curves_alone_are_said_to_show_no_decay():
    found = choose_schedule(fit_curves(curve("constant")), 8000)
    assert any("no curve has a decay" in w for w in found.warnings)


def test_restarts_come_back_to_the_peak():
    plan = restarts(1000, peak=1.0, end=0.1, warm_up=100, cycles=3)
    assert len(plan) == 1000
    assert plan.rates[99] == 1.0
    assert plan.rates[-1] == pytest.approx(0.1)
    assert ((np.diff(plan.rates) > 0.5).sum()) == 2


@pytest.mark.parametrize(
    ("budgets", "cooldown", "ratio"),
    [([10, 20, 30], 0.2, 0.60), ([1], 0.2, 1.0), ([1, 1], 1.0, 1.0), ([1, 2, 4, 8], 0.1, (8 + 0.7) / 15)],
)
def test_what_a_ladder_of_cooldowns_costs(budgets, cooldown, ratio):
    assert cooldown_ladder(budgets, cooldown=cooldown).ratio == pytest.approx(ratio, rel=1e-12)


def test_logged_rates_make_the_schedule_they_were_logged_from():
    plan = schedule("cosine", 2000, **RATES)
    at = np.arange(10, 2001, 10)
    again = logged_schedule(at, plan.rates[at - 1])
    assert again.warm_up == 400
    np.testing.assert_allclose(again.rates, plan.rates, atol=3e-7)


def test_logs_that_begin_after_the_warm_up_are_taken_to_have_had_one():
    plan = schedule("constant", 1000, peak=3e-4, warm_up=200)
    at = np.arange(200, 1001, 50)
    again = logged_schedule(at, plan.rates[at - 1])
    assert again.warm_up == 200
    np.testing.assert_allclose(again.rates, plan.rates, rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fit_curves([]), ArgumentError, "at least one"),
        (lambda: fit_curves(curve("cosine"), "chinchila"), ArgumentError, "no law of training curves"),  # pyright: ignore
        (lambda: fit_curves(TrainingCurve([1, 2], [3.0, 2.0])), QuestionError, "needs the learning rates"),
        (lambda: fit_curves(TrainingCurve([500, 600], [3, 2], schedule("wsd", 800, **RATES))),
         QuestionError, "needs 8"),
        (lambda: fit_curves(TrainingCurve(np.arange(500, 900), np.full(400, -1.0), schedule("wsd", 900, **RATES))),
         DataError, "positive losses"),
        (lambda: fit_curves(TrainingCurve(np.arange(500, 900), np.full(400, 1.0), schedule("wsd", 800, **RATES))),
         DataError, "schedule ends at 800"),
        (lambda: TrainingCurve([1, 2, 3], [3.0]), ArgumentError, "one length"),
        (lambda: TrainingCurve([1], [3.0], [0.1]), ArgumentError, "a schedule is made"),  # pyright: ignore
        (lambda: logged_schedule([1], [0.1]), DataError, "at least two"),
        (lambda: logged_schedule([2, 1], [0.1, 0.1]), DataError, "ascending"),
        (lambda: cooldown_ladder([1, -2]), ArgumentError, "positive numbers"),
        (lambda: cooldown_ladder([1, 2], cooldown=0), ArgumentError, "share of the run"),
        (lambda: restarts(10, peak=1, end=0, warm_up=8), ArgumentError, "do not fit"),
        (lambda: choose_schedule(fit_curves(curve("cosine")), 100), ArgumentError, "warm_up"),
        (lambda: choose_schedule(fit_curves(curve("cosine")), 900, others=[schedule("wsd", 800, **RATES)]),
         ArgumentError, "horizon is 900"),
    ],
)  # fmt: skip
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_results_are_plain_values_and_views():
    import json

    found = fit_curves(curve("cosine"))
    chosen = choose_schedule(found, 8000)
    for result in (found, chosen, found.predict(schedule("wsd", 8000, **RATES)), cooldown_ladder([1, 2])):
        json.dumps(result.to_dict(), allow_nan=False)
    assert "Schedules for 8000 steps" in str(chosen)
    assert "multi-power law" in str(found) or "annealing law" in str(found)
    assert len(chosen.view().items) >= 3
