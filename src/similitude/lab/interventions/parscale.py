"""Parallel scaling: several streams through the same weights, each with a prefix of its own, and one weighted sum.

Every sequence is passed `streams` times; in each layer a stream has `prefix` keys and values of its own, learned and
without a position, that all its tokens see. The normed outputs are summed by weights that two layers with biases give
for each token, from all streams side by side, mixed with `smooth` parts of even weights. Blocks cost `streams` times
the FLOP, and the head is passed once. One stream is the plain decoder. The authors' prefix has 48 keys, at sequences
of 2048 tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from similitude.lab._leaf import Leaf, hidden

from ._intervention import Intervention
from ._reshaped import Reshaped

__all__ = ["INTERVENTION"]


def _head(config: Any) -> tuple[int, int]:
    """Heads of keys and values, and the width of one."""
    return config.model.kv_heads or config.model.heads, config.model.width // config.model.heads


def _shape(shape: Any, config: Any, settings: Mapping[str, Any]) -> Any:
    streams, keys, width = settings["streams"], settings["prefix"], config.model.width
    if streams == 1:
        return shape
    kv, head = _head(config)
    prefixes = config.model.layers * 2 * streams * kv * keys * head
    matrices = streams * width * width + width * streams
    return Reshaped(shape, passes=streams, keys=keys, body=prefixes + matrices + width + streams, around=2.0 * matrices)


def _leaves(leaves: Mapping[str, Leaf], config: Any, settings: Mapping[str, Any]) -> dict[str, Leaf]:
    """Prefixes (streams, kv heads, keys, head width) of every block, and the two layers that weigh the streams."""
    streams, width, found = settings["streams"], config.model.width, dict(leaves)
    if streams == 1:
        return found
    kv, head = _head(config)
    for block in sorted({name.partition("/")[0] for name in leaves if "/" in name}):
        for what in ("keys", "values"):
            shape = (streams, kv, settings["prefix"], head)
            found[f"{block}/prefix_{what}"] = Leaf(shape, "input", 1, head, 0.02)
    return found | {
        "streams/in": hidden(streams * width, width),
        "streams/in_bias": Leaf((width,), "vector", 1, width, fill=0.0),
        "streams/out": hidden(width, streams),
        "streams/out_bias": Leaf((streams,), "vector", 1, streams, fill=0.0),
    }


def _prefix(decoder: Any, block: Mapping[str, Any], sequences: int) -> tuple[Any, Any]:
    import jax.numpy as jnp

    keys, values = block["prefix_keys"], block["prefix_values"]
    each = sequences // keys.shape[0]
    return jnp.repeat(keys, each, axis=0), jnp.repeat(values, each, axis=0)


def _around(settings: Mapping[str, Any], decoder: Any, params: Mapping[str, Any], tokens: Any, forward: Any) -> Any:
    """All streams as one batch, stream by stream; then their normed outputs' weighted sum, row by row."""
    import jax
    import jax.numpy as jnp

    streams = settings["streams"]
    h, losses = decoder.body(params, jnp.tile(decoder.embed(params, tokens), (streams, 1)), tokens.shape[1])
    apart = h.reshape(streams, -1, h.shape[1])
    beside = apart.transpose(1, 0, 2).reshape(apart.shape[1], -1)
    inner = jax.nn.silu(beside @ params["streams/in"] + params["streams/in_bias"])
    weigh = jax.nn.softmax((inner @ params["streams/out"] + params["streams/out_bias"]).astype(jnp.float32), -1)
    weigh = weigh * (1 - settings["smooth"]) + settings["smooth"] / streams
    whole = (apart * weigh.T[:, :, None].astype(h.dtype)).sum(0)
    return decoder.head(params, whole), losses


def _parts(parts: Any, config: Any, settings: Mapping[str, Any]) -> Any:
    if settings["streams"] == 1:
        return parts
    prefix = _prefix if settings["prefix"] else None
    return replace(parts, around=partial(_around, settings), prefix=prefix)


INTERVENTION = Intervention(
    name="parscale",
    changes="Every sequence goes through the same weights in `streams` ways, whose outputs are summed.",
    source="Chen et al. 2025, Parallel Scaling Law for Language Models, section 2, and released code",
    settings={"streams": 2, "prefix": 8, "smooth": 0.01},
    limits={"streams": (1, 64), "prefix": (0, 4096), "smooth": (0.0, 1.0)},
    shape=_shape,
    leaves=_leaves,
    parts=_parts,
)
