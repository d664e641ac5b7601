"""Curves: smoothing, last values, a common grid and bits per byte, against pandas, NumPy and arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import similitude as sim
from similitude.runs import LoggedRun
from similitude.runs._logged import points_of

STEPS = np.arange(1, 41)
VALUES = 3 + np.sin(STEPS) + 10 / STEPS


def curve(values=VALUES, **more):
    return sim.Curve("loss", STEPS[: len(values)], values, **more)


@pytest.mark.parametrize("width", [1, 3, 7.5])
def test_the_exponential_mean_is_that_of_pandas(width):
    expected = pd.Series(VALUES).ewm(halflife=width, adjust=True).mean().to_numpy()
    assert curve().smooth("ema", width).value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("how", ["mean", "median"])
def test_rolling_means_and_medians_are_those_of_pandas(how):
    rolling = pd.Series(VALUES).rolling(5, min_periods=1)
    assert curve().smooth(how, 5).value == pytest.approx(getattr(rolling, how)().to_numpy(), rel=1e-12)


def test_missing_points_stay_missing_and_spoil_no_others():
    values = VALUES.copy()
    values[7] = math.nan
    for how in ("ema", "mean", "median"):
        found = curve(values).smooth(how, 4).value
        assert np.isnan(found).tolist() == np.isnan(values).tolist()
    expected = pd.Series(values).ewm(halflife=4, adjust=True, ignore_na=False).mean().to_numpy()
    assert curve(values).smooth("ema", 4).value[8:] == pytest.approx(expected[8:], rel=1e-12)


def test_the_mean_of_the_last_values_that_are_numbers():
    values = np.append(VALUES[:-1], math.nan)
    found = curve(values).last(5)
    assert found.value == pytest.approx([VALUES[-6:-1].mean()])
    assert found.step.tolist() == [39]
    assert found.history == ("left out 1 points that are no number", "mean of the last 5 points")
    with pytest.raises(sim.SimilitudeError, match="no value that is a number"):
        curve(np.full(3, math.nan)).last(2)


def test_a_common_grid_interpolates_and_does_not_reach_beyond():
    a = curve(tokens=STEPS * 1000.0)
    b = sim.Curve("loss", [0, 10], [4.0, 2.0], tokens=[0.0, 10_000.0])
    grid = np.array([0.0, 2500.0, 9000.0, 30_000.0, 41_000.0])
    found = sim.on_grid([a, b], grid)
    expected = np.interp(grid, STEPS * 1000.0, VALUES, left=np.nan, right=np.nan)
    assert found[0] == pytest.approx(expected, nan_ok=True)
    assert found[1] == pytest.approx([4.0, 3.5, 2.2, np.nan, np.nan], nan_ok=True)
    with pytest.raises(sim.SimilitudeError, match="tokens of 'loss' of the run are not known"):
        sim.on_grid([curve()], grid)


def test_bits_per_byte():
    # one nat a token is 1/ln 2 bits a token
    found = sim.Curve("loss", [1], [math.log(2) * 4]).to_bits_per_byte(4.0)
    assert found.value == pytest.approx([1.0])
    assert found.unit == "bits/byte"
    with pytest.raises(sim.SimilitudeError, match="is in bits/byte"):
        found.to_bits_per_byte(4.0)


def test_what_was_done_is_on_record_in_order():
    found = curve().smooth("mean", 3).last(2).to_bits_per_byte(4.2)
    assert found.history == (
        "mean of 3 points",
        "mean of the last 2 points",
        "bits a byte from nats a token, 4.2 bytes a token",
    )


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: curve().smooth("spline"), "expected one of: ema, mean, median"),
        (lambda: curve().smooth("ema", 0), "expected 1 or more points"),
        (lambda: curve().last(0), "expected 1 or more points"),
        (lambda: curve().at(3, by="time"), "expected step or tokens"),
        (lambda: curve().to_bits_per_byte(-1), "expected a positive number"),
        (lambda: sim.Curve("x", [1, 1], [1.0, 2.0]), "do not rise"),
        (lambda: sim.Curve("x", [1, 2, 3], [1.0, 2.0]), "step has 3 entries; expected 2"),
    ],
)
def test_refusals(call, says):
    with pytest.raises(sim.SimilitudeError, match=says):
        call()


def test_tokens_come_from_the_counter_of_the_run():
    points = [("loss", s, None, 5.0 - s) for s in (1, 2, 4)] + [("tokens_seen", s, None, 100.0 * s) for s in (2, 4)]
    run = LoggedRun("table", "k", "a", "x", points=points_of(points))
    assert sim.curve_of(run, "loss").tokens.tolist() == [100.0, 200.0, 400.0]
    bare = LoggedRun("table", "k", "a", "x", points=points_of(points[:3]))
    assert np.isnan(sim.curve_of(bare, "loss").tokens).all()
    assert sim.curve_of(bare, "loss", tokens_per_step=8).tokens.tolist() == [8.0, 16.0, 32.0]
    with pytest.raises(sim.SimilitudeError, match="has no metric 'los'; did you mean 'loss'"):
        sim.curve_of(run, "los")
