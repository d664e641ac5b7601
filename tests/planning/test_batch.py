"""Noise scale, steps to a goal and the critical batch against closed forms, simulation and another library."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

import similitude as sim
from similitude._errors import ArgumentError, DataError, QuestionError
from similitude._view import Figure
from similitude.reports import draw_html
from similitude.runs import datasets


def norms(rng, batch, count, *, dimension=400, trace=500.0):
    """Squared norms of mean gradients of norm one with noise of a given trace."""
    gradient = np.ones(dimension) / np.sqrt(dimension)
    noise = rng.standard_normal((count, dimension)) * np.sqrt(trace / dimension / batch)
    return np.sum((gradient + noise) ** 2, axis=1)


def test_the_noise_scale_is_the_trace_over_the_squared_gradient():
    rng = np.random.default_rng(0)
    found = sim.noise_scale(norms(rng, 32, 4000), norms(rng, 512, 4000), batch_small=32, batch_big=512)
    assert found.value.value == pytest.approx(500, rel=0.05)
    assert found.gradient.value == pytest.approx(1, rel=0.05)
    assert found.noise.value == pytest.approx(500, rel=0.02)


def test_its_interval_covers():
    rng, held = np.random.default_rng(7), 0
    for _ in range(200):
        made = sim.noise_scale(norms(rng, 32, 100), norms(rng, 512, 100), batch_small=32, batch_big=512)
        held += made.value.low <= 500 <= made.value.high
    assert 0.84 <= held / 200 <= 0.96  # nominal 0.9, and three standard errors of 200


def wandering(rng, count, memory, spread):
    """Squared gradient norms (count,) that wander, their logarithm an autoregression of a spread."""
    z = np.empty(count)
    z[0] = rng.standard_normal()
    for i in range(1, count):
        z[i] = memory * z[i - 1] + np.sqrt(1 - memory**2) * rng.standard_normal()
    return np.exp(spread * z)


def scale_of(rng, squares, trace=500.0, dimension=100):
    """The noise scale measured along squared gradients at batches 32 and 512."""
    measured = []
    for batch in (32, 512):
        gradient = np.sqrt(squares[:, None] / dimension)
        noise = rng.standard_normal((len(squares), dimension)) * np.sqrt(trace / dimension / batch)
        measured.append(np.sum((gradient + noise) ** 2, axis=1))
    return sim.noise_scale(*measured, batch_small=32, batch_big=512)


@pytest.mark.slow
@pytest.mark.parametrize("count", [16, 50, 200, 1000])
@pytest.mark.parametrize(("memory", "spread"), [(0.0, 0.0), (0.8, 0.3), (0.95, 0.5)])
def test_the_interval_holds_the_scale_of_the_period_measured(count, memory, spread):
    """Exact where the gradient stays, wide where it wanders; three standard errors of 400 are 0.045."""
    rng, held = np.random.default_rng(5), 0
    for _ in range(400):
        squares = wandering(rng, count, memory, spread)
        found = scale_of(rng, squares).value
        held += (found.low or 0) <= 500 / squares.mean() <= (found.high or np.inf)
    assert held / 400 > 0.855
    if spread == 0:
        assert held / 400 < 0.945


@pytest.mark.slow
def test_the_interval_holds_the_long_run_scale_where_the_period_is_long():
    """A memory of nine measurements, a hundred times shorter than the period; 0.85 at least is what it reaches."""
    rng, held = np.random.default_rng(6), 0
    for _ in range(400):
        found = scale_of(rng, wandering(rng, 1000, 0.8, 0.3)).value
        held += found.low <= 500 / np.exp(0.3**2 / 2) <= found.high
    assert held / 400 > 0.83


def test_smoothed_norms_are_told():
    rng = np.random.default_rng(0)
    small, big = norms(rng, 32, 200), norms(rng, 512, 200)
    smooth = [np.convolve(v, np.ones(40) / 40, "valid") for v in (small, big)]
    assert any("smoothed" in w for w in sim.noise_scale(*smooth, batch_small=32, batch_big=512).warnings)
    assert not sim.noise_scale(small, big, batch_small=32, batch_big=512).warnings


def test_windows_stand_where_they_were_measured():
    rng = np.random.default_rng(0)
    at = np.arange(200) * 50
    found = sim.noise_scale(norms(rng, 32, 200), norms(rng, 512, 200), batch_small=32, batch_big=512, windows=4, at=at)
    assert [s[0] for s in found.series] == [at[i : i + 50].mean() for i in range(0, 200, 50)]
    assert found.along == "step"
    with pytest.raises(ArgumentError, match="200 numbers"):
        sim.noise_scale(norms(rng, 32, 200), norms(rng, 512, 200), batch_small=32, batch_big=512, at=[1.0])


def test_noise_lost_in_the_gradient_is_none():
    # the same norms at both batches, but for rounding
    rng = np.random.default_rng(0)
    small = 1 + 1e-3 * rng.standard_normal(40)
    found = sim.noise_scale(small, 1 + 1e-3 * rng.standard_normal(40), batch_small=32, batch_big=512)
    assert found.value.value >= 0
    assert found.value.low == 0


def test_per_example_norms_are_a_batch_of_one():
    rng, held = np.random.default_rng(3), 0
    for _ in range(40):
        examples = np.array([norms(rng, 1, 16).mean() for _ in range(40)])
        found = sim.noise_scale(examples, norms(rng, 256, 40), batch_big=256)
        held += found.value.low < 500 < found.value.high
    assert held >= 30  # 36 nominal, less three standard errors


def test_a_gradient_lost_in_noise_has_no_upper_end():
    rng = np.random.default_rng(1)
    found = sim.noise_scale(norms(rng, 8, 20, trace=5e6), norms(rng, 16, 20, trace=5e6), batch_small=8, batch_big=16)
    assert found.value.high is None
    assert found.warnings


def test_a_scale_that_grows_is_shown_to_move():
    rng = np.random.default_rng(2)
    parts = [(norms(rng, 32, 200, trace=t), norms(rng, 512, 200, trace=t)) for t in (100.0, 1000.0)]
    small, big = (np.concatenate(p) for p in zip(*parts))
    found = sim.noise_scale(small, big, batch_small=32, batch_big=512, windows=2)
    assert found.series[0][1] == pytest.approx(100, rel=0.2)
    assert found.series[1][1] == pytest.approx(1000, rel=0.2)
    assert any("moves from" in w for w in found.warnings)
    assert "Gradient noise scale" in str(found)


@pytest.mark.parametrize(
    ("small", "big", "options", "error", "sentence"),
    [
        ([1.0] * 9, [1.0] * 9, {"batch_small": 8, "batch_big": 8}, ArgumentError, "larger than the first"),
        ([1.0] * 9, [1.0] * 8, {"batch_big": 8}, ArgumentError, "expected as many"),
        ([1.0] * 7, [1.0] * 7, {"batch_big": 8}, DataError, "at least 8"),
        ([1.0] * 8 + [-1.0], [1.0] * 9, {"batch_big": 8}, DataError, "measurement 9"),
        ([1.0] * 9, [1.0] * 9, {"batch_big": 8, "level": 2}, ArgumentError, "level"),
    ],
)
def test_what_is_no_noise_scale(small, big, options, error, sentence):
    with pytest.raises(error, match=sentence):
        sim.noise_scale(small, big, **options)


def table(rows=20_000, seed=0):
    rng = np.random.default_rng(seed)
    made = pl.DataFrame(
        {
            "workload": rng.integers(0, 3, rows),
            "batch": 2 ** rng.integers(4, 8, rows),
            "trial": rng.integers(0, 20, rows),
            "step": rng.integers(1, 1000, rows),
            "loss": rng.uniform(1, 4, rows),
        }
    )
    lost = rng.random(rows) < 0.01
    return made.with_columns(pl.when(pl.Series(lost)).then(float("nan")).otherwise(pl.col("loss")).alias("loss"))


def test_a_table_reduces_as_pandas_does(tmp_path):
    rows = table()
    rows[:10_000].write_parquet(tmp_path / "a.parquet")
    rows[10_000:].write_parquet(tmp_path / "b.parquet")
    whole = rows.to_pandas()
    folders = str(tmp_path.parent / f"{tmp_path.name}*" / "[ab].parquet")
    for source in (rows, rows.lazy(), tmp_path, str(tmp_path / "*.parquet"), folders):
        found = sim.steps_to_goal(source, [1.5, 1.01]).to_pandas()
        for goal in (1.5, 1.01):
            good = whole[whole["loss"] <= goal]
            least = good.groupby(["workload", "batch"])["step"].min()
            mine = found[found["goal"] == goal].set_index(["workload", "batch"])
            pd.testing.assert_series_equal(mine["steps"].dropna().astype("int64"), least, check_names=False)
            reached = good.groupby(["workload", "batch"])["trial"].nunique()
            assert (mine["reached"].loc[reached.index] == reached).all()
        trials = whole.groupby(["workload", "batch"])["trial"].nunique()
        assert (mine["trials"] == trials).all()
        first = whole[whole["loss"] <= 1.5].sort_values(["workload", "batch", "step", "trial"])
        first = first.groupby(["workload", "batch"])["trial"].first()
        mine = found[found["goal"] == 1.5].set_index(["workload", "batch"])
        assert (mine["trial"].loc[first.index] == first).all()
        last = whole[whole["loss"].notna()].groupby(["workload", "batch"])["step"].max()
        assert (mine["last"].loc[last.index] == last).all()
        lost = whole[whole["loss"].isna()].groupby(["workload", "batch"])["trial"].nunique()
        assert (mine["diverged"].loc[lost.index] == lost).all()


def test_a_goal_nobody_reaches_stays_missing():
    found = sim.steps_to_goal(table(), 0.5)
    assert found["steps"].null_count() == len(found)
    assert found["reached"].sum() == 0
    rising = sim.steps_to_goal(table(), 3.9, rises=True)
    assert rising["best"].max() <= 4


def test_a_goal_in_single_precision_is_reached():
    # 3.2 as a float32 is 3.2000000477 as a float64
    rows = pl.DataFrame({"batch": 1, "trial": 1, "step": [1, 2], "loss": pl.Series([3.3, 3.2], dtype=pl.Float32)})
    assert sim.steps_to_goal(rows, 3.2, by="batch")["steps"].to_list() == [2]


def test_a_missing_value_is_no_divergence():
    # logs hold the evaluation on some rows only; NaN, infinity and words are divergences
    rows = pl.DataFrame({"batch": [1, 1, 2, 3], "lr": 0.1, "seed": [0, 0, 0, 0], "step": [1, 2, 1, 1],
                         "loss": [None, 3.0, float("nan"), float("inf")]})  # fmt: skip
    found = sim.steps_to_goal(rows, 3.2, by="batch", trial=("lr", "seed"))
    assert found["diverged"].to_list() == [0, 1, 1]
    assert found["lr"].to_list() == [0.1, None, None]
    words = rows.with_columns(pl.Series("loss", [None, "3.0", "NaN", "diverged"]))
    assert sim.steps_to_goal(words, 3.2, by="batch", trial=("lr", "seed"))["diverged"].to_list() == [0, 1, 1]


@pytest.mark.parametrize(
    ("source", "options", "error", "sentence"),
    [
        (table(), {"metric": "los"}, ArgumentError, "did you mean 'loss'"),
        ("nowhere.parquet", {}, DataError, "no such file"),
        ("nowhere/*.parquet", {}, DataError, "cannot be read"),
        (3, {}, ArgumentError, "not a int"),
        (table(), {"trial": "batch"}, ArgumentError, "asked for twice"),
        (table().rename({"trial": "last"}), {"trial": "last"}, ArgumentError, "is made here"),
    ],
)
def test_what_is_no_table_of_measurements(source, options, error, sentence):
    with pytest.raises(error, match=sentence):
        sim.steps_to_goal(source, 2.0, **options)


BATCHES = 2.0 ** np.arange(5, 15)


def made(k=1.0, noise=0.0, batches=BATCHES, seed=0, critical=1000.0):
    rng = np.random.default_rng(seed)
    steps = 500 * (1 + (critical / batches) ** k) ** (1 / k) * np.exp(noise * rng.standard_normal(len(batches)))
    return {"B": batches, "steps": steps}


def test_steps_and_examples_are_both_twice_their_least_at_the_critical_batch():
    found = sim.critical_batch(made(noise=0.02))
    curve = found.curves[0]
    assert not curve.bent
    assert curve.critical.low < 1000 < curve.critical.high
    assert curve.perfect.value == pytest.approx(curve.critical.value / 9)
    assert curve.wasted.value == pytest.approx(curve.critical.value * 9)
    twice = found.adjusted(curve.critical.value, 2 * curve.steps_min.value)
    assert twice["steps"] == pytest.approx(curve.steps_min.value)
    assert twice["examples"] == pytest.approx(curve.examples_min.value)
    at = min(found.choices, key=lambda c: abs(c.batch - curve.critical.value))
    assert (at.steps_over - 1) * (at.examples_over - 1) == pytest.approx(1)


def test_published_steps_give_the_published_law(data_home):
    # Zhang et al. 2024, the notebook's cell 5: steps = a + b / B
    runs = datasets.load("critical-batch-size")
    found = sim.critical_batch(runs, by="model", steps="steps_to_target", bend=1)
    printed = {"85M": (1293.83, 2834258), "151M": (1752.42, 5677479), "302M": (2095.35, 11383270),
               "604M": (2459.93, 19449689), "1.2B": (3897.31, 43381130)}  # fmt: skip
    assert [c.name for c in found.curves] == list(printed)
    for curve in found.curves:
        least, examples = printed[curve.name]
        assert curve.steps_min.value == pytest.approx(least, rel=1e-4)
        assert curve.examples_min.value == pytest.approx(examples, rel=1e-4)


def test_a_sharp_bend_is_found_and_moves_the_regions():
    curve = sim.critical_batch(made(k=2.0, noise=0.03)).curves[0]
    assert curve.bent
    assert curve.bend.low < 2 < curve.bend.high
    for found, true in ((curve.critical, 1000), (curve.perfect, 1000 / 3), (curve.wasted, 3000)):
        assert found.low < true < found.high
    # the slope of the closed form, -d log S / d log B, at the ends of the regions
    for batch, share in ((curve.perfect.value, 0.9), (curve.wasted.value, 0.1)):
        ends = np.log(curve.steps_at(batch * np.array([0.9999, 1.0001])))
        assert -np.diff(ends)[0] / np.log(1.0001 / 0.9999) == pytest.approx(share, rel=1e-4)


def test_local_slopes_agree_with_the_law_and_bracket_the_regions():
    curve = sim.critical_batch(made()).curves[0]
    for slope in curve.slopes:
        exact = -np.log(np.divide(*(1 + 1000 / np.array([slope.high, slope.low])))) / np.log(2)
        assert slope.measured.value == pytest.approx(exact)
        assert slope.law == pytest.approx(exact, rel=1e-4)
    assert curve.perfect_seen[0] < 1000 / 9 < curve.perfect_seen[1]
    assert curve.wasted_seen[0] < 9000 < curve.wasted_seen[1]


def test_a_batch_that_stalls_is_told():
    table = made(noise=0.005)
    table["steps"][3] *= 1.5
    found = sim.critical_batch(table)
    ((batch, over),) = found.curves[0].odd
    assert batch == 256
    assert over == pytest.approx(1.5, rel=0.05)
    assert any("was the learning rate tuned" in w for w in found.warnings)
    # a hundredth of clean curves are called odd
    assert sum(bool(sim.critical_batch(made(noise=0.05, seed=s), bend=1).curves[0].odd) for s in range(60)) < 5


def test_a_goal_that_was_not_reached_bounds_the_law():
    # from 2,048 on the runs stop a step short: without the bound steps could go on falling there
    table = made(noise=0.02)
    blind = np.where(table["B"] < 2048, table["steps"], np.nan)
    tried = np.where(table["B"] < 2048, np.nan, 500.0)
    without = sim.critical_batch({"B": table["B"], "steps": blind})
    bound = sim.critical_batch({"B": table["B"], "steps": blind, "last": tried})
    assert without.curves[0].lost == 4
    assert any("are left out" in w for w in without.warnings)
    assert bound.curves[0].lost == 0
    assert [b for b, _ in bound.curves[0].unreached] == [2048, 4096, 8192, 16384]
    assert bound.curves[0].steps_at(16384) >= 495
    # contradicted by what the others say, a bound pulls the law up
    high = sim.critical_batch({"B": table["B"], "steps": blind, "tried": tried * 1.4}, tried="tried")
    assert high.curves[0].steps_min.value > without.curves[0].steps_min.value * 1.05


def test_steps_of_measurements_carry_what_was_tried():
    rng = np.random.default_rng(0)
    rows = []
    for batch in BATCHES:
        step = np.arange(10, 40_000 if batch < 4096 else 500, 10)
        loss = 1.5 + 500 * (1 + 1000 / batch) / step * np.exp(0.01 * rng.standard_normal())
        rows.append(pl.DataFrame({"batch": batch, "trial": 0, "step": step, "loss": loss}))
    reduced = sim.steps_to_goal(pl.concat(rows), 2.0, by="batch")
    found = sim.critical_batch(reduced, batch="batch", goal="goal")
    assert len(found.curves[0].unreached) == 3
    assert found.curves[0].critical.value == pytest.approx(1000, rel=0.1)


TOKENS = 2.0 ** np.arange(14, 24)


def goals(rng=None, shared=0.0, own=0.0, batches=TOKENS, losses=(4.0, 3.5, 3.0, 2.5)):
    """Steps to losses with Kaplan's critical batch, B_crit = 2e8 / L^(1 / 0.21), errors shared by a run and not."""
    rng = rng or np.random.default_rng(0)
    run, rows = shared * rng.standard_normal(len(batches)), []
    for loss in losses:
        noise = np.exp(run + own * rng.standard_normal(len(batches)))
        steps = 1000 * (loss - 1.7) ** -1.5 * (1 + 2e8 / loss ** (1 / 0.21) / batches) * noise
        rows += list(zip(batches, [loss] * len(batches), steps))
    return dict(zip(("B", "goal", "steps"), map(list, zip(*rows))))


def test_the_critical_batch_grows_as_the_loss_falls():
    found = sim.critical_batch(goals(), goal="goal")
    assert len(found.curves) == 4
    (growth,) = found.growth
    assert growth.alpha_B.value == pytest.approx(0.21, rel=1e-4)
    assert growth.B_star.value == pytest.approx(2e8, rel=1e-3)
    # LAWS: 1.069e6 tokens at 3.0, 2.547e6 at 2.5
    assert growth.at(3.0).value == pytest.approx(1.069e6, rel=1e-3)
    assert growth.at(2.5).value == pytest.approx(2.547e6, rel=1e-3)
    noisy = sim.critical_batch(goals(shared=0.03, own=0.01), goal="goal", bend=1).growth[0]
    assert noisy.alpha_B.low < 0.21 < noisy.alpha_B.high
    with pytest.raises(ArgumentError, match="positive"):
        growth.at(0)


def test_scores_do_not_follow_the_law_of_losses():
    table = goals()
    table["goal"] = [1 / g for g in table["goal"]]
    assert sim.critical_batch(table, goal="goal").growth == ()
    two = goals(losses=(4.0, 3.0))
    assert sim.critical_batch(two, goal="goal").growth == ()


def test_each_workload_has_its_growth():
    tables = [goals(), goals(batches=2.0 ** np.arange(15, 22))]
    both = {k: [*tables[0][k], *tables[1][k]] for k in tables[0]}
    both["model"] = ["a"] * len(tables[0]["B"]) + ["b"] * len(tables[1]["B"])
    found = sim.critical_batch(both, goal="goal", by="model")
    assert [g.name for g in found.growth] == ["a", "b"]
    assert len(found.curves) == 8


def test_time_and_money_are_weighed():
    found = sim.critical_batch(made(critical=400.0), seconds=1.0, accelerators=8, price=2.0)
    first, second = found.choices[:2]
    assert first.hours == pytest.approx(500 * (1 + 400 / 32) / 3600)
    assert first.dollars == pytest.approx(first.hours * 8 * 2)
    assert second.accelerators == 16
    assert second.hours < first.hours
    assert second.dollars > first.dollars
    assert found.decision.front == found.choices
    assert found.choices[-1].beyond == (found.choices[-1].batch > BATCHES[-1])
    document = json.loads(json.dumps(found.to_dict()))
    assert document["curves"][0]["critical"]["value"] == pytest.approx(400)
    # dollars go with examples, E = E_min (1 + B / B_crit): twice the least price is the critical batch
    least = 500 * 400 / 32 / 3600 * 8 * 2
    within = sim.critical_batch(made(critical=400.0), seconds=1.0, accelerators=8, price=2.0, dollars=2 * least)
    assert within.decision.chosen.batch == pytest.approx(400, rel=0.03)
    assert within.decision.chosen.dollars <= 2 * least
    # hours go with steps: twice the least hours is the critical batch, too, and the cheapest in time is there
    hours = 2 * 500 / 3600
    within = sim.critical_batch(made(critical=400.0), seconds=1.0, accelerators=8, price=2.0, days=hours / 24)
    assert within.decision.chosen.batch == pytest.approx(400, rel=0.03)
    assert within.decision.chosen.hours <= hours * (1 + 1e-9)


def test_measured_seconds_on_the_same_accelerators_have_a_best_batch():
    # t = t0 + c B and S = S_min (1 + B_crit / B): hours are least at sqrt(B_crit t0 / c)
    seconds = {float(b): 0.2 + 0.001 * b for b in np.geomspace(32, 8192, 60)}
    found = sim.critical_batch(made(noise=0.02), seconds=seconds, accelerators=8, bend=1)
    critical = found.curves[0].critical
    best = [np.sqrt(c * 0.2 / 0.001) for c in (critical.value, critical.low, critical.high)]
    told = found.decision.fastest
    assert [told.value, told.low, told.high] == pytest.approx(best, rel=0.03)
    assert found.decision.cheapest == told
    assert 0 <= found.decision.slower < 0.05
    assert all(32 <= c.batch <= 8192 for c in found.choices)
    assert min(found.choices, key=lambda c: c.hours) in found.decision.front
    assert found.choices[0].dollars is None
    for text in ("Which batch", "accelerator hours", "Beaten"):
        assert text in str(found)


def test_results_are_drawn():
    found = sim.critical_batch(goals(shared=0.03), goal="goal", seconds=1.0, price=2)
    drawn = {v.title for v in found.view().items if isinstance(v, Figure)}
    assert {"Steps against batch", "Local slopes", "Steps against examples", "Money against time"} <= drawn
    assert repr(found).startswith("CriticalBatch(to 4 ")
    table = made(noise=0.01) | {"last": np.full(len(BATCHES), 520.0)}
    table["steps"] = np.where(table["steps"] < 560, np.nan, table["steps"])
    assert "goal not reached" in draw_html(sim.critical_batch(table).view())


@pytest.mark.parametrize(
    ("columns", "options", "error", "sentence"),
    [
        ({"B": [1, 2], "steps": [2, 1]}, {}, DataError, "2 batches reach the goal"),
        ({"B": [1, 2, 4], "steps": ["4", "3", "x"]}, {}, DataError, "row 3: steps = 'x'"),
        ({"B": [1, 2, 4], "step": [4, 3, 2]}, {}, ArgumentError, "no column 'steps'; did you mean 'step'"),
        (3, {}, ArgumentError, "a frame or a mapping"),
        (made(), {"seconds": -1.0}, ArgumentError, "seconds = -1"),
        (made(), {"seconds": {64: 1.0}}, ArgumentError, "two batches or more"),
        (made(), {"seconds": {64: 1.0, 128: 2.0}, "accelerators": {256: 1, 512: 2}}, ArgumentError, "they share"),
        (made(), {"bend": 0.0}, ArgumentError, "bend = 0"),
        (made(), {"level": 1.0}, ArgumentError, "level"),
        (made(), {"days": 1.0}, ArgumentError, "need the seconds"),
        (made(), {"seconds": 1.0, "dollars": 1.0}, ArgumentError, "need a price"),
        (made(), {"seconds": 1.0, "price": 2.0, "dollars": 1e-3}, QuestionError, "the cheapest, 32, costs"),
        (made(), {"seconds": 1.0, "days": 1e-3}, QuestionError, "no batch reaches the goal within 0.001 days"),
    ],
)
def test_what_has_no_critical_batch(columns, options, error, sentence):
    with pytest.raises(error, match=sentence):
        sim.critical_batch(columns, **options)


def covered(trials, **options):
    """Share of simulated curves whose interval holds the truth, by quantity."""
    k = options.get("k", 1.0)
    true = {"critical": 1000, "perfect": 1000 * (1 / 9) ** (1 / k), "wasted": 1000 * 9 ** (1 / k), "steps_min": 500}
    held = dict.fromkeys(true, 0)
    for seed in range(trials):
        curve = sim.critical_batch(made(seed=seed, **options)).curves[0]
        for name, value in true.items():
            i = getattr(curve, name)
            held[name] += (i.low is None or i.low <= value) and (i.high is None or value <= i.high)
    return {name: count / trials for name, count in held.items()}


def test_intervals_cover_a_bent_curve():
    # nominal 0.9; three standard errors of 60 are 0.12
    assert min(covered(60, k=2.0, noise=0.05, batches=2.0 ** np.arange(6, 13)).values()) > 0.78


@pytest.mark.slow
@pytest.mark.parametrize("k", [0.7, 1.0, 2.0])
@pytest.mark.parametrize("batches", [7, 10])
def test_intervals_cover(k, batches):
    """Curves of any bend, whichever law was taken: 0.9 nominal, three standard errors of 400 are 0.045."""
    found = covered(400, k=k, noise=0.05, batches=BATCHES if batches == 10 else 2.0 ** np.arange(6, 13))
    assert min(found.values()) > 0.84
    assert max(found.values()) < 0.97


@pytest.mark.slow
@pytest.mark.parametrize(("shared", "own"), [(0.03, 0.01), (0.0, 0.05), (0.1, 0.03)])
def test_growth_covers_whether_errors_are_shared_by_goals_or_not(shared, own):
    rng, trials = np.random.default_rng(11), 300
    held = {"alpha_B": 0, "at": 0}
    for _ in range(trials):
        table = goals(rng, shared, own, 2.0 ** np.arange(15, 23))
        growth = sim.critical_batch(table, goal="goal", bend=1).growth[0]
        for name, i, true in (("alpha_B", growth.alpha_B, 0.21), ("at", growth.at(2.25), 2e8 / 2.25 ** (1 / 0.21))):
            held[name] += (i.low is None or i.low <= true) and (i.high is None or true <= i.high)
    assert all(0.84 < count / trials < 0.985 for count in held.values())
