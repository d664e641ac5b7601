"""Mixture of experts: each token meets the few feed-forward layers that a router chooses for it.

The feed-forward layer of every block becomes `experts` such layers, of inner width `width` (by default the dense
layer's). A linear router sends each token to `top_k` of them, weighted by its softmax: as it is for one expert a
token, brought to a sum of 1 for several. The loss gains, a layer, `balance` times experts x sum of (share of
assignments x mean probability), which is 1 where both are even, and `z` times the mean squared logarithm of the
router's partition sum.

The dispatch is sparse and drops nothing. Assignments of tokens to experts are sorted by expert and cut into blocks of
rows that share an expert; a block that an expert does not fill is padded. The number of blocks does not depend on the
routing, so that one compiled program serves all batches, and time follows the parameters that are active. A token's
result does not depend on the other tokens of its batch, as it would were experts of limited capacity. FLOP are those
of active parameters, without padding (up to a quarter more rows, see `blocks_of`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from similitude._errors import ArgumentError
from similitude.lab._leaf import Leaf, hidden

from ._intervention import Intervention

__all__ = ["INTERVENTION", "blocks_of"]


def _check(config: Any, settings: Mapping[str, Any]) -> None:
    if settings["top_k"] > settings["experts"]:
        raise ArgumentError(f"interventions.moe.top_k = {settings['top_k']}; there are {settings['experts']} experts")


def _inner(config: Any, settings: Mapping[str, Any]) -> int:
    return settings["width"] or config.model.inner()


def _shape(shape: Any, config: Any, settings: Mapping[str, Any]) -> Any:
    return replace(shape, experts=settings["experts"], experts_per_token=settings["top_k"],
                   expert_width=_inner(config, settings))  # fmt: skip


def _leaves(leaves: Mapping[str, Leaf], config: Any, settings: Mapping[str, Any]) -> dict[str, Leaf]:
    """Every feed-forward matrix becomes (experts, fan in, fan out); one expert's first values are the dense layer's."""
    m, experts, found = config.model, settings["experts"], dict(leaves)
    inner = _inner(config, settings)
    wide = inner * (2 if m.activation == "swiglu" else 1)
    for name, leaf in leaves.items():
        block, _, part = name.rpartition("/")
        if part == "up":
            found[name] = hidden(m.width, wide, shape=(experts, m.width, wide))
            found[f"{block}/router"] = hidden(m.width, experts)
        elif part == "down":
            shrink = 1 / (leaf.std * leaf.fan_in**0.5)
            found[name] = hidden(inner, m.width, shrink=shrink, shape=(experts, inner, m.width))
    return found


def blocks_of(assignments: int, experts: int) -> tuple[int, int]:
    """Rows of a block and number of blocks that hold so many assignments however they are routed.

    An expert wastes less than a block; blocks are at most a quarter of an expert's even share.
    """
    rows = 1
    while rows < 64 and rows * 8 * experts <= assignments:
        rows *= 2
    return rows, (assignments + experts * (rows - 1)) // rows


def _dispatch(choice: Any, experts: int) -> tuple[Any, Any, Any]:
    """Where each assignment (rows, k) stands among the blocks' rows, the assignment there, and each block's expert."""
    import jax.numpy as jnp

    flat = choice.reshape(-1)
    size, count = blocks_of(flat.shape[0], experts)
    order = jnp.argsort(flat, stable=True)
    loads = jnp.zeros(experts, jnp.int32).at[flat].add(1)
    ends = jnp.cumsum(-(-loads // size))  # in blocks
    begins, first = ends - (-(-loads // size)), jnp.cumsum(loads) - loads
    expert = flat[order]
    place = begins[expert] * size + jnp.arange(flat.shape[0]) - first[expert]
    slots = jnp.full(size * count, flat.shape[0], jnp.int32).at[place].set(order.astype(jnp.int32))
    owner = jnp.minimum(jnp.searchsorted(ends, jnp.arange(count), side="right"), experts - 1)
    return jnp.zeros_like(flat).at[order].set(place.astype(flat.dtype)), slots, owner


def _experts(decoder: Any, block: Mapping[str, Any], x: Any, choice: Any) -> Any:
    """What the chosen experts make of each row: (rows, k, width)."""
    import jax.numpy as jnp

    k, experts = choice.shape[1], block["up"].shape[0]
    if experts == 1:
        return decoder.linear(decoder.activate(decoder.linear(x, block["up"][0], "up", block)), block["down"][0],
                              "down", block)[:, None]  # fmt: skip
    places, slots, owner = _dispatch(choice, experts)
    rows = jnp.concatenate([x, jnp.zeros_like(x[:1])])[slots // k]
    rows = rows.reshape(owner.shape[0], -1, x.shape[1])
    inner = decoder.activate(jnp.matmul(rows, block["up"][owner]))
    out = jnp.matmul(inner, block["down"][owner]).reshape(-1, x.shape[1])
    return out[places].reshape(-1, k, x.shape[1])


def _feed_forward(settings: Mapping[str, Any], decoder: Any, block: Mapping[str, Any], x: Any) -> Any:
    import jax
    import jax.numpy as jnp

    experts = settings["experts"]
    logits = jnp.matmul(x, block["router"]).astype(jnp.float32)
    chances = jax.nn.softmax(logits, -1)
    weight, choice = jax.lax.top_k(chances, settings["top_k"])
    if settings["top_k"] > 1:
        weight = weight / weight.sum(-1, keepdims=True)
    y = (_experts(decoder, block, x, choice) * weight[:, :, None].astype(x.dtype)).sum(1)
    share = jnp.zeros(experts).at[choice.reshape(-1)].add(1.0) / choice.size
    losses = {"balance": settings["balance"] * experts * jnp.sum(share * chances.mean(0))}
    if settings["z"]:
        losses["router_z"] = settings["z"] * jnp.square(jax.nn.logsumexp(logits, -1)).mean()
    return y, losses


def _parts(parts: Any, config: Any, settings: Mapping[str, Any]) -> Any:
    return replace(parts, feed_forward=partial(_feed_forward, settings))


INTERVENTION = Intervention(
    name="moe",
    changes="The feed-forward layer becomes `experts` layers, of which a router sends each token to `top_k`.",
    source="Fedus, Zoph & Shazeer 2022, Switch Transformers, eqs. 4-6; router z-loss: Zoph et al. 2022, ST-MoE, eq. 5",
    settings={"experts": 4, "top_k": 1, "width": None, "balance": 0.01, "z": 0.0},
    limits={"experts": (1, 4096), "top_k": (1, 4096), "width": (1, 1_000_000), "balance": (0.0, 10.0), "z": (0.0, 1.0)},
    check=_check,
    shape=_shape,
    leaves=_leaves,
    parts=_parts,
)
