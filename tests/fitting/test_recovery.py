"""Every law of the catalogue is recovered from runs without noise that lie on it."""

from __future__ import annotations

import numpy as np
import pytest

import similitude as sim

RANGES = {"N": (2e7, 2e9), "D": (4e8, 1e11), "U": (1e8, 1e10), "C": (1e18, 1e21), "M": (5.0, 300.0), "x": (10.0, 1e6)}
MADE_UP = {
    "power": {"a": 12.0, "c": 0.27},
    "power_floor": {"E": 0.8, "a": 5.0, "c": 0.33},
    "power_scale": {"x_c": 3e4, "a": 0.15},
    "nested": {"E": 1.2, "A": 150.0, "alpha": 0.31, "B": 900.0, "beta": 0.33, "q": 0.7},
}


def _inputs(law, count=48):
    """Points spread over the inputs' ranges, a low-discrepancy lattice so that no two inputs move together."""
    golden = np.array([0.5, 0.7548776662, 0.5698402910])[: len(law.inputs)]
    if len(law.inputs) > 1:
        golden = np.array([0.7548776662, 0.5698402910, 0.8191725134])[: len(law.inputs)]
    share = (0.5 + np.arange(count)[:, None] * golden) % 1.0
    if len(law.inputs) == 1:
        share = np.linspace(0, 1, count)[:, None]
    out = {}
    for j, name in enumerate(law.inputs):
        low, high = RANGES.get(name, (10.0, 1e6))
        out[name] = np.exp(np.log(low) + share[:, j] * np.log(high / low))
    return out


def _cases():
    for name, law in sim.laws.catalogue().items():
        if law.span or not set(law.inputs) <= set(RANGES):
            continue  # recovered over its own range in test_every_law.py
        if name in MADE_UP:
            yield pytest.param(law, MADE_UP[name], id=f"{name}, made up")
        for key, estimate in law.published.items():
            yield pytest.param(law, dict(estimate.values), id=f"{name}:{key}")


CASES = list(_cases())


def _simulated(law, truth):
    inputs = _inputs(law)
    if "U" in inputs:  # unique tokens, repeated up to eight times; models up to ten times too large
        inputs["D"] = inputs["U"] * np.exp(np.linspace(0, np.log(8), 48))[np.argsort(np.sin(np.arange(48) * 7.0))]
    y = np.asarray(law.evaluate(inputs, truth), float)
    runs = sim.read_runs({**inputs, "score": y}, loss="score", check=False)
    return runs, inputs, y


@pytest.mark.parametrize(("law", "truth"), CASES)
def test_noise_free_runs_give_the_coefficients_back(law, truth):
    runs, inputs, y = _simulated(law, truth)
    fit = sim.fit(law, runs, inputs={k: k for k in law.inputs}, objective="squares_log", intervals="delta")
    np.testing.assert_allclose(fit.value(**inputs), y, rtol=1e-7)
    ranges = {k: (v.min(), v.max()) for k, v in inputs.items()}
    beyond = {k: np.array([hi * 3]) for k, (_, hi) in ranges.items()}
    expected = np.asarray(law.evaluate(beyond, truth))
    np.testing.assert_allclose(fit.value(**beyond), expected, rtol=1e-5)
    for name, value in truth.items():
        assert fit.values[name] == pytest.approx(value, rel=2e-3), name


@pytest.mark.parametrize(("law", "truth"), CASES)
def test_a_little_noise_moves_the_law_a_little(law, truth):
    _, inputs, y = _simulated(law, truth)
    error = np.random.default_rng(8).normal(0, 1e-3, y.size)
    noisy = sim.read_runs({**inputs, "score": y * np.exp(error)}, loss="score", check=False)
    fit = sim.fit(law, noisy, inputs={k: k for k in law.inputs}, intervals="delta")
    assert np.max(np.abs(np.log(fit.value(**inputs) / y))) < 2e-3
    assert fit.noise == pytest.approx(1e-3, rel=0.4)
