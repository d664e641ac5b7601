"""Noise scale, steps to a goal and the critical batch against closed forms, simulation and another library."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

import similitude as sim
from similitude._errors import ArgumentError, DataError


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


def test_per_example_norms_are_a_batch_of_one():
    rng = np.random.default_rng(3)
    examples = np.array([norms(rng, 1, 64).mean() for _ in range(300)])
    found = sim.noise_scale(examples, norms(rng, 256, 300), batch_big=256)
    assert found.value.low < 500 < found.value.high


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
    for source in (rows, rows.lazy(), tmp_path, str(tmp_path / "*.parquet")):
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
        lost = whole[whole["loss"].isna()].groupby(["workload", "batch"])["trial"].nunique()
        assert (mine["diverged"].loc[lost.index] == lost).all()


def test_a_goal_nobody_reaches_stays_missing():
    found = sim.steps_to_goal(table(), 0.5)
    assert found["steps"].null_count() == len(found)
    assert found["reached"].sum() == 0
    rising = sim.steps_to_goal(table(), 3.9, rises=True)
    assert rising["best"].max() <= 4


@pytest.mark.parametrize(
    ("source", "options", "error", "sentence"),
    [
        (table(), {"metric": "los"}, ArgumentError, "did you mean 'loss'"),
        ("nowhere.parquet", {}, DataError, "no such file"),
        (3, {}, ArgumentError, "not a int"),
    ],
)
def test_what_is_no_table_of_measurements(source, options, error, sentence):
    with pytest.raises(error, match=sentence):
        sim.steps_to_goal(source, 2.0, **options)


def test_steps_and_examples_are_both_twice_their_least_at_the_critical_batch():
    batch = np.array([32, 64, 128, 256, 512, 1024, 2048, 4096])
    rng = np.random.default_rng(0)
    steps = 1000 * (1 + 700 / batch) * np.exp(0.01 * rng.standard_normal(8))
    found = sim.critical_batch(sim.read_runs({"B": batch, "steps": steps}, loss="steps"))
    curve = found.curves[0]
    assert curve.critical.low < 700 < curve.critical.high
    assert curve.perfect.value == pytest.approx(curve.critical.value / 9)
    assert curve.wasted.value == pytest.approx(curve.critical.value * 9)
    twice = found.adjusted(curve.critical.value, 2 * curve.steps_min.value)
    assert twice["steps"] == pytest.approx(curve.steps_min.value)
    assert twice["examples"] == pytest.approx(curve.examples_min.value)
    at = min(found.choices, key=lambda c: abs(c.batch - curve.critical.value))
    assert (at.steps_over - 1) * (at.examples_over - 1) == pytest.approx(1)


def test_the_critical_batch_grows_as_the_loss_falls():
    # Kaplan et al. 2020: B_crit = 2e8 / L^(1 / 0.21)
    rows = [(b, loss, 1000 * (1 + 2e8 / loss ** (1 / 0.21) / b)) for loss in (4.0, 3.5, 3.0, 2.5)
            for b in 2.0 ** np.arange(14, 24)]  # fmt: skip
    batch, goal, steps = map(list, zip(*rows))
    runs = sim.read_runs({"B": batch, "goal": goal, "steps": steps}, loss="steps", check=False)
    found = sim.critical_batch(runs, goal="goal")
    assert len(found.curves) == 4
    assert found.growth["alpha_B"].value == pytest.approx(0.21, rel=1e-4)
    assert found.growth["B_star"].value == pytest.approx(2e8, rel=1e-3)


def test_time_and_money_are_weighed():
    batch = np.array([64, 128, 256, 512, 1024])
    runs = sim.read_runs({"B": batch, "steps": 1000 * (1 + 400 / batch)}, loss="steps")
    found = sim.critical_batch(runs, seconds=1.0, accelerators=8, price=2.0)
    first, second = found.choices[:2]
    assert first.hours == pytest.approx(1000 * (1 + 400 / 64) / 3600)
    assert first.dollars == pytest.approx(first.hours * 8 * 2)
    assert second.hours < first.hours
    assert second.dollars > first.dollars
    document = json.loads(json.dumps(found.to_dict()))
    assert document["curves"][0]["critical"]["value"] == pytest.approx(400)


def test_sharp_corners_are_told():
    batch = 2.0 ** np.arange(4, 15)
    steps = 5e4 * np.minimum(batch, 64) ** -1.0 * (np.clip(batch, 64, 2048) / 64) ** -0.5
    rng = np.random.default_rng(0)
    runs = sim.read_runs({"B": batch, "steps": steps * np.exp(0.005 * rng.standard_normal(11))}, loss="steps")
    found = sim.critical_batch(runs)
    assert "corners at" in found.curves[0].sharper
    assert any("corners" in w for w in found.warnings)


@pytest.mark.parametrize(
    ("columns", "options", "error", "sentence"),
    [
        ({"B": [1, 2], "steps": [2, 1]}, {}, DataError, "2 batches reach the goal"),
        ({"B": [1, 2, 4], "steps": [4, 3, 2]}, {"seconds": -1.0}, ArgumentError, "seconds"),
    ],
)
def test_what_has_no_critical_batch(columns, options, error, sentence):
    with pytest.raises(error, match=sentence):
        sim.critical_batch(sim.read_runs(columns, loss="steps", check=False), **options)
