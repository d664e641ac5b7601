"""Classes of a trend on metrics whose class is known, and how often the two-lines test errs."""

from __future__ import annotations

import json

import numpy as np
import pytest

import similitude as sim
from similitude._errors import ArgumentError, DataError

SIZES = np.geomspace(1e7, 1e10, 8)
U = np.log10(SIZES) - 7
SHAPES = {
    "rising": 0.1 * U,
    "falling": 1 - 0.2 * U,
    "U": 0.3 * (U - 1.5) ** 2,
    "inverted U": -0.3 * (U - 1.5) ** 2,
    "sudden rise": 0.5 * (U > 1.6),
    "sudden fall": -0.5 * (U > 1.6),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_known_shapes_are_named(kind):
    rng = np.random.default_rng(3)
    found = sim.trend(SIZES, SHAPES[kind] + 0.01 * rng.standard_normal(8))
    assert found.kind == kind


def test_repeats_give_the_errors():
    rng = np.random.default_rng(5)
    x = np.repeat(SIZES[::2], 30)
    y = np.repeat(SHAPES["U"][::2], 30) + 0.3 * rng.standard_normal(120)
    found = sim.trend(x, y)
    assert found.kind == "U"
    assert found.observations == 120
    assert found.error[0] == pytest.approx(0.3 / np.sqrt(30), rel=0.25)


def test_flat_takes_more_than_an_insignificant_slope():
    rng = np.random.default_rng(0)
    few = sim.trend(SIZES, 0.5 + 0.1 * rng.standard_normal(8))
    assert few.kind == "cannot say"
    many = sim.trend(np.repeat(SIZES, 50), 0.5 + 0.1 * rng.standard_normal(400))
    assert many.kind == "flat"
    assert sim.trend(np.repeat(SIZES, 50), 0.5 + 0.1 * rng.standard_normal(400), flat=1e-4).kind == "cannot say"


def test_a_saturating_metric_is_no_inverted_u():
    y = 1 - 10 ** (-0.5 * U)
    found = sim.trend(SIZES, y + 0.005 * np.random.default_rng(1).standard_normal(8))
    assert found.kind == "rising"
    assert found.quadratic == "inverted U"
    assert found.false_u_quadratic > 0.9
    assert found.false_u < 0.05
    assert any("would have said inverted U" in w for w in found.warnings)


def test_a_steep_power_law_is_not_sudden():
    """A metric that saturates within a step of its scales looks like a jump at the end of them."""
    for count in (4, 5, 8):
        u = np.linspace(0, 3, count)
        noise = 0.01 * np.random.default_rng(2).standard_normal(count)
        assert sim.trend(10**u * 1e7, 1 - 10 ** (-1.5 * u) + noise).kind in ("rising", "cannot say")
    # the same with repeats, which tell the levels apart well
    u = np.repeat(np.linspace(0, 3, 4), 50)
    noise = 0.1 * np.random.default_rng(2).standard_normal(200)
    assert sim.trend(10**u * 1e7, 1 - 10 ** (-1.5 * u) + noise).kind == "rising"


def test_a_turn_that_is_not_told_is_not_ruled_out():
    late = 4 / 9 * (U - 2) ** 2
    found = sim.trend(SIZES, late + 0.05 * np.random.default_rng(1).standard_normal(8))
    assert found.kind == "falling"
    assert any("a turn there is not ruled out" in w for w in found.warnings)


def test_false_turns_stay_below_their_level():
    rng = np.random.default_rng(11)
    for name, shape in {"line": 0.1 * U, "saturating": 1 - 10 ** (-0.5 * U), "flat": 0 * U}.items():
        wrong = sum(
            sim.trend(SIZES, shape + 0.03 * rng.standard_normal(8), seed=-1).kind in ("U", "inverted U")
            for _ in range(300)
        )
        assert wrong / 300 <= 0.05, name


def test_a_trend_shows_itself():
    found = sim.trend(SIZES, SHAPES["U"] + 0.01 * np.random.default_rng(3).standard_normal(8))
    document = json.loads(json.dumps(found.to_dict()))
    assert document["kind"] == "U"
    assert 1e8 < document["break_at"] < 1e9
    assert "Two lines" in str(found)
    page = sim.report([found])
    assert any(getattr(v, "title", "") == "The metric against scale" for s in page.sections for v in s.items)


@pytest.mark.parametrize(
    ("x", "y", "error", "sentence"),
    [
        ([1e7, 1e8, 1e9], [1, 2, 3], DataError, "at least 4"),
        ([1e7, 1e8], [1, 2, 3], ArgumentError, "expected as many"),
        ([0, 1, 2, 3], [1, 2, 3, 4], ArgumentError, "observation 1"),
        ([1, 2, 3, 4], [1, 2, float("nan"), 4], ArgumentError, "observation 3"),
    ],
)
def test_what_has_no_trend(x, y, error, sentence):
    with pytest.raises(error, match=sentence):
        sim.trend(x, y)


def test_numbers_that_are_all_but_exact_have_no_rounding_for_a_scatter():
    sizes = 10.0 ** np.arange(7, 12)
    assert sim.trend(sizes, np.full(5, 0.5)).kind == "flat"
    straight = sim.trend(sizes, 0.1 * np.log10(sizes))
    assert straight.kind == "rising"
    assert straight.slope.text() == "0.1 [0.1, 0.1] a decade"
