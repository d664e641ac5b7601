"""Losses and optima that papers and their released code state for their own coefficients."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from similitude import laws


@pytest.mark.parametrize(
    ("reference", "inputs", "stated"),
    [
        # Kaplan et al. 2020: arithmetic from the coefficients of eq. 1.1 to 1.3 and table 2
        ("kaplan_n:kaplan2020", {"N": 1.5e9}, "2.3036"),
        ("kaplan_d:kaplan2020", {"D": 2.3e10}, "2.0903"),
        ("kaplan_c:kaplan2020", {"C": 1.0}, "2.6581"),
        ("kaplan:kaplan2020", {"N": 1e9, "D": 2.2e10}, "2.36932"),
        ("kaplan:kaplan2020", {"N": 1e8, "D": 1e10}, "2.78786"),
        # Chinchilla (70B, 1.4T) and Gopher (280B, 300B) under three sets
        ("chinchilla:hoffmann2022", {"N": 70e9, "D": 1.4e12}, "1.9366"),
        ("chinchilla:hoffmann2022-tex", {"N": 70e9, "D": 1.4e12}, "1.9208"),
        ("chinchilla:besiroglu2024", {"N": 70e9, "D": 1.4e12}, "1.9739"),
        ("chinchilla:hoffmann2022", {"N": 280e9, "D": 300e9}, "1.9933"),
        ("chinchilla:hoffmann2022-tex", {"N": 280e9, "D": 300e9}, "1.9672"),
        ("chinchilla:besiroglu2024", {"N": 280e9, "D": 300e9}, "1.9996"),
        # Muennighoff et al. 2023: printed by the released notebook
        ("data_constrained:muennighoff2023", {"N": 6.34e9, "D": 242e9, "U": 25e9}, "2.2256440890"),
        ("data_constrained:muennighoff2023", {"N": 8.67e9, "D": 178e9, "U": 25e9}, "2.2269634075"),
    ],
)
def test_losses_match_to_the_digits_stated(reference, inputs, stated):
    digits = len(stated.partition(".")[2])
    assert f"{laws.resolve(reference).value(**inputs):.{digits}f}" == stated


@pytest.mark.parametrize(
    ("N", "M", "stated"), [(1.44e9, 640.0, 2.5198), (6.89e9, 20.0, 2.4427)], ids=["1.4B at M=640", "6.9B at M=20"]
)
def test_gadre_forecasts_of_the_two_large_runs(N, M, stated):
    estimate = laws.resolve("overtrained:gadre2024-redpajama-code")
    # the floor is known to four decimals only
    assert estimate.value(C=6 * N * N * M, M=M) == pytest.approx(stated, abs=1e-4)


@pytest.mark.parametrize(("corpus", "stated"), [("c4", 3.36), ("redpajama", 7.42), ("refinedweb", 5.85)])
def test_gadre_optimal_token_multipliers(corpus, stated):
    v = laws.resolve(f"overtrained:gadre2024-{corpus}-code").values
    assert (v["b"] / v["a"]) ** (1 / (2 * v["eta"])) == pytest.approx(stated, abs=0.005)


@pytest.mark.parametrize("corpus", ["c4", "redpajama", "refinedweb"])
def test_gadre_rounded_digits_are_those_of_the_code(corpus):
    printed, code = (laws.resolve(f"overtrained:gadre2024-{corpus}{end}") for end in ("", "-code"))
    for name, digits in printed.digits.items():
        places = len(digits.partition(".")[2])
        assert round(code.values[name], places) == float(digits)


def test_overtrained_is_chinchilla_with_one_exponent():
    tied = laws.resolve("chinchilla_tied:muennighoff2023").values
    eta = tied["alpha"] / 2
    N, D = np.geomspace(1e7, 1e10, 7), np.geomspace(1e9, 1e12, 7)
    over = laws.overtrained(6 * N * D, D / N, E=tied["E"], a=tied["A"] * 6**eta, b=tied["B"] * 6**eta, eta=eta)
    np.testing.assert_allclose(over, laws.chinchilla_tied(N, D, **tied), rtol=1e-13)


OPTIMA = [
    # FLOP, (N*, D*, L*) of the TeX digits, (N*, D*, L*) of the 2024 refit, D*/N* of the rounded digits
    (1e20, (7.749e8, 2.151e10, 2.55342), (8.535e8, 1.953e10, 2.55340), 40.08),
    (1e21, (2.217e9, 7.518e10, 2.29549), (2.778e9, 5.999e10, 2.30553), 50.08),
    (5.76e23, (4.036e10, 2.379e12, 1.91841), (7.225e10, 1.329e12, 1.97444), 92.65),
    (3.8e25, (2.732e11, 2.318e13, 1.81101), (6.187e11, 1.024e13, 1.89171), 138.96),
]


def best_split(key: str, flop: float) -> tuple[float, float, float]:
    """N, D and the loss where 6 N D = flop and the loss is least, by golden section on ln N."""
    estimate = laws.resolve(f"chinchilla:{key}")
    low, high, ratio = np.log(1e6), np.log(1e14), (np.sqrt(5) - 1) / 2

    def loss(log_n: float) -> float:
        return estimate.value(N=np.exp(log_n), D=flop / (6 * np.exp(log_n)))

    while high - low > 1e-9:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    n = float(np.exp(low))
    return n, flop / (6 * n), loss(low)


@pytest.mark.parametrize("row", OPTIMA, ids=[f"{row[0]:g} FLOP" for row in OPTIMA])
def test_compute_optimal_points_of_the_chinchilla_sets(row):
    flop, tex, refit, rounded_ratio = row
    for key, (N, D, L) in (("hoffmann2022-tex", tex), ("besiroglu2024", refit)):
        n, d, loss = best_split(key, flop)
        assert (n, d) == pytest.approx((N, D), rel=1e-3)
        assert loss == pytest.approx(L, abs=1e-5)
    n, d, _ = best_split("hoffmann2022", flop)
    assert d / n == pytest.approx(rounded_ratio, rel=1e-3)


def test_effective_data_after_some_epochs():
    """D'/U at 4, 16 and 60 epochs, through the data term alone (parameters held at what U can feed)."""
    v = laws.resolve("data_constrained:muennighoff2023").values
    U, N = 1e9, 1e6
    for epochs, stated in ((4, 3.726), (16, 10.582), (60, 16.055)):
        L = laws.data_constrained(N, epochs * U, U, **v)
        effective = ((L - v["E"] - v["A"] / N ** v["alpha"]) / v["B"]) ** (-1 / v["beta"])
        assert effective / U == pytest.approx(stated, abs=5e-4)


def test_data_constrained_is_chinchilla_while_data_are_fresh():
    v = laws.resolve("data_constrained:muennighoff2023").values
    base = {k: v[k] for k in ("E", "A", "alpha", "B", "beta")}
    N, D = np.geomspace(1e7, 1e8, 5), np.geomspace(1e10, 1e11, 5)
    fresh = laws.data_constrained(N, D, 10 * D, **v)
    np.testing.assert_allclose(fresh, laws.chinchilla(N, D, **base), rtol=1e-13)


def test_best_use_of_a_budget_on_25_billion_unique_tokens():
    """The notebook's grid optimum for 1e22 FLOP: 9.49 epochs and 7.022B parameters."""
    estimate = laws.resolve("data_constrained:muennighoff2023")
    N = np.geomspace(3e9, 2e10, 20_001)
    best = N[np.argmin(estimate.value(N=N, D=1e22 / (6 * N), U=25e9))]
    assert best == pytest.approx(7.022e9, rel=2e-3)
    assert 1e22 / (6 * best) / 25e9 == pytest.approx(9.49, rel=2e-3)


def test_nested_reaches_both_ends():
    N, D = np.geomspace(1e6, 1e12, 9), np.geomspace(1e12, 1e7, 9)
    c = laws.resolve("chinchilla:besiroglu2024").values
    np.testing.assert_allclose(laws.nested(N, D, **c, q=1.0), laws.chinchilla(N, D, **c), rtol=1e-13)
    k = laws.resolve("kaplan:kaplan2020").values
    joined = laws.nested(
        N,
        D,
        E=0.0,
        A=k["N_c"] ** k["alpha_N"],
        alpha=k["alpha_N"],
        B=k["D_c"] ** k["alpha_D"],
        beta=k["alpha_D"],
        q=k["alpha_D"],
    )
    np.testing.assert_allclose(joined, laws.kaplan(N, D, **k), rtol=1e-12)
    sharp = laws.nested(N, D, **c, q=0.001)
    larger = np.maximum(c["A"] / N ** c["alpha"], c["B"] / D ** c["beta"])
    np.testing.assert_allclose(sharp - c["E"], larger, rtol=2e-3)


def test_hestness_slopes():
    """Ten times the data multiplies word-model loss by 0.859 and ImageNet top-1 error by 0.491."""
    for slope, stated in ((0.066, 0.859), (0.309, 0.491)):
        assert laws.power(10.0, a=1.0, c=slope) == pytest.approx(stated, abs=5e-4)


@pytest.mark.parametrize(("key", "count"), [("besiroglu2024", 240), ("besiroglu2024-all", 245)])
def test_the_refits_of_2024_say_the_range_of_their_own_runs(key, count):
    home = Path(os.environ.get("SIMILITUDE_DATA", Path(__file__).parents[3] / "shared" / "data"))
    path = home / "chinchilla-epoch" / "data.csv"
    if not path.exists():
        pytest.skip("the published runs are not on this machine; set SIMILITUDE_DATA")
    with path.open() as file:
        rows = [r for r in csv.DictReader(file) if count == 245 or float(r["outlier"]) == 0]
    assert len(rows) == count
    within = laws.chinchilla.published[key].within
    for name, column in {"N": "params", "D": "tokens", "C": "flops"}.items():
        values = [float(r[column]) for r in rows]
        low, high = within[name]
        assert 0.98 * min(values) < low <= min(values)
        assert max(values) <= high < 1.02 * max(values)
