"""The LSTM against loops in NumPy, its declared counts, and what is refused of it."""

from __future__ import annotations

import math
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import similitude as sim
from lab.products import products_of
from similitude._errors import DataError
from similitude._recurrent import Recurrent
from similitude.lab import config_from
from similitude.lab._ladder import nearest_shape
from similitude.lab._leaf import count, first_values
from similitude.lab._optimizer import rates_of
from similitude.lab._outlook import bytes_of
from similitude.lab._step import compiled
from similitude.lab._train import name_of, training_flop
from similitude.lab._training import Training

SHAPES = [{"layers": 2, "width": 6, "tied": False}, {"layers": 1, "width": 10}]
BATCH, LENGTH = 3, 7


def _config(model, **more):
    train = {"steps": 1, "batch": BATCH}
    return config_from({"model": {"kind": "lstm", **model}, "data": {"sequence": LENGTH}, "train": train, **more})


def _model(model, **more):
    made = compiled(_config(model, **more))
    draw = np.random.default_rng(3)
    # larger than at first, so that all gates are felt
    params = {k: v + 0.4 * draw.standard_normal(v.shape) for k, v in first_values(made.leaves, 0).items()}
    return made, {k: v.astype(np.float32) for k, v in params.items()}


def _windows():
    return np.random.default_rng(5).integers(0, 256, (BATCH, LENGTH + 1)).astype(np.int32)


def _plain_loss(params, windows, layers):
    """The mean cross-entropy, token by token, in double precision."""
    params = {k: np.asarray(v, float) for k, v in params.items()}
    head = params.get("head", params["embed"].T)
    width, total = head.shape[0], 0.0
    for window in windows:
        h, c = np.zeros((2, layers, width))
        for token, target in pairwise(window):
            x = params["embed"][token]
            for n in range(layers):
                gates = x @ params[f"block{n}/input"] + h[n] @ params[f"block{n}/recurrent"] + params[f"block{n}/bias"]
                i, f, o = (1 / (1 + np.exp(-gates[k * width : (k + 1) * width] - (k == 1))) for k in (0, 1, 3))
                c[n] = f * c[n] + i * np.tanh(gates[2 * width : 3 * width])
                x = h[n] = o * np.tanh(c[n])
            logits = x @ head
            total += np.log(np.exp(logits).sum()) - logits[target]
    return total / windows[:, 1:].size


def test_loss_and_gradients_are_those_of_a_loop_in_numpy():
    shape = SHAPES[0]
    made, params = _model(shape)
    windows = _windows()
    value, gradients = jax.jit(jax.value_and_grad(lambda p: made.loss(p, {}, 0, windows, None)[0]))(params)
    assert float(value) == pytest.approx(_plain_loss(params, windows, shape["layers"]), rel=1e-5)
    draw = np.random.default_rng(6)
    for name, gradient in gradients.items():
        way = draw.standard_normal(gradient.shape)
        ends = [_plain_loss({**params, name: params[name] + e * way}, windows, shape["layers"]) for e in (1e-5, -1e-5)]
        slope = (ends[0] - ends[1]) / 2e-5
        assert float((np.asarray(gradient, float) * way).sum()) == pytest.approx(slope, rel=2e-4, abs=2e-6), name


@pytest.mark.parametrize("shape", SHAPES)
def test_arrays_and_products_are_those_declared(shape):
    config = _config(shape)
    made = compiled(config)
    params = {k: jnp.zeros(leaf.shape) for k, leaf in made.leaves.items()}
    assert count(made.leaves) == config.shape.parameters("total")
    tokens = _windows()[:, :-1]
    done = products_of(lambda p: made.decoder.logits(p, tokens)[0], params)
    assert done == config.shape.flop().forward * tokens.size
    whole = products_of(jax.grad(lambda p: made.loss(p, {}, 0, _windows(), None)[0]), params)
    assert whole == config.shape.flop().training * tokens.size == training_flop(config)


@pytest.mark.parametrize(("width", "millions"), [(650, 20), (1500, 66)])
def test_two_layers_on_ten_thousand_words_have_the_parameters_that_are_printed(width, millions):
    """Zaremba et al. (2014), as listed by Merity et al. (2018, table 1)."""
    shape = Recurrent(layers=2, width=width, vocabulary=10_000, context=35, tied=False)
    assert round(shape.parameters("total") / 1e6) == millions
    assert shape.parameters("without embeddings and head") == 2 * (8 * width**2 + 4 * width)
    assert shape.state_bytes() == 2 * 2 * width * 2


def test_it_learns_and_goes_on_from_a_file(small, tmp_path):
    settings = {**small(steps=40, lr=3e-2), "model": {"kind": "lstm", "layers": 1, "width": 16}}
    config = config_from(settings)
    run = sim.lab.train(config)
    assert run.final["val/loss"] < math.log(256) - 2
    training = Training(config, lambda *_: None)
    list(training.advance(25))
    training.save(tmp_path / "state")
    seen: dict = {}
    again = Training(config, lambda step, values: seen.update(values))
    again.load(tmp_path / "state")
    list(again.advance())
    assert seen["val/loss"] == run.final["val/loss"]
    assert run.config["n_params_no_emb_no_head"] == 8 * 16**2 + 4 * 16
    assert "-lstm-" in name_of(config)


def _gained(width):
    """How much one small step of Adam, at first the gradient's sign, lowers the loss of a few sequences."""
    made, _ = _model({"layers": 1, "width": width}, parameterisation="mup", base_width=16)
    params, windows = first_values(made.leaves, 0), _windows()
    loss = jax.jit(jax.value_and_grad(lambda p: made.loss(p, {}, 0, windows, None)[0]))
    value, gradients = loss(params)
    rates = rates_of(made.decoder.config, made.leaves)
    after = {k: (p - 0.0003 * rates[k][0] * np.sign(gradients[k])).astype(np.float32) for k, p in params.items()}
    return float(value - loss(after)[0])


def test_under_mup_a_step_lowers_the_loss_alike_at_every_width():
    assert 0.5 < _gained(128) / _gained(16) < 2  # more than 4 by the standard one


def test_its_cost_is_foreseen_and_its_width_found():
    config = _config({"layers": 2, "width": 64})
    assert bytes_of(config) > bytes_of(_config({"layers": 1, "width": 64}))
    model = nearest_shape(1e6, {"model": {"kind": "lstm", "layers": 2}})
    shape = config_from({"model": {"kind": "lstm", **model}}).shape
    assert model["layers"] == 2
    assert shape.parameters("total") == pytest.approx(1e6, rel=0.01)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"model": {"heads": 2}}, "model.heads = 2 says nothing of model.kind = 'lstm'"),
        ({"model": {"kv_heads": 2}}, "model.kv_heads = 2 says nothing of model.kind = 'lstm'"),
        ({"model": {"feed_forward": 8}}, "model.feed_forward = 8 says nothing of model.kind = 'lstm'"),
        ({"model": {"activation": "gelu"}}, "model.activation = 'gelu' says nothing of model.kind = 'lstm'"),
        ({"model": {"qk_norm": True}}, "model.qk_norm = true says nothing of model.kind = 'lstm'"),
        ({"parameterisation": "unit"}, "parameterisation = 'unit' with model.kind = 'lstm'"),
        ({"interventions": {"moe": {}}}, "'moe' cannot be in a run with model.kind = 'lstm'"),
        ({"model": {"width": 0}}, "model.width = 0; expected 1 or more"),
    ],
)
def test_settings_that_say_nothing_of_it_are_named(settings, sentence):
    with pytest.raises(DataError) as error:
        config_from({**settings, "model": {"kind": "lstm", **settings.get("model", {})}})
    assert sentence in str(error.value)
