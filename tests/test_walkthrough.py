"""A newcomer's first law: ten lines of declaration, and everything that follows from them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import similitude as sim
from similitude._dual import Dual
from similitude._quantity import NATS_PER_TOKEN, PARAMETERS, TOKENS
from similitude.laws import Law, below_output, exponent, law, paper, positive
from similitude.laws._catalogue import collect


@law(
    inputs={"N": PARAMETERS},
    output=NATS_PER_TOKEN,
    params={"E": below_output(), "A": positive(), "alpha": exponent(0.1, 0.3)},
    source=paper("hoffmann2022", where="eq. 10"),
    example={"E": 1.7, "A": 400.0, "alpha": 0.34},
    span={"N": (1e7, 1e10)},
)
def size_only(N, *, E, A, alpha):
    """Loss falls as a power of size, to a floor.

    Use it where only size was varied. Trap: the floor holds what more data would have gained.
    """
    return E + A / N**alpha


def simulated(noise: float) -> sim.Runs:
    estimate = size_only.estimate(**size_only.example)
    return sim.simulate(estimate, points={"N": np.geomspace(1e7, 1e10, 24)}, noise=noise, seed=4)


def test_it_enters_a_catalogue_by_standing_in_a_family():
    family = ModuleType("family")
    family.size_only = size_only
    assert dict(collect([family])) == {"size_only": size_only}


def test_its_derivatives_are_exact():
    out = size_only(np.array([1e8]), E=1.7, A=400.0, alpha=Dual(0.34, {0: 1.0}))
    assert out.partials[0] == pytest.approx(-400.0 * 1e8**-0.34 * np.log(1e8), rel=1e-13)


def test_it_is_fitted_and_recovers_its_coefficients():
    found = sim.fit(size_only, simulated(0.0), objective="squares_log")
    for name, value in size_only.example.items():
        assert found.values[name] == pytest.approx(value, rel=1e-6)


def test_its_intervals_and_predictions_follow():
    found = sim.fit(size_only, simulated(0.003))
    low, high = found.ends["alpha"]
    assert low < 0.34 < high
    far = found.predict(N="70B")
    assert far.low < size_only(7e10, **size_only.example) < far.high
    assert far.extrapolation == pytest.approx(7.0)


def test_it_prints_and_survives_json():
    assert size_only.text() == "E + A/N^alpha"
    assert size_only.latex() == "L(N) = E + \\frac{A}{N^{\\alpha}}"
    again = Law.from_dict(json.loads(json.dumps(size_only.to_dict())))
    assert again.evaluate({"N": 1e9}, size_only.example) == pytest.approx(
        size_only(1e9, **size_only.example), rel=1e-14
    )


def test_it_is_cited_and_tells_when_to_use_it():
    assert "hoffmann2022" in size_only.bibtex()
    assert "Trap:" in size_only.doc
    assert str(size_only.source) == "Hoffmann et al. 2022, eq. 10"


def test_it_has_a_page():
    spec = importlib.util.spec_from_file_location("pages", Path(__file__).parent.parent / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    text = pages.law_page(size_only)
    assert "## When to use it\n\nUse it where only size was varied." in text
    assert "## When not\n\nThe floor holds what more data would have gained." in text
    assert "\\frac{A}{N^{\\alpha}}" in text


@law(
    inputs={"N": PARAMETERS, "D": TOKENS},
    output=NATS_PER_TOKEN,
    params={"E": below_output(), "A": positive(), "B": positive(), "alpha": exponent(0.1, 0.3)},
    source=paper("hoffmann2022", where="eq. 10"),
    example={"E": 1.7, "A": 400.0, "B": 900.0, "alpha": 0.34},
)
def balanced(N, D, *, E, A, B, alpha):
    """Loss falls alike with size and tokens.

    Use it where both were varied. Trap: one exponent for both makes the optimum keep its ratio at any budget.
    """
    return E + A / N**alpha + B / D**alpha


def test_one_with_a_cost_is_planned_and_drawn():
    known = balanced.estimate(**balanced.example)
    found = sim.fit(balanced, sim.simulate(known, noise=0.0), objective="squares_log")
    plan = sim.plan(found, flop=1e22)
    # the optimum of A N^-a + B (C/6N)^-a: N = (A/B)^(1/2a) sqrt(C/6)
    assert plan.N.value == pytest.approx((400 / 900) ** (1 / 0.68) * np.sqrt(1e22 / 6), rel=1e-5)
    least = sim.plan(found, loss=float(plan.loss.value))
    assert 6 * least.N.value * least.D.value == pytest.approx(1e22, rel=1e-5)
    assert "training compute" in str(sim.report(found)).lower()
