"""Unit scaling: variances near one at first, gradients that are true up to a factor, and a run that learns."""

from __future__ import annotations

import math
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from similitude._errors import DataError
from similitude.lab import _unit, config_from
from similitude.lab._leaf import first_values
from similitude.lab._step import compiled
from similitude.lab._training import Training

SHAPES = [
    {"layers": 2, "width": 32, "heads": 2},
    {"layers": 1, "width": 32, "heads": 4, "kv_heads": 2, "activation": "gelu", "qk_norm": True},
]
BATCH, LENGTH = 8, 64


def _model(model):
    config = config_from({"model": {"tied": False, **model}, "parameterisation": "unit", "data": {"sequence": LENGTH},
                          "train": {"steps": 1, "batch": BATCH}})  # fmt: skip
    made = compiled(config)
    windows = np.random.default_rng(1).integers(0, 256, (BATCH, LENGTH + 1)).astype(np.int32)
    return made, {k: jnp.asarray(v) for k, v in first_values(made.leaves, 0).items()}, windows


@cache
def _gradients(shape):
    made, params, windows = _model(SHAPES[shape])
    return jax.jit(jax.grad(lambda p: made.loss(p, {}, 0, windows, None)[0]))(params)


def _scales(shape, monkeypatch):
    """Root mean squares of weights, of all that products and blocks give, and of the weights' gradients."""
    made, params, windows = _model(shape)
    kind = type(made.decoder)
    plain = {name: getattr(kind, name) for name in ("linear", "activate", "embed", "head")}

    @jax.jit
    def measured(params):
        seen: dict = {}

        def watched(name):
            def call(self, *arguments):
                y = plain[name](self, *arguments)
                seen[f"{arguments[2] if name == 'linear' else name} {len(seen)}"] = y
                return y

            return call

        with monkeypatch.context() as patch:
            for name in plain:
                patch.setattr(kind, name, watched(name))
            blocks: list = []
            decoder, tokens = made.decoder, windows[:, :-1]
            decoder.head(params, decoder.body(params, decoder.embed(params, tokens), LENGTH, blocks.append)[0])
        return {**seen, **{f"block {i}": h for i, h in enumerate(blocks)}}

    found = measured(params)
    found |= {f"gradient {k}": g for k, g in _gradients(SHAPES.index(shape)).items()}
    found |= {f"weight {k}": p for k, p in params.items()}
    return {k: float(np.sqrt(np.mean(np.square(v)))) for k, v in found.items()}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_weight_activation_and_gradient_begins_near_one(shape, monkeypatch):
    """A tenth to ten is what the authors' user guide expects; all but gains are within a factor of three."""
    scales = _scales(shape, monkeypatch)
    layers = shape["layers"]  # what table and head give, four products and what is between them, blocks; arrays
    assert len(scales) == 2 + 6 * layers + 2 * (3 + 6 * layers)
    assert 0.1 < min(scales.values()) < max(scales.values()) < 10
    rest = {k: v for k, v in scales.items() if "norm" not in k}
    assert min(rest.values()) > 1 / 3, min(rest, key=rest.__getitem__)
    assert max(rest.values()) < 3, max(rest, key=rest.__getitem__)
    gradients = [v for k, v in rest.items() if k.startswith("gradient")]
    assert 0.7 < math.exp(np.mean(np.log(gradients))) < 1.4


def test_each_gradient_is_the_loss_s_own_times_a_factor(monkeypatch):
    """Theorem 5.2: factors on edges that are no cut edges would turn it."""
    ours = _gradients(1)
    monkeypatch.setattr(_unit, "scaled", lambda x, forward, backward: x * forward)
    for name, true in _gradients.__wrapped__(1).items():
        one, other = np.asarray(ours[name], float).ravel(), np.asarray(true, float).ravel()
        assert one @ other / np.sqrt((one @ one) * (other @ other)) == pytest.approx(1, abs=1e-6), name
        assert np.sqrt(one @ one / (other @ other)) > 10, name  # and it is another factor


def test_the_head_s_gradient_has_the_factors_of_the_paper():
    made, params, windows = _model(SHAPES[1])
    decoder, tokens = made.decoder, windows[:, :-1]
    h = jax.jit(lambda p: decoder.body(p, decoder.embed(p, tokens), LENGTH)[0])(params)
    logits = np.asarray(decoder.head(params, h), float)
    h = np.asarray(h, float)
    np.testing.assert_allclose(logits, h @ np.asarray(params["head"], float) / 32**0.5, rtol=1e-3, atol=1e-4)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    p[np.arange(len(p)), windows[:, 1:].ravel()] -= 1  # the gradient of the sum over rows
    expected = h.T @ p * 256 / 255**0.5 / len(p) ** 0.5
    np.testing.assert_allclose(_gradients(1)["head"], expected, rtol=1e-3, atol=1e-3)


def test_factors_are_those_of_standard_normal_inputs():
    z, weight = np.polynomial.hermite_e.hermegauss(80)
    weight = weight / weight.sum()
    half = 1 / (1 + np.exp(-z))
    assert (weight @ (z * half) ** 2) ** 0.5 == pytest.approx(_unit.SILU, abs=1e-4)
    assert (weight @ (half * (1 + z * (1 - half))) ** 2) ** 0.5 == pytest.approx(_unit.SILU_SLOPE, abs=1e-4)
    printed = pytest.approx(1.701, abs=1e-3), pytest.approx(1.481, abs=1e-3)  # in the paper's table A.2
    assert printed == (1 / _unit.GELU, 1 / _unit.GELU_SLOPE)
    scores = np.random.default_rng(0).standard_normal((40, LENGTH, LENGTH))
    p = np.tril(np.exp(scores))
    p /= p.sum(-1, keepdims=True)
    decoder = _model(SHAPES[0])[0].decoder
    assert decoder.attention_scale == pytest.approx((p**2).sum(-1).mean() ** -0.5, rel=0.08)


def test_it_learns_by_steps_whose_gradients_are_clipped_at_a_root_mean_square_of_one(small):
    settings = {**small(steps=40, lr=0.05, warm_up=1, optimizer="sgd", beta1=0.0, weight_decay=0.0),
                "parameterisation": "unit"}  # fmt: skip
    settings["model"]["tied"] = False
    seen: list = []
    training = Training(config_from(settings), lambda step, values: seen.append(values))
    before = {k: np.asarray(v, float) for k, v in training.state["params"].items()}
    list(training.advance(1))
    moved = sum(((np.asarray(v, float) - before[k]) ** 2).sum() for k, v in training.state["params"].items())
    assert math.sqrt(moved / sum(v.size for v in before.values())) == pytest.approx(training.rates[0], rel=1e-3)
    list(training.advance())
    assert seen[0]["train/loss"] == pytest.approx(math.log(256) + 0.5, rel=0.03)  # of logits with a variance of one
    assert seen[-1]["val/loss"] < 1.5


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "model.tied = true with parameterisation = 'unit'"),
        ({"model": {"tied": False}, "interventions": {"moe": {}}}, "'unit' is of the plain decoder: 'moe'"),
    ],
)
def test_what_its_factors_do_not_hold_of_is_refused(settings, sentence):
    with pytest.raises(DataError) as error:
        config_from({**settings, "parameterisation": "unit"})
    assert sentence in str(error.value)
