"""Sizes of activations and gradients in the course of a run: which grow, and where, before a run diverges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ._leaf import Leaf

__all__ = ["gradient_norms", "root_mean_square"]


def root_mean_square(x: jax.Array) -> jax.Array:
    """Over all values, in 32 bits."""
    return jnp.sqrt(jnp.mean(jnp.square(x.astype(jnp.float32))))


def gradient_norms(gradients: Mapping[str, Any], leaves: Mapping[str, Leaf]) -> dict[str, jax.Array]:
    """Norms of the gradients of all matrices of a kind together, such as "qkv" of all blocks; gains are left out."""
    squares: dict[str, Any] = {}
    for name, gradient in gradients.items():
        if leaves[name].decays:
            kind = name.partition("/")[2] or name
            squares[kind] = squares.get(kind, 0.0) + jnp.sum(jnp.square(gradient.astype(jnp.float32)))
    return {kind: jnp.sqrt(square) for kind, square in squares.items()}
