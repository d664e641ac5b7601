"""The other way round: the input at which a law reaches a value."""

from __future__ import annotations

import numpy as np
import pytest

import similitude as sim
from similitude._errors import ArgumentError, QuestionError
from similitude.laws import catalogue

LAWS = catalogue()


def test_chinchilla_in_closed_form():
    known = sim.laws.chinchilla.published["besiroglu2024"]
    v = known.values
    expected = (v["B"] / (2.1 - v["E"] - v["A"] / 8e9 ** v["alpha"])) ** (1 / v["beta"])
    found = known.inverse(2.1, N="8B")
    assert found.value == pytest.approx(expected, rel=1e-10)
    assert found.at == {"output": 2.1, "N": 8e9}
    assert (found.low, found.unit) == (None, "tokens")


@pytest.mark.parametrize("law", [law for law in LAWS.values() if len(law.inputs) == 1], ids=lambda law: law.name)
def test_every_law_of_one_input_is_inverted_where_it_is_monotone(law):
    known = next(iter(law.published.values())) if law.published else sim.Estimate(law, law.example)
    (name,) = law.inputs
    low, high = law.span.get(name, (1e7, 1e10))
    x = float(low**0.7 * high**0.3) if law.positive_inputs else 0.7 * low + 0.3 * high
    target = float(known.value(**{name: x}))
    found = known.inverse(target)
    assert float(known.value(**{name: found.value})) == pytest.approx(target, rel=1e-9, abs=1e-9)
    assert found.value <= x * (1 + 1e-6)  # the smallest size that reaches it


def test_its_interval_is_that_of_the_prediction_seen_from_the_side():
    """Where the law's band crosses the target, the band's ends are the interval's ends."""
    runs = sim.simulate(
        sim.laws.power_floor.estimate(E=0.2, a=30.0, c=0.3), points={"x": np.geomspace(1e3, 1e6, 30)}, seed=1
    )
    fit = sim.fit(sim.laws.power_floor, runs)
    found = fit.inverse(0.45)
    assert found.low < found.value < found.high
    assert fit.predict(x=found.low).low == pytest.approx(0.45, rel=2e-5)
    assert fit.predict(x=found.high).high == pytest.approx(0.45, rel=2e-5)
    assert fit.inverse(0.45, level=0.5).low > found.low


def test_what_is_not_reached_or_not_asked_is_said():
    known = sim.laws.chinchilla.published["besiroglu2024"]
    with pytest.raises(QuestionError, match=r"no D brings the law to 1\.5 at N = 8e\+09"):
        known.inverse(1.5, N=8e9)
    with pytest.raises(ArgumentError, match="2 of them were left out"):
        known.inverse(2.0)
    with pytest.raises(ArgumentError, match="'X' is none of them"):
        known.inverse(2.0, N=1e9, X=3)
    with pytest.raises(ArgumentError, match="no runs"):
        known.inverse(2.0, N=1e9, level=0.9)
