"""Ranks of activations: a matrix of known spectrum, and a model's own rows."""

from __future__ import annotations

import numpy as np
import pytest

import similitude as sim
from similitude.lab import config_from
from similitude.lab._activations import covariances, power_law, spectrum_of
from similitude.lab._training import Training


@pytest.fixture
def known():
    """A covariance (48, 48) with eigenvalues 7 / rank^1.3 in directions drawn by a seed."""
    directions = np.linalg.qr(np.random.default_rng(3).standard_normal((48, 48)))[0]
    return directions @ np.diag(7.0 * np.arange(1, 49) ** -1.3) @ directions.T


def test_a_known_spectrum_is_found(known):
    found = spectrum_of(known)
    p = [r**-1.3 / sum(k**-1.3 for k in range(1, 49)) for r in range(1, 49)]
    assert found["largest"] == pytest.approx(7)
    assert found["exponent"] == pytest.approx(1.3, rel=1e-9)
    assert (found["exponent_from"], found["exponent_to"]) == (3, 24)
    assert found["hard_rank"] == pytest.approx(1 / sum(x * x for x in p))
    assert found["soft_rank"] == pytest.approx(np.prod([x**-x for x in p]))


def test_equal_directions_have_full_rank_and_no_slope_and_one_direction_has_rank_one():
    found = spectrum_of(2.5 * np.eye(12))
    assert {k: round(v, 9) for k, v in found.items()} == {
        "largest": 2.5, "hard_rank": 12, "soft_rank": 12, "exponent": 0, "exponent_from": 2, "exponent_to": 6,
    }  # fmt: skip
    one = spectrum_of(np.outer([3.0, 4.0, 0, 0, 0, 0, 0, 0], [3.0, 4.0, 0, 0, 0, 0, 0, 0]))
    assert {k: round(v, 9) for k, v in one.items()} == {"largest": 25, "hard_rank": 1, "soft_rank": 1}
    assert spectrum_of(np.zeros((4, 4))) == {"largest": 0.0}


def test_an_exponent_is_not_fitted_through_rounding():
    values = np.concatenate([np.arange(1, 9) ** -2.0, np.full(24, 1e-17)])
    assert power_law(values)["exponent_to"] == 8
    assert power_law(values)["exponent"] == pytest.approx(2)
    assert power_law(values[:5]) == {}


def test_a_model_s_covariances_are_those_of_its_rows_by_weight(small, text, tmp_path):
    other = tmp_path / "digits.txt"
    other.write_text("\n\n".join(" ".join(str(i * k % 97) for i in range(900)) for k in range(1, 40)))
    settings = small(2, activations=True)
    settings["data"]["domains"] = {text: 3.0, str(other): 1.0}
    training = Training(config_from(settings), lambda step, values: None)
    list(training.advance())
    params = {k: np.asarray(v, float) for k, v in training.state["params"].items()}
    parts = []
    for corpus in training.corpora:
        windows = training.held(corpus)
        rows = np.asarray(training.residuals(windows), float)
        assert training.loss_on(corpus) == pytest.approx(_loss_after(rows[-1], params, windows), rel=1e-5)
        assert np.mean(np.square(rows[1] - rows[0])) > 0.1 * np.mean(np.square(rows[0]))
        parts.append(rows)
    weights = np.repeat([3.0, 1.0], 16 * 32)
    measured = covariances(training)
    for layer, found in enumerate(measured):
        both = np.concatenate([p[layer] for p in parts])
        expected = np.cov(both.T, aweights=weights, ddof=0)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6 * np.trace(expected))
    final = sim.lab.train(settings).final
    assert final["activations/layer1/hard_rank"] == pytest.approx(spectrum_of(measured[1])["hard_rank"], rel=1e-5)
    assert not any(k.startswith("activations/") for k in sim.lab.train(small(2)).final)


def _loss_after(rows, params, windows):
    """The loss that the last norm and the tied head make of the last block's rows."""
    normed = rows / np.sqrt(np.mean(rows**2, -1, keepdims=True) + 1e-6) * params["norm"]
    logits = normed @ params["embed"].T
    targets = windows[:, 1:].reshape(-1)
    return np.mean(np.log(np.exp(logits).sum(-1)) - logits[np.arange(len(targets)), targets])
