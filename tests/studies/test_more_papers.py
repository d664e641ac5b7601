"""Studies on released data and by simulation: golden values of independent recomputations, closed forms and oracles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from similitude._errors import DataError
from similitude.runs import datasets
from similitude.studies import catalogue, reproduce
from similitude.studies.haegele import _pairs
from similitude.studies.laion import frontier
from similitude.studies.monkeys import pass_at_k
from similitude.studies.observational import components
from similitude.studies.regmix import rank_correlation
from similitude.studies.theory import _flow, _loss, _noise_scale


def ours(name: str) -> dict[str, float]:
    try:
        for data in catalogue()[name].data:
            datasets.load(data)
    except DataError:
        pytest.skip("published data not reachable")
    return {c.sentence: c.ours.value for c in reproduce(name).claims}


def test_annealing_law_refitted_elsewhere():
    found = ours("tissue2024")
    for size, (floor, gain, error) in {
        "25M": (3.1583, 0.4019, 0.0048),
        "100M": (2.7889, 0.4812, 0.0047),
        "400M": (2.5246, 0.5700, 0.0065),
    }.items():
        assert found[f"L0, {size}"] == pytest.approx(floor, rel=2e-3)
        assert found[f"C, {size}"] == pytest.approx(gain, rel=1e-2)
        assert found[f"mean absolute error over six unseen schedules, {size}"] == pytest.approx(error, abs=2e-4)


def test_cooldowns_are_paired_with_cosines_of_their_length():
    try:
        runs = datasets.load("lr-schedules", dataset="openwebtext2")
    except DataError:
        pytest.skip("published data not reachable")
    pairs = {(int(n), int(s)): (a, b) for n, s, a, b in _pairs(runs)}
    assert len(pairs) == 9
    assert pairs[93159040, 25000] == pytest.approx((3.124036, 3.113190), abs=1e-6)


def test_rank_correlation_is_spearman_s():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 60), rng.integers(0, 9, 60)
    assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, rel=1e-12)


def test_regressions_on_mixtures_as_made_elsewhere():
    found = ours("liu2024regmix")
    for model, value in {"1M": 90.21, "60M": 89.33, "1B": 87.66}.items():
        assert found[f"the same, least squares, {model} models, %"] == pytest.approx(value, abs=5e-3)


def test_the_best_run_of_each_bin_is_taken():
    try:
        runs = datasets.load("laion-comparison-seg", family="clip")
    except DataError:
        pytest.skip("published data not reachable")
    flop, error = frontier(runs, bins=4)
    assert np.all(np.diff(flop) > 0)
    assert error[-1] == pytest.approx(1 - runs.column("acc1").max())


def test_vision_language_prediction():
    found = ours("nezhurina2025")
    sentence = "zero-shot ImageNet accuracy predicted for MaMMUT L-14 on 12.8e9 unique samples, %"
    assert found[sentence] == pytest.approx(82.0, abs=0.5)


def test_value_based_fits_as_released():
    found = ours("fu2025")
    for suite, value in {"dmc_mean": 8.7, "dog_humanoid_mean": 6.7, "humanoid_bench_simbav2": 5.5}.items():
        assert found[f"relative error of the authors' fit, {suite}, %"] == pytest.approx(value, abs=0.05)
        assert found[f"relative error of our fit of the same form, {suite}, %"] <= value + 0.05


def test_spectral_exponents_as_released():
    found = ours("jha2026")
    assert found["exponent of the hard rank, AdamW"] == pytest.approx(0.2887, abs=5e-5)
    assert found["exponent of the soft rank, NorMuon"] == pytest.approx(1.0067, abs=5e-5)
    assert found["exponent of the hard rank on rare tokens, AdamW"] == pytest.approx(0.44, abs=5e-3)
    assert found["exponent of the hard rank on rare tokens, Muon"] == pytest.approx(1.02, abs=5e-3)


def test_the_unbiased_coverage_of_a_worked_example():
    assert pass_at_k(np.array([10.0]), np.array([3.0]), 5) == pytest.approx(0.91667, abs=5e-6)
    assert pass_at_k(np.array([10.0]), np.array([6.0]), 5) == 1.0


def test_coverage_as_computed_elsewhere():
    found = ours("brown2024")
    assert found["pass@10000, Pythia 70M"] == pytest.approx(0.2656, abs=5e-5)
    assert found["a of exp(-a k^-b), Pythia 12B"] == pytest.approx(4.310, abs=5e-4)
    assert found["b of exp(-a k^-b), Pythia 160M"] == pytest.approx(0.276, abs=5e-4)


def test_beta_binomials_as_computed_elsewhere():
    found = ours("schaeffer2025")
    assert found["alpha of the beta-binomial, Pythia 1B"] == pytest.approx(0.216, abs=5e-4)
    assert found["beta of the beta-binomial, Pythia 12B"] == pytest.approx(12.36, abs=6e-3)
    assert found["failure at k = 100 of Beta(0.5, 3)"] == pytest.approx(0.16393, abs=5e-6)


def test_components_are_those_of_an_eigenvalue_decomposition():
    rng = np.random.default_rng(3)
    scores = rng.standard_normal((50, 4)) @ np.diag([3.0, 2.0, 1.0, 0.1])
    _, shares = components(scores)
    values = np.sort(np.linalg.eigvalsh(np.cov(scores.T)))[::-1]
    np.testing.assert_allclose(shares, values / values.sum(), rtol=1e-10)


def test_observational_shares_as_computed_elsewhere():
    found = ours("ruan2024")
    for i, value in enumerate((0.843, 0.943, 0.974, 0.984, 0.992), 1):
        assert found[f"share of the first {i}"] == pytest.approx(value, abs=5e-4)


def test_ladder_predictions_as_released():
    found = ours("bhagia2024")
    for name, value in {"HellaSwag": 0.6532, "ARC-Easy": 0.5931, "OpenBookQA": 1.2750, "CommonsenseQA": 0.6617}.items():
        assert found[f"predicted bits per byte of the 13B model, {name}"] == pytest.approx(value, abs=1e-4), name


def test_gradients_of_the_toy_model():
    rng = np.random.default_rng(2)
    w, b, x = rng.standard_normal((3, 7)), rng.standard_normal(7), rng.random((5, 7))
    # the toy's shapes do not depend on its number of features here
    _, (gw, gb) = _loss(w, b, x)
    step = 1e-6
    for i in (0, 4):
        near = w.copy()
        near[1, i] += step
        assert (_loss(near, b, x)[0] - _loss(w, b, x)[0]) / step == pytest.approx(gw[1, i], rel=1e-4)
        near = b.copy()
        near[i] += step
        assert (_loss(w, near, x)[0] - _loss(w, b, x)[0]) / step == pytest.approx(gb[i], rel=1e-4)


def test_gradient_flow_of_random_features_is_the_matrix_exponential(monkeypatch):
    monkeypatch.setattr("similitude.studies.theory.MODES", 6)
    index = np.arange(1, 7.0)
    spectrum, power = index**-1.25, index**-0.25
    told = _flow(np.random.default_rng(5), 4, spectrum, power, np.array([0.0, 0.7]))
    assert told[0] == pytest.approx(float(np.sum(spectrum * power)), rel=1e-12)
    a = np.random.default_rng(5).standard_normal((4, 6)) / np.sqrt(6) * np.sqrt(spectrum)
    values, vectors = np.linalg.eigh(a.T @ a * 6 / 4)
    rest = vectors @ (np.exp(-0.7 * values) * (vectors.T @ np.sqrt(power * spectrum)))
    assert told[1] == pytest.approx(float(rest @ rest), rel=1e-10)


def test_steps_and_examples_trade_as_theory_says():
    found = ours("mccandlish2018")
    assert found["(S / S_min - 1)(E / E_min - 1), geometric mean over batches"] == pytest.approx(1, abs=0.1)
    assert found["noise scale from gradients at batches of 8 and 512 over the true one"] == pytest.approx(1, abs=0.1)
    assert _noise_scale(0.5) == pytest.approx(400.0)


def test_quanta_and_fixtures():
    assert ours("michaud2023")["mass of quanta not learnt after 100"] == pytest.approx(0.07614, abs=5e-6)
    assert ours("zhai2024")["hit rate at 100 gained by ten times the compute"] == pytest.approx(0.0449, abs=5e-5)
    assert ours("henighan2020")["exponent of the best size in compute, mean of the domains"] == pytest.approx(
        0.7, abs=0.02
    )


def test_double_descent_is_there():
    found = ours("nakkiran2019")
    assert found["widths at which a translation model is worse with 18,000 than with 4,000 samples"] == 6
    assert found["width of the highest loss with 18,000 samples over that with 4,000"] == pytest.approx(56 / 24)


@pytest.mark.slow
def test_forecasts_of_published_curves():
    found = ours("choshen2024")
    assert found["relative error of the largest OPT model's loss, from checkpoints of all smaller ones"] < 0.04
    slopes = ours("liu2025")
    assert slopes["exponent of squared overlaps of random directions in the width"] == pytest.approx(1, abs=0.05)
    assert ours("bordelon2024")["exponent of the loss in training time, wide model"] == pytest.approx(0.4, abs=0.04)
