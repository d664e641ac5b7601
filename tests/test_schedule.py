"""Schedules: shapes at their ends, sums against closed forms, and the inputs laws of training time take from them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import similitude as sim
from similitude._errors import ArgumentError
from similitude._schedule import SHAPES

WARM_UP, PEAK, END = 2160, 3e-4, 3e-5  # of the curves released with Luo et al. 2025


def rates(name: str, steps: int) -> np.ndarray:
    """Their schedules as the formulas of the paper give them, step by step."""
    out = []
    for t in range(1, steps + 1):
        if t <= WARM_UP:
            out.append(PEAK * t / WARM_UP)
        elif name == "cosine_24000":
            out.append(END + (PEAK - END) * (1 + math.cos(math.pi * (t - WARM_UP) / (24_000 - WARM_UP))) / 2)
        elif t <= 20_000:
            out.append(PEAK)
        elif name == "wsd_20000_24000":
            out.append(PEAK ** (1 - (t - 20_000) / 4000) * END ** ((t - 20_000) / 4000))
        else:
            out.append(PEAK + (END - PEAK) * (t - 20_000) / 4000)
    return np.array(out)


def segments(eta: np.ndarray, at: np.ndarray, width: int) -> dict[str, np.ndarray]:
    """Drop, rate and area since of each segment in which the rate changes, (segments, steps), step by step."""
    found: dict[str, list] = {"drop": [], "rate": [], "area": []}
    for begin in range(0, len(eta), width):
        changes = [(i, (eta[i - 1] if i else 0.0) - eta[i]) for i in range(begin, min(begin + width, len(eta)))]
        weight = sum(abs(d) for _, d in changes)
        if weight == 0:
            continue
        place = round(sum(i * abs(d) for i, d in changes) / weight)
        since = np.array([eta[:a].sum() - eta[:place].sum() for a in at])
        found["drop"].append(np.where(since > 0, sum(d for _, d in changes), 0.0))
        found["rate"].append(np.full(len(at), eta[place]))
        found["area"].append(np.maximum(since, 0.0))
    return {"S1": np.array([eta[:a].sum() for a in at])} | {k: np.array(v) for k, v in found.items()}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_begin_and_end_where_they_say(shape):
    made = sim.schedule(shape, 1000, peak=1e-3, end=1e-4, warm_up=100, cooldown=0.3)
    assert len(made) == 1000
    assert made.rates[0] == pytest.approx(1e-5)
    assert made.rates[99] == pytest.approx(1e-3)
    assert made.rates[-1] == pytest.approx(1e-3 if shape == "constant" else 1e-4)
    assert np.all(np.diff(made.rates[100:]) <= 1e-18)
    if shape.startswith(("wsd", "two")):
        assert np.all(made.rates[100:700] == 1e-3)


def test_middles_of_the_ways_down():
    half = {
        n: sim.schedule(n, 1000, peak=1.0, end=0.01, cooldown=0.5).rates[749] for n in SHAPES if n.startswith("wsd")
    }
    assert half["wsd"] == pytest.approx(0.505)
    assert half["wsd_sqrt"] == pytest.approx(0.01 + 0.99 * (1 - np.sqrt(0.5)))
    assert half["wsd_exponential"] == pytest.approx(0.1)
    assert sim.schedule("cosine", 1000, peak=1.0).rates[499] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("shape", "name", "cooldown"),
    [
        ("cosine", "cosine_24000", 0.2),
        ("wsd_exponential", "wsd_20000_24000", 1 / 6),
        ("wsd", "wsdld_20000_24000", 1 / 6),
    ],
)
def test_they_are_those_of_published_curves(shape, name, cooldown):
    made = sim.schedule(shape, 24_000, peak=PEAK, end=END, warm_up=WARM_UP, cooldown=cooldown)
    np.testing.assert_allclose(made.rates, rates(name, 24_000), rtol=1e-9)


def test_areas_are_a_sum_and_a_filtered_sum():
    made = sim.Schedule([1e-4, 2e-4, 3e-4, 3e-4, 2e-4, 1e-4], warm_up=3)
    found = made.areas(memory=0.5)
    np.testing.assert_allclose(found["S1"], np.cumsum(made.rates))
    np.testing.assert_allclose(found["S2"], [0, 0, 0, 0, 1e-4, 2.5e-4])
    assert made.areas([3], memory=0.5, warm_up_drops=True)["S2"][0] == pytest.approx(-1e-4 - 1.5e-4)


def test_one_drop_is_remembered_geometrically():
    made = sim.schedule("two_stage", 2000, peak=2.0, end=1.0, cooldown=0.5)
    after = 2000 - 1000
    assert made.areas([2000], memory=0.99)["S2"][0] == pytest.approx((1 - 0.99**after) / 0.01, rel=1e-9)


def test_segments_are_those_found_step_by_step():
    eta = rates("cosine_24000", 24_000)  # of an even number of equal steps the middle would be a matter of rounding
    at = np.array([3000, 12_000, 24_000])
    found, known = sim.Schedule(eta, WARM_UP).segments(at, width=401), segments(eta, at, 401)
    assert len(found) == 1 + 3 * len(known["drop"])
    np.testing.assert_allclose(found["S1"], known["S1"])
    for i in (0, 7, len(known["drop"]) - 1):
        for name in ("drop", "rate", "area"):
            np.testing.assert_allclose(found[f"{name}_{i + 1}"], known[name][i], rtol=1e-12)


def test_a_law_takes_them():
    made = sim.schedule("wsd", 5000, peak=3e-4, warm_up=500)
    table = made.segments([1000, 4000, 5000], width=500)
    law = sim.laws.multi_power.sized(segment=(len(table) - 1) // 3)
    values = sim.laws.multi_power.published["luo2025-25M"].values
    told = law.evaluate(table, values)
    assert told[2] < told[1] < told[0]
    s = made.areas([1000, 4000, 5000])
    annealed = sim.laws.annealing.evaluate(s, sim.laws.annealing.published["tissue2024"].values)
    assert annealed[2] < annealed[1] < annealed[0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: sim.schedule("cosin", 10, peak=1.0), "did you mean 'cosine'"),
        (lambda: sim.schedule("wsd", 10, peak=1.0, cooldown=0.0), "cooldown = 0"),
        (lambda: sim.schedule("wsd", 10, peak=1.0, end=2.0), "end = 2"),
        (lambda: sim.schedule("wsd_exponential", 10, peak=1.0), "never reaches zero"),
        (lambda: sim.schedule("constant", 10, peak=1.0, warm_up=10), "warm_up = 10"),
        (lambda: sim.Schedule([1.0, -1.0]), "not negative"),
        (lambda: sim.Schedule([1.0], warm_up=2), "has 1 steps"),
        (lambda: sim.Schedule([1.0]).areas([2]), "from 1 to 1"),
    ],
)
def test_what_makes_no_schedule_is_one_sentence(call, said):
    with pytest.raises(ArgumentError, match=said):
        call()
