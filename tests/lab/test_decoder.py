"""The decoder against what it must be: plain attention, no look ahead, the parameters that were declared."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from similitude.lab import config_from
from similitude.lab._attention import attend, rotary, rotate
from similitude.lab._leaf import count, first_values
from similitude.lab._optimizer import apply, direction_of, rates_of
from similitude.lab._step import compiled, cross_entropy

SHAPES = [
    {"layers": 2, "width": 16, "heads": 2},
    {"layers": 1, "width": 32, "heads": 4, "kv_heads": 2, "activation": "gelu"},
    {"layers": 3, "width": 24, "heads": 2, "tied": False, "qk_norm": True},
    {"layers": 1, "width": 16, "heads": 1, "feed_forward": 20},
]


def _plain(q, k, v, scale, causal):
    scores = jnp.einsum("nqd,nkd->nqk", q, k) * scale
    if causal:
        scores = jnp.where(jnp.tril(jnp.ones(scores.shape[1:], bool)), scores, -jnp.inf)
    return jnp.einsum("nqk,nkd->nqd", jax.nn.softmax(scores, -1), v)


@pytest.mark.parametrize(("length", "causal"), [(32, True), (192, True), (192, False), (100, True)])
def test_attention_and_its_own_backward_pass_are_those_of_the_plain_formula(length, causal):
    q, k, v, g = (jax.random.normal(jax.random.key(i), (3, length, 8)) for i in range(4))
    value, pull = jax.vjp(lambda *a: attend(*a, 0.35, causal), q, k, v)
    expected, plain_pull = jax.vjp(lambda *a: _plain(*a, 0.35, causal), q, k, v)
    np.testing.assert_allclose(value, expected, atol=2e-6)
    for ours, theirs in zip(pull(g), plain_pull(g), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_rotary_positions_keep_lengths_and_depend_on_distance_alone():
    q, k = (jax.random.normal(jax.random.key(i), (1, 1, 16)) for i in range(2))
    turns = rotary(40, 16)
    q, k = (rotate(jnp.repeat(a, 40, 1), *turns)[0] for a in (q, k))
    np.testing.assert_allclose(jnp.linalg.norm(q, axis=-1), jnp.linalg.norm(q[0]), rtol=1e-5)
    products = q @ k.T
    np.testing.assert_allclose(products[7, 2], products[30, 25], rtol=1e-4)


def test_rotary_positions_are_constants_of_the_program():
    cosine, sine = rotary(5, 8)
    assert cosine[3, 1] == np.float32(math.cos(3 * 10_000 ** (-2 / 8)))
    assert sine[4, 3] == np.float32(math.sin(4 * 10_000 ** (-6 / 8)))
    _, made, params = _decoder({"layers": 1, "width": 8, "heads": 1})
    text = made.evaluate.lower(params, {}, 0, np.zeros((2, 33), np.int32)).as_text()
    assert "cosine" not in text
    assert "stablehlo.exponential" in text


def _decoder(model, **more):
    config = config_from({"model": model, "data": {"sequence": 32}, "train": {"steps": 1, "batch": 2}, **more})
    made = compiled(config)
    return config, made, {k: jnp.asarray(v) for k, v in first_values(made.leaves, 0).items()}


@pytest.mark.parametrize("model", SHAPES)
def test_the_arrays_are_the_parameters_that_the_shape_counts(model):
    config, made, _ = _decoder(model)
    assert count(made.leaves) == config.shape.parameters("total")


@pytest.mark.parametrize("model", SHAPES)
def test_a_position_sees_nothing_that_follows(model):
    _, made, params = _decoder(model)
    tokens = jax.random.randint(jax.random.key(3), (1, 32), 0, 256)
    changed = tokens.at[0, 20:].set(7)
    first, second = (made.decoder.logits(params, t)[0] for t in (tokens, changed))
    np.testing.assert_array_equal(first[:20], second[:20])
    assert jnp.abs(first[20:] - second[20:]).max() > 1e-4


def test_cross_entropy_is_that_of_optax():
    logits, targets = jax.random.normal(jax.random.key(0), (50, 11)) * 3, jnp.arange(50) % 11
    value, squared = cross_entropy(logits, targets)
    expected = optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()
    assert float(value) == pytest.approx(float(expected), rel=1e-6)
    assert float(squared) == pytest.approx(float((jax.nn.logsumexp(logits, -1) ** 2).mean()), rel=1e-6)


def test_a_step_of_adamw_is_optax_s_with_decay_on_matrices_alone():
    config, made, params = _decoder(SHAPES[0])
    gradients = {k: jnp.sin(jnp.arange(v.size).reshape(v.shape)) for k, v in params.items()}
    mask = {k: v.ndim == 2 for k, v in params.items()}
    peer = optax.adamw(0.01, b1=0.9, b2=0.95, eps=1e-15, weight_decay=0.1, mask=mask)
    direction, rates = direction_of(config, made.leaves), rates_of(config, made.leaves)
    state, theirs, ours, expected = direction.init(params), peer.init(params), params, params
    for _ in range(3):
        towards, state = direction.update(gradients, state, ours)
        ours = apply(ours, towards, rates, 0.01, 0.1)
        moves, theirs = peer.update(gradients, theirs, expected)
        expected = optax.apply_updates(expected, moves)
    for name in params:
        np.testing.assert_allclose(ours[name], expected[name], rtol=1e-5, atol=1e-7, err_msg=name)


def test_muon_moves_hidden_matrices_by_nearly_orthogonal_directions():
    config, made, params = _decoder(SHAPES[0], train={"steps": 1, "batch": 2, "optimizer": "muon"})
    direction = direction_of(config, made.leaves)
    gradients = {k: jax.random.normal(jax.random.key(5), v.shape) for k, v in params.items()}
    towards, _ = direction.update(gradients, direction.init(params), params)
    singular = np.linalg.svd(towards["block0/qkv"], compute_uv=False)
    assert singular.min() > 0.5
    assert singular.max() < 1.5
    assert np.abs(np.abs(towards["embed"]) - 1).max() < 1e-3  # Adam's first step is the sign


def _gained(width, parameterisation):
    """How much one small step of Adam lowers the loss of one sequence."""
    model = {"layers": 1, "width": width, "heads": width // 16}
    config, made, params = _decoder(model, parameterisation=parameterisation, base_width=32)
    windows = jax.random.randint(jax.random.key(1), (1, 33), 0, 256)
    loss = jax.jit(lambda p: made.loss(p, {}, 0, windows, None)[0])
    direction = direction_of(config, made.leaves)
    towards, _ = direction.update(jax.grad(loss)(params), direction.init(params), params)
    return float(loss(params) - loss(apply(params, towards, rates_of(config, made.leaves), 0.0003, 0.0)))


def test_under_mup_a_step_lowers_the_loss_alike_at_every_width():
    standard, mup = ([_gained(width, kind) for width in (32, 128)] for kind in ("standard", "mup"))
    assert standard[0] == pytest.approx(mup[0], rel=1e-4)  # the base width is the same model
    assert standard[1] / standard[0] > 4
    assert 0.6 < mup[1] / mup[0] < 1.4
