"""Forecasts of runs under way: what happened is named, the interval holds and narrows, refusals say what is missing."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from similitude import laws
from similitude._errors import ArgumentError, DataError, QuestionError
from similitude._schedule import schedule
from similitude.planning import TrainingCurve, fit_curves, forecast_run
from similitude.planning._run_events import cleaned

TISSUE = laws.annealing.estimate(L0=2.6, A=0.43, alpha=0.5, C=0.4)
PLAN = schedule("cosine", 20_000, peak=3e-4, end=3e-5, warm_up=400)


def truth(plan, at):
    return np.asarray(TISSUE.value(**plan.areas(at)), float)


def running(share: float, noise: float, rng, plan=PLAN) -> TrainingCurve:
    at = np.arange(50, int(share * len(plan)) + 1, 50)
    return TrainingCurve(at, truth(plan, at) * np.exp(noise * rng.standard_normal(len(at))), plan, "run")


def smooth(n: int = 400, rng=None, noise: float = 0.002) -> tuple[np.ndarray, np.ndarray]:
    x = np.arange(1, n + 1) * 100.0
    y = 2.5 + 12 * x**-0.35
    return x, y * np.exp(noise * rng.standard_normal(n)) if rng is not None else y


def test_the_interval_narrows_and_holds_the_end(rng):
    end, widths = float(truth(PLAN, [len(PLAN)])[0]), []
    for share in (0.1, 0.25, 0.5, 0.75, 0.95):
        found = forecast_run(running(share, 0.003, rng))
        assert found.final.low < end < found.final.high
        widths.append(found.final.high - found.final.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.02 < widths[0]


def test_the_schedule_lowers_the_forecast_of_a_decay_to_come(rng):
    plan = schedule("wsd", 20_000, peak=3e-4, end=0.0, warm_up=400)
    seen = running(0.7, 0.002, rng, plan)
    end = float(truth(plan, [20_000])[0])
    known, unknown = forecast_run(seen), forecast_run(TrainingCurve(seen.steps, seen.loss), 20_000)
    assert known.final.value < unknown.final.value - 0.03
    assert abs(known.final.value - end) < abs(unknown.final.value - end)
    assert any("not known" in w for w in unknown.warnings)
    assert not any("not known" in w for w in known.warnings)


def test_a_reading_scatters_more_than_the_curve(rng):
    found = forecast_run(running(0.5, 0.02, rng))
    assert found.reading.high - found.reading.low > 1.5 * (found.final.high - found.final.low)
    assert found.scatter == pytest.approx(0.02, rel=0.3)


def test_coverage_on_simulated_runs():
    """Runs of a law that is none of the prior's shapes: 90 % intervals hold no fewer than 85 % of ends."""
    rng, held = np.random.default_rng(7), []
    for _ in range(60):
        law = laws.annealing.estimate(
            L0=rng.uniform(1.8, 3.2), A=rng.uniform(0.3, 0.8), alpha=rng.uniform(0.35, 0.6), C=rng.uniform(0.25, 0.6)
        )
        at = np.arange(50, int(rng.uniform(0.2, 0.8) * len(PLAN)), 50)
        loss = np.asarray(law.value(**PLAN.areas(at)), float) * np.exp(0.005 * rng.standard_normal(len(at)))
        found = forecast_run(TrainingCurve(at, loss, PLAN))
        held.append(found.final.low < float(law.value(**PLAN.areas([len(PLAN)]))[0]) < found.final.high)
    assert np.mean(held) >= 0.85


def test_earlier_runs_narrow_the_forecast(rng):
    whole = np.arange(50, len(PLAN) + 1, 50)
    earlier = [TrainingCurve(whole, f * truth(PLAN, whole), PLAN, f"run {f}") for f in (1.1, 1.2)]
    seen = running(0.4, 0.002, rng)
    alone, learnt = forecast_run(seen), forecast_run(seen, references=earlier)
    end = float(truth(PLAN, [len(PLAN)])[0])
    assert learnt.final.low < end < learnt.final.high
    assert learnt.final.high - learnt.final.low < alone.final.high - alone.final.low
    assert "2 earlier runs" in learnt.basis


def test_a_law_of_earlier_curves_knows_a_schedule_that_was_never_run(rng):
    whole = np.arange(450, len(PLAN) + 1, 50)
    law = fit_curves(TrainingCurve(whole, 1.1 * truth(PLAN, whole), PLAN, "earlier"))
    plan = schedule("wsd", 20_000, peak=3e-4, end=3e-5, warm_up=400)
    found = forecast_run(running(0.6, 0.002, rng, plan), law=law)
    assert found.final.low < float(truth(plan, [20_000])[0]) < found.final.high


def test_spikes_are_named_and_left_out(rng):
    x, y = smooth(400, rng)
    spiked = y.copy()
    spiked[150:153] *= (1.2, 1.5, 1.1)
    found, without = (forecast_run(TrainingCurve(x, v), 80_000) for v in (spiked, y))
    (event,) = found.events
    assert event.kind == "spike"
    assert event.recovered
    assert event.step == 15_100
    assert event.readings == 3
    assert event.height == pytest.approx(0.5, abs=0.02)
    assert found.final.value == pytest.approx(without.final.value, rel=2e-3)


def test_a_spike_at_the_end_has_not_recovered(rng):
    x, y = smooth(400, rng)
    y[-1] *= 1.4
    found = forecast_run(TrainingCurve(x, y), 80_000)
    assert [(e.kind, e.recovered) for e in found.events] == [("spike", False)]


def test_divergence_is_named_and_warned_of(rng):
    x, y = smooth(400, rng)
    y[-40:] *= np.exp(np.linspace(0, 0.6, 40))
    found = forecast_run(TrainingCurve(x, y), 80_000)
    assert found.diverging
    assert any("diverging" in w for w in found.warnings)
    assert "diverging now" in str(found)


def test_smooth_and_noisy_runs_have_no_events():
    for seed in range(20):
        for noise in (0.0005, 0.005, 0.05):
            x, y = smooth(500, np.random.default_rng(seed), noise)
            assert cleaned(x, y).events == ()


def test_a_jump_of_level_is_named_and_what_lies_before_is_left_out(rng):
    x, y = smooth(400, rng, 0.001)
    y[250:] *= 0.95
    found = forecast_run(TrainingCurve(x, y), 80_000)
    (event,) = found.events
    assert event.kind == "jump"
    assert event.step == 25_100
    assert event.height == pytest.approx(-0.05, abs=0.004)
    assert found.final.value < 0.96 * float(2.5 + 12 * 40_000**-0.35)


def test_readings_that_are_not_numbers_stay_missing(rng):
    x, y = smooth(400, rng)
    y[[100, 101, 200]] = np.nan, np.inf, np.nan
    found = forecast_run(TrainingCurve(x, y), 80_000)
    assert [(e.kind, e.readings) for e in found.events] == [("not finite", 2), ("not finite", 1)]
    assert len(found.seen.steps) + int((x < found.seen.steps[0]).sum()) == 397


def test_a_resumed_run_is_read_from_where_it_resumed(rng):
    x, y = smooth(300, rng)
    steps = np.concatenate([x[:200], x[180:]])
    loss = np.concatenate([y[:180], 1.3 * y[180:200], y[180:]])
    found = cleaned(steps, loss)
    assert [e.kind for e in found.events] == ["resumed"]
    np.testing.assert_allclose(found.steps, x)
    np.testing.assert_allclose(np.exp(found.log_loss), y)


def test_gaps_in_the_clock_are_named(rng):
    x, y = smooth(400, rng)
    kept = (x < 10_000) | (x > 20_000)
    (event,) = cleaned(x[kept], y[kept]).events
    assert (event.kind, event.step, event.until) == ("gap", 9_900, 20_100)


def test_ten_thousand_readings_take_well_under_a_second(rng):
    x, y = smooth(10_000, rng, 0.03)
    forecast_run(TrainingCurve(x, y), 2e6)
    began = time.perf_counter()
    forecast_run(TrainingCurve(x, y), 2e6)
    assert time.perf_counter() - began < 0.7


def test_results_are_plain_values():
    x, y = smooth()
    found = forecast_run(TrainingCurve(x, y, name="mine"), 80_000, level=0.8)
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert again["final"]["low"] < again["final"]["value"] < again["final"]["high"]
    assert again["level"] == 0.8
    assert again["done"] == 0.5
    at = found.final_at(0.8)
    assert (at.low, at.high) == pytest.approx((found.final.low, found.final.high))


X, Y = smooth(50)
SHORT = schedule("wsd", 6000, peak=1.0)
REFERENCE = TrainingCurve(X[:30], Y[:30], schedule("constant", 5000, peak=1.0), "half")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: forecast_run(TrainingCurve(X, Y)), ArgumentError, "give `end`"),
        (lambda: forecast_run(TrainingCurve(X, Y), X[-1]), QuestionError, "nothing to forecast"),
        (lambda: forecast_run(TrainingCurve(X[:3], Y[:3]), 9000), QuestionError, "needs 5"),
        (lambda: forecast_run(TrainingCurve(X, Y - 10), 9000), DataError, "positive losses"),
        (lambda: forecast_run(TrainingCurve(X, Y), -1), ArgumentError, "last step"),
        (lambda: forecast_run(TrainingCurve(X, Y), 9000, level=1.5), ArgumentError, "level"),
        (lambda: forecast_run(TrainingCurve(X, Y, SHORT), 9000), ArgumentError, "before the run"),
        (lambda: forecast_run(TrainingCurve(X, Y, schedule("wsd", 600, peak=1.0))), DataError, "counted in steps"),
        (lambda: forecast_run(TrainingCurve(X, Y), 9000, references=[REFERENCE]), QuestionError, "runs that ended"),
        (lambda: forecast_run(TrainingCurve(X, np.full(50, np.nan)), 9000), QuestionError, "needs 5"),
    ],
)  # fmt: skip
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()
