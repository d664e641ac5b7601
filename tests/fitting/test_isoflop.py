"""Approaches 1 and 2 on surfaces whose optimum is known: the bias of parabolas, and our estimate of it."""

from __future__ import annotations

import numpy as np
import pytest

import similitude as sim
from similitude._errors import ArgumentError, DataError, QuestionError

# the paper's three surfaces and its published error of D*, for grids of 15 sizes within x/k ... kx of the optimum
SURFACES = {
    "chinchilla": (
        {"E": 1.69, "A": 406.4, "alpha": 0.34, "B": 410.7, "beta": 0.28},
        (-0.0033, -0.0130, -0.0290, -0.0510),
    ),
    "asymmetric": (
        {"E": 1.69, "A": 406.4, "alpha": 0.465, "B": 410.7, "beta": 0.155},
        (-0.0167, -0.0650, -0.1391, -0.2312),
    ),
    "symmetric": ({"E": 1.69, "A": 406.4, "alpha": 0.31, "B": 410.7, "beta": 0.31}, (0.0, 0.0, 0.0, 0.0)),
}
BUDGETS = np.array([1e17, 1e18, 1e19, 1e20, 1e21])
FACTORS = (2, 4, 8, 16)
CASES = [
    pytest.param(values, factor, error, id=f"{name} x/{factor}")
    for name, (values, errors) in SURFACES.items()
    for factor, error in zip(FACTORS, errors, strict=True)
]


def _optimum(v, flop):
    """N and D that minimise the law under 6 N D = flop, in closed form."""
    total = v["alpha"] + v["beta"]
    g = (v["alpha"] * v["A"] / (v["beta"] * v["B"])) ** (1 / total)
    n = g * (flop / 6) ** (v["beta"] / total)
    return n, flop / 6 / n


def _runs(values, factor, *, off_centre=1.0, points=15, budgets=BUDGETS):
    best, _ = _optimum(values, budgets)
    n = ((best / off_centre)[:, None] * np.geomspace(1 / factor, factor, points)[None]).ravel()
    c = np.repeat(budgets, points)
    estimate = sim.laws.chinchilla.estimate(**values)
    return sim.simulate(estimate, points={"N": n, "D": c / 6 / n, "C": c}, noise=0.0)


@pytest.mark.parametrize(("values", "factor", "published"), CASES)
def test_parabolas_err_as_published_and_we_know_by_how_much(values, factor, published):
    found = sim.isoflop(_runs(values, factor), intervals="delta")
    flop = np.array([s.flop for s in found.slices])
    best_n, best_d = _optimum(values, flop)
    error_n = np.array([s.N for s in found.slices]) / best_n - 1
    error_d = np.array([s.D for s in found.slices]) / best_d - 1
    np.testing.assert_allclose(error_d, published, atol=6e-5)
    for estimated, true in ((found.bias_N, error_n), (found.bias_D, error_d)):
        assert np.all(np.abs(estimated - true) <= np.maximum(0.1 * np.abs(true), 5e-4))
    right = found.corrected()
    for flop_at in (1e18, 1e24):
        n, d = _optimum(values, flop_at)
        assert right.N.at(flop_at) == pytest.approx(n, rel=2e-3)
        assert right.D.at(flop_at) == pytest.approx(d, rel=2e-3)


def test_the_bias_of_n_is_the_published_one():
    found = sim.isoflop(_runs(SURFACES["chinchilla"][0], 16), intervals="delta")
    np.testing.assert_allclose(found.bias_N, 0.05374, atol=1e-4)


@pytest.mark.parametrize("name", list(SURFACES))
def test_off_centre_grids(name):
    values = SURFACES[name][0]
    found = sim.isoflop(_runs(values, 8, off_centre=3.0), intervals="delta")
    flop = np.array([s.flop for s in found.slices])
    true = np.array([s.D for s in found.slices]) / _optimum(values, flop)[1] - 1
    assert np.all(np.abs(found.bias_D - true) <= np.maximum(0.1 * np.abs(true), 5e-4))
    if name == "symmetric":
        np.testing.assert_allclose(true, 0.0265, atol=1e-4)


def test_exponents_are_right_and_intercepts_wrong():
    values = SURFACES["asymmetric"][0]
    found = sim.isoflop(_runs(values, 16), intervals="delta")
    assert found.N.exponent == pytest.approx(values["beta"] / (values["alpha"] + values["beta"]), abs=1e-9)
    assert found.D.at(1e24) / _optimum(values, 1e24)[1] == pytest.approx(1 - 0.2312, abs=1e-3)


def test_slices_that_cannot_be_used_are_left_out_with_the_reason():
    values = SURFACES["chinchilla"][0]
    runs = _runs(values, 8)
    n, c = runs.column("N"), runs.column("C")
    best = _optimum(values, c)[0]
    keep = ~((c < 5e17) & (n < 1.3 * best)) & ~((c > 5e20) & (np.arange(len(runs)) % 15 > 1))
    found = sim.isoflop(runs.where(keep), intervals="delta")
    notes = [s.note for s in found.slices]
    assert notes[0] == "its minimum lies outside the sampled sizes"
    assert notes[-1] == "only 2 model sizes"
    assert [s.used for s in found.slices] == [False, True, True, True, False]
    assert len(found.bias_N) == 3


def test_budgets_named_in_a_column_are_followed():
    """The true compute of a run strays from the nominal one."""
    values = SURFACES["chinchilla"][0]
    runs = _runs(values, 4)
    c = runs.column("C") * np.exp(np.tile(np.linspace(-0.2, 0.2, 15), 5))
    table = {
        "N": runs.column("N"),
        "D": c / 6 / runs.column("N"),
        "loss": runs.column("loss"),
        "nominal": runs.column("C"),
    }
    found = sim.isoflop(sim.read_runs(table, check=False), budget="nominal", intervals="delta")
    assert [s.runs for s in found.slices] == [15] * 5


def test_trend_intervals_are_those_of_a_line():
    from scipy import stats

    truth = sim.laws.chinchilla.published["besiroglu2024"]
    found = sim.isoflop(sim.simulate(truth, design="isoflop", noise=0.003, seed=1), intervals="delta")
    used = [s for s in found.slices if s.used]
    line = stats.linregress(np.log([s.flop for s in used]), np.log([s.N for s in used]))
    t = stats.t.ppf(0.95, len(used) - 2)
    assert found.N.exponent == pytest.approx(line.slope)
    assert (found.N.low, found.N.high) == pytest.approx((line.slope - t * line.stderr, line.slope + t * line.stderr))


def test_one_budget_is_no_trend():
    runs = _runs(SURFACES["chinchilla"][0], 4, budgets=np.array([1e19]))
    with pytest.raises(QuestionError, match="1 of 1 budgets"):
        sim.isoflop(runs)


def test_the_surface_must_be_a_law_of_n_and_d():
    """It used to end in a KeyError."""
    with pytest.raises(ArgumentError, match="a law of N and D"):
        sim.isoflop(_runs(SURFACES["chinchilla"][0], 4), law=sim.laws.overtrained)


# -- approach 1 --------------------------------------------------------------------------------


def test_the_envelope_of_noise_free_curves_has_the_laws_exponent():
    values = SURFACES["chinchilla"][0]
    sizes = np.geomspace(1e7, 3e9, 60)
    share = np.geomspace(0.003, 1, 120)
    n = np.repeat(sizes, share.size)
    d = np.repeat(400 * sizes, share.size) * np.tile(share, sizes.size)
    labels = np.repeat([f"m{i:02d}" for i in range(sizes.size)], share.size)
    curves = sim.simulate(sim.laws.chinchilla.estimate(**values), points={"N": n, "D": d, "run": labels}, noise=0.0)
    found = sim.envelope(curves, resamples=20)
    assert found.N.exponent == pytest.approx(0.28 / 0.62, abs=0.02)
    assert found.N.exponent + found.D.exponent == pytest.approx(1)
    best = _optimum(values, 1e19)
    assert found.N.at(1e19) == pytest.approx(best[0], rel=0.1)
    assert found.N.low <= found.N.exponent <= found.N.high


def test_the_envelope_needs_curves():
    runs = _runs(SURFACES["chinchilla"][0], 4)
    with pytest.raises(DataError, match="column 'run'"):
        sim.envelope(runs)
    curves = sim.simulate(sim.laws.chinchilla.estimate(**SURFACES["chinchilla"][0]), design="curves")
    found = sim.envelope(curves, resamples=20)
    with pytest.raises(QuestionError, match="not known"):
        found.corrected()


def test_plain_values_hold_the_trends():
    found = sim.isoflop(_runs(SURFACES["chinchilla"][0], 4), intervals="delta")
    document = found.to_dict()
    assert document["N"]["exponent"]["value"] == found.N.exponent
    assert document["slices"][0]["runs"] == 15
    assert "approach 2" in str(found)
