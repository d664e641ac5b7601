"""`fit("auto", runs)`: a curve carried on by averaging over shapes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

import similitude as sim
from similitude._errors import ArgumentError, DataError, QuestionError
from similitude.fitting import Forecast
from similitude.fitting._curve import CURVES, MOST, _mixture_quantile, _variance, _wandered, posterior
from similitude.fitting._quantiles import t_quantile

SIZES = np.geomspace(1e6, 1e8, 30)


def curve(noise: float = 0.003, seed: int = 0, sizes: np.ndarray = SIZES) -> sim.Runs:
    rng = np.random.default_rng(seed)
    loss = (0.2 + 0.7 * (sizes / 2e6 + 1) ** -0.6) * np.exp(noise * rng.standard_normal(len(sizes)))
    return sim.read_runs({"images": sizes, "error": loss}, loss="error")


def truth(x: float) -> float:
    return float(0.2 + 0.7 * (x / 2e6 + 1) ** -0.6)


def test_the_covariance_of_a_wander_is_that_of_its_simulation():
    k, h = 0.8, np.array([0.5, 1.5])
    rng = np.random.default_rng(1)
    steps, dt = 600, 1.5 / 600
    slope = rng.standard_normal(20_000) / np.sqrt(2 * k)
    level, seen = np.zeros(20_000), []
    for i in range(steps):
        level = level + slope * dt
        slope = slope * np.exp(-k * dt) + rng.standard_normal(20_000) * np.sqrt((1 - np.exp(-2 * k * dt)) / (2 * k))
        if i + 1 in (200, 600):
            seen.append(level.copy())
    np.testing.assert_allclose(_wandered(h, h, k), np.cov(seen), rtol=0.05)
    np.testing.assert_allclose(np.diag(_wandered(h, h, k)), _variance(h, k), rtol=1e-10)


def test_one_shape_is_generalised_least_squares():
    """Without doubt about the shape the mixture is the textbook's best linear unbiased predictor."""
    fixed = CURVES.__class__(decay_spread=0.0, floor_spread=1e-9, start_spread=1e-9, wander_spread=0.0)
    x, y = np.log(SIZES), np.log(curve().column("error"))
    found = posterior(x, y, fixed)
    h, new = x - x[-1], np.array([0.3, 0.6])
    share, decay, start = 1 / (1 + np.exp(-fixed.floor)), fixed.decay, np.exp(h[0])

    def shape(at):
        return np.log(share + (1 - share) * ((np.exp(at) + start) / (1 + start)) ** -decay)

    covariance = np.eye(len(x)) + fixed.wander**2 * _wandered(h - h[0], h - h[0], fixed.memory)
    inverse = np.linalg.inv(covariance)
    rest = y - shape(h)
    level = inverse.sum(axis=0) @ rest / inverse.sum()
    cross = fixed.wander**2 * _wandered(h - h[0], new - h[0], fixed.memory)
    expected = level + shape(new) + cross.T @ inverse @ (rest - level)
    np.testing.assert_allclose(found.mean(x[-1] + new), expected, rtol=1e-9)
    squares = (rest - level) @ inverse @ (rest - level) + fixed.scatter**2
    assert found.scatter2[0] == pytest.approx(squares / len(x), rel=1e-6)


def test_quantiles_of_a_mixture_agree_with_its_distribution_function():
    means, spread, weights = np.array([[0.0, 1.0, 3.0]]), np.array([[1.0, 0.5, 2.0]]), np.array([0.5, 0.3, 0.2])
    chances = 1 / (1 + np.exp(-np.linspace(-14.0, 14.0, 1401)))
    nodes = t_quantile(12.0, chances)
    for p in (0.025, 0.1, 0.5, 0.9, 0.975):
        at = _mixture_quantile(means, spread, weights, nodes, p)[0]
        assert weights @ stats.t.cdf((at - means[0]) / spread[0], 12.0) == pytest.approx(p, abs=2e-5)


def test_grouping_neighbours_changes_little(monkeypatch):
    dense = np.geomspace(1e6, 1e8, 3 * MOST)
    x, y = np.log(dense), np.log(curve(noise=0.003, sizes=dense).column("error"))
    grouped = posterior(x, y)
    monkeypatch.setattr("similitude.fitting._curve.MOST", 10_000)
    whole = posterior(x, y)
    at = x[-1] + np.array([0.2, 0.7])
    tenth = 0.1 * 0.003  # of the scatter of one score
    np.testing.assert_allclose(grouped.mean(at), whole.mean(at), rtol=0, atol=tenth)
    np.testing.assert_allclose(
        grouped.quantiles(at, (0.1, 0.9)), whole.quantiles(at, (0.1, 0.9)), rtol=0, atol=5 * tenth
    )


def test_bands_hold_new_scores_of_curves_like_the_prior_s():
    """Curves drawn from the prior itself, with its own scatter: bands made with new = 1 hold their nominal share."""
    prior = CURVES.__class__(new=1.0, caution=0.005)
    rng = np.random.default_rng(7)
    x = np.linspace(0, 4, 40)
    ahead = np.array([4.2, 4.6])
    whole = np.concatenate([x, ahead])
    inside = []
    for _ in range(300):
        share = 1 / (1 + np.exp(-(prior.floor + prior.floor_spread * rng.standard_normal())))
        decay = prior.decay * np.exp(prior.decay_spread * rng.standard_normal())
        start = np.exp(-4.0 + prior.start_spread * rng.standard_normal())
        rate = 0.005 * prior.wander * np.exp(prior.wander_spread * rng.standard_normal())
        h = whole - x[-1]
        clean = np.log(share + (1 - share) * ((np.exp(h) + start) / (1 + start)) ** -decay)
        root = np.linalg.cholesky(rate**2 * _wandered(whole, whole, prior.memory) + 1e-12 * np.eye(len(whole)))
        y = clean + root @ rng.standard_normal(len(whole)) + 0.005 * rng.standard_normal(len(whole))
        ends = posterior(x, y[:40], prior).quantiles(ahead, (0.1, 0.9))
        inside.append((y[40:] >= ends[:, 0]) & (y[40:] <= ends[:, 1]))
    assert np.mean(inside) == pytest.approx(0.8, abs=0.05)  # 600 scores in pairs: two standard errors are 0.04


def test_a_forecast_from_the_front_door():
    found = sim.fit("auto", curve(), intervals=sim.Intervals(level=0.8))
    assert isinstance(found, Forecast)
    ahead = found.predict(images=2e8)
    assert ahead.value == pytest.approx(truth(2e8), rel=0.03)
    assert ahead.low < truth(2e8) < ahead.high
    assert (ahead.new_low, ahead.new_high, ahead.level) == (ahead.low, ahead.high, 0.8)
    wide = found.predict(images=2e8, level=0.95)
    assert wide.low < ahead.low < ahead.high < wide.high
    assert found.values["slope"] < 0 < found.values["floor"] < 1
    assert found.ends["slope"][0] < found.values["slope"] < found.ends["slope"][1]
    assert "images" in str(found)
    assert "1.25x" in str(found)
    assert found.to_frame().height == 3


def test_many_points_at_once_are_those_one_by_one():
    found = sim.fit("auto", curve())
    many = found.predict(images=np.array([[1.2e8], [1.9e8]]))
    one = found.predict(images=1.9e8)
    assert many.value.shape == (2, 1)
    assert many.value[1, 0] == pytest.approx(one.value, rel=1e-12)
    assert many.high[1, 0] == pytest.approx(one.high, rel=1e-9)


def test_nothing_is_claimed_far_out_or_before_the_first_point():
    found = sim.fit("auto", curve())
    far = found.predict(images=1e9)
    assert far.low is None
    assert far.value > 0
    assert any("no interval beyond 2.5 times" in n for n in far.notes)
    assert any("checked up to 2.2" in n for n in found.predict(images=2.4e8).notes)
    with pytest.raises(ArgumentError, match="before the curve's first point"):
        found.predict(images=1e5)


def test_units_and_order_of_rows_do_not_matter():
    runs = curve()
    x, y = runs.column("images"), runs.column("error")
    order = np.random.default_rng(0).permutation(len(x))
    other = sim.read_runs({"images": x[order] / 1e6, "error": 7 * y[order]}, loss="error")
    a, b = sim.fit("auto", runs).predict(images=1.7e8), sim.fit("auto", other).predict(images=170.0)
    assert 7 * a.value == pytest.approx(b.value, rel=1e-9)
    assert 7 * a.high == pytest.approx(b.high, rel=1e-7)


def test_what_is_no_curve_is_refused():
    rising = sim.read_runs({"images": SIZES, "accuracy": np.linspace(0.1, 0.8, 30)}, loss="accuracy")
    with pytest.raises(QuestionError, match="1 - accuracy"):
        sim.fit("auto", rising)
    with pytest.raises(QuestionError, match="4 different values of images"):
        sim.fit("auto", curve(sizes=SIZES[:4]))
    with pytest.raises(DataError, match="positive"):
        sim.fit("auto", sim.read_runs({"x": SIZES, "error": np.zeros(30)}, loss="error"))
    with pytest.raises(ArgumentError, match="no parameters"):
        sim.fit("auto", curve(), fix={"E": 1.0})
    with pytest.raises(ArgumentError, match="one input"):
        sim.fit("auto", curve(), inputs={"x": "images", "y": "error"})


def test_a_curve_that_never_rises_or_hardly_spans_is_said():
    smooth = sim.fit("auto", curve(noise=0.0))
    assert any("no score rises" in w for w in smooth.warnings)
    assert not any("no score rises" in w for w in sim.fit("auto", curve(noise=0.05)).warnings)
    assert any("span a factor of" in w for w in sim.fit("auto", curve(sizes=SIZES[-9:])).warnings)


def test_it_survives_being_written_and_read():
    found = sim.fit("auto", curve())
    again = Forecast.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.predict(images=1.5e8).high == found.predict(images=1.5e8).high
    with pytest.raises(DataError, match="without its runs"):
        Forecast.from_dict(found.to_dict(runs=False))
    with pytest.raises(DataError, match="not a forecast"):
        Forecast.from_dict({"schema": "similitude/fit"})
    with pytest.raises(DataError, match="damaged"):
        Forecast.from_dict({**found.to_dict(), "input": 3})


def test_groups_and_reports():
    runs = curve()
    both = sim.read_runs(
        {
            "images": np.tile(runs.column("images"), 2),
            "error": np.concatenate([runs.column("error"), 0.9 * runs.column("error")]),
            "task": ["a"] * 30 + ["b"] * 30,
        },
        loss="error",
    )
    groups = sim.fit("auto", both, by="task")
    ratio = groups["b"].predict(images=2e8).value / groups["a"].predict(images=2e8).value
    assert ratio == pytest.approx(0.9, rel=1e-6)
    page = str(sim.report(groups["a"]))
    assert "images" in page


def test_spikes_and_cliffs_are_named():
    runs = curve()
    y = runs.column("error").copy()
    y[12] *= 4
    spiked = sim.fit("auto", sim.read_runs({"images": runs.column("images"), "error": y}, loss="error"))
    said = [w for w in spiked.warnings if "off its neighbours" in w]
    assert len(said) == 1
    assert said[0].startswith("row 13 lies 3.")
    assert not any("off its neighbours" in w for w in sim.fit("auto", runs).warnings)
    steep = sim.read_runs({"images": SIZES, "error": (SIZES / 1e6) ** -1.5}, loss="error")
    assert any("more steeply" in w for w in sim.fit("auto", steep).warnings)
