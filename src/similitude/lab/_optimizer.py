"""Optimisers: optax's rules for the direction, our own last line for rate, width and decay, all of them traced."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp
import optax

from ._leaf import Leaf, rate_of
from ._settings import Config

__all__ = ["apply", "direction_of", "rates_of"]


def direction_of(config: Config, leaves: Mapping[str, Leaf]) -> optax.GradientTransformation:
    """The direction of a step, before the learning rate: Adam's, the momentum's, or Muon's for hidden matrices."""
    t = config.train
    adam = optax.scale_by_adam(b1=t.beta1, b2=t.beta2, eps=t.eps)
    if t.optimizer == "adamw":
        return adam
    if t.optimizer == "sgd":
        return optax.trace(decay=t.beta1)
    matrix = {k: "muon" if is_hidden_matrix(leaf) else "adam" for k, leaf in leaves.items()}
    muon = optax.contrib.scale_by_muon(beta=t.beta2, weight_dimension_numbers=_plain_matrices)
    return optax.partition({"muon": muon, "adam": adam}, matrix)


def is_hidden_matrix(leaf: Leaf) -> bool:
    """What Muon is for."""
    return leaf.role == "hidden" and len(leaf.shape) == 2


def _plain_matrices(updates: Any) -> Any:
    """Every array a matrix (in, out), for Muon."""
    return jax.tree.map(lambda _: optax.contrib.MuonDimensionNumbers(), updates)


def rates_of(config: Config, leaves: Mapping[str, Leaf]) -> dict[str, tuple[float, float]]:
    """For each leaf the factor on the learning rate, and that on its weight decay.

    Decay is not scaled with width: a step takes lr x weight_decay of every matrix, so that its equilibrium does not
    move. Muon's orthogonal direction is brought to the size of Adam's, .2 sqrt(larger side) (Liu et al. 2025).
    """
    found = {}
    for name, leaf in leaves.items():
        rate = rate_of(leaf, config.parameterisation, config.width_ratio, config.train.optimizer)
        if config.train.optimizer == "muon" and is_hidden_matrix(leaf):
            rate *= 0.2 * sqrt(max(leaf.shape))
        found[name] = (rate, 1.0 if leaf.decays else 0.0)
    return found


def apply(
    params: Mapping[str, Any],
    direction: Mapping[str, Any],
    rates: Mapping[str, tuple[float, float]],
    lr: Any,
    decay: Any,
) -> dict[str, jax.Array]:
    """Parameters after one step."""
    return {k: p - lr * (rates[k][0] * direction[k] + (decay * rates[k][1]) * p) for k, p in params.items()}


def global_norm(gradients: Mapping[str, Any]) -> jax.Array:
    """The norm of all gradients together."""
    return jnp.sqrt(sum(jnp.sum(jnp.square(g.astype(jnp.float32))) for g in gradients.values()))
