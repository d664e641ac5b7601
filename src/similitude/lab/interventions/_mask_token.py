"""A token that stands for a hidden one: one more vector among the embeddings, which the head never predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from similitude.lab._leaf import Leaf

from ._reshaped import Reshaped

__all__ = ["masked_leaves", "masked_parts", "masked_shape"]


def masked_shape(shape: Any, config: Any, settings: Any) -> Any:
    """The shape with one vector more; tokens cost what they did."""
    return Reshaped(shape, embeddings=config.model.width)


def masked_leaves(leaves: Mapping[str, Leaf], config: Any, settings: Any) -> dict[str, Leaf]:
    """The leaves with that vector, of the embedding table's deviation."""
    return {**leaves, "mask": replace(leaves["embed"], shape=(1, config.model.width))}


def masked_parts(parts: Any, config: Any, settings: Any) -> Any:
    """An embedding that knows the token `config.vocabulary`."""
    return replace(parts, embed=_embed)


def _embed(decoder: Any, params: Mapping[str, Any], tokens: Any) -> Any:
    import jax.numpy as jnp

    table = jnp.concatenate([params["embed"], params["mask"]])
    return table[tokens].reshape(-1, decoder.config.model.width)
