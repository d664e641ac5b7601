"""A million runs: memory stays bounded and cost grows in proportion."""

from __future__ import annotations

import resource
import time

import numpy as np
import pytest

import similitude as sim

TRUTH = sim.laws.chinchilla.published["besiroglu2024"]


def _runs(count):
    rng = np.random.default_rng(0)
    n = np.exp(rng.uniform(np.log(1e7), np.log(1e10), count))
    d = n * np.exp(rng.uniform(np.log(5), np.log(200), count))
    return sim.simulate(TRUTH, points={"N": n, "D": d}, noise=0.01)


def _seconds(runs):
    begin = time.process_time()
    fit = sim.fit(sim.laws.chinchilla, runs)
    return time.process_time() - begin, fit


def test_twenty_thousand_runs_are_fitted_closely():
    seconds, fit = _seconds(_runs(20_001))
    assert seconds < 10
    assert "delta" in fit.method
    for name, value in TRUTH.values.items():
        low, high = fit.ends[name]
        assert low < high
        assert fit.values[name] == pytest.approx(value, rel=0.2)
    assert fit.noise == pytest.approx(0.01, rel=0.03)


@pytest.mark.slow
def test_a_million_runs():
    few, _ = _seconds(_runs(100_000))
    runs = _runs(1_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    many, fit = _seconds(runs)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 3_000_000  # kilobytes
    assert many < 60
    assert many < 25 * few
    assert fit.values["alpha"] == pytest.approx(TRUTH.values["alpha"], rel=0.01)
    assert fit.ends["E"][0] < TRUTH.values["E"] < fit.ends["E"][1]
    at = fit.predict(N=7e10, D=1.4e12)
    assert at.low < at.value < at.high < at.new_high
