"""Masked diffusion: a bidirectional model that fills in hidden tokens, with a bound on the likelihood as its loss.

Every token of a sequence is hidden with a chance t ~ U(0, 1) of that sequence (.001 at least), and the model, whose
attention looks both ways and which is not told t, predicts the hidden ones; its loss is their cross-entropy / t. One
vector among the embeddings, counted, stands for hidden tokens. Losses in training are noisy.

Validation losses are an upper bound on nats a token, not the likelihood: the mean over `draws` masks a sequence,
always the same ones, spread evenly over the number of hidden tokens. They are of the same tokens that a causal model
predicts, which sees one token more, the first of the window. Each token is passed once in training, so FLOP are the
decoder's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ._intervention import Intervention
from ._mask_token import masked_leaves, masked_parts, masked_shape

__all__ = ["INTERVENTION", "bound_masks"]

LEAST = 1e-3  # the least chance of being masked, so that 1 / t stays finite (Nie et al. 2024)


def _parts(parts: Any, config: Any, settings: Any) -> Any:
    return replace(masked_parts(parts, config, settings), causal=False)


def bound_masks(tokens: Any, draws: int) -> tuple[Any, Any]:
    """Fixed noise for the bound: masks (sequences x draws, length), and the weight of a masked token of each row.

    Draw j of a sequence masks l = ceil(length x (j + u) / draws) tokens, each with the weight length / l, u in (0, 1]
    and the order of masking being a function of the sequence. l is then uniform over 1 to length, for which the
    expected loss is that of t ~ U(0, 1) and weights 1 / t (Nie et al. 2025, LLaDA, eq. 6), with less noise.
    """
    import jax
    import jax.numpy as jnp

    length = tokens.shape[1]

    def one(row: Any) -> tuple[Any, Any]:
        odd = jnp.arange(length, dtype=jnp.uint32) * 2 + 1
        mixed = jnp.sum(row.astype(jnp.uint32) * odd * jnp.uint32(2654435761))
        key = jax.random.fold_in(jax.random.key(0), mixed)
        share = (jnp.arange(draws) + 1 - jax.random.uniform(key)) / draws
        count = jnp.clip(jnp.ceil(share * length), 1, length)
        noise = jax.random.uniform(jax.random.fold_in(key, 1), (draws, length))
        rank = jnp.argsort(jnp.argsort(noise, -1), -1)
        return rank < count[:, None], length / count

    masks, weights = jax.vmap(one)(tokens)
    return masks.reshape(-1, length), weights.reshape(-1)


def _noise(tokens: Any, key: Any) -> tuple[Any, Any]:
    """Masks (sequences, length) of each token with chance t, one t ~ U(0, 1) a sequence, and weights 1 / t."""
    import jax

    t = LEAST + (1 - LEAST) * jax.random.uniform(key, (tokens.shape[0],))
    noise = jax.random.uniform(jax.random.fold_in(key, 1), tokens.shape)
    return noise < t[:, None], 1 / t


def _objective(decoder: Any, params: Mapping[str, Any], windows: Any, key: Any, config: Any, settings: Any) -> Any:
    """-E 1/t sum over masked tokens of log p(token | the others) / length, in nats a token."""
    import jax
    import jax.numpy as jnp

    tokens = windows[:, 1:]
    if key is None:
        masks, weights = bound_masks(tokens, settings["draws"])
        tokens = jnp.repeat(tokens, settings["draws"], axis=0)
    else:
        masks, weights = _noise(tokens, key)
    logits, losses = decoder.logits(params, jnp.where(masks, config.vocabulary, tokens))
    logits = logits.astype(jnp.float32)
    picked = jnp.take_along_axis(logits, tokens.reshape(-1, 1), 1)[:, 0]
    each = (jax.nn.logsumexp(logits, -1) - picked).reshape(tokens.shape)
    return (weights[:, None] * jnp.where(masks, each, 0.0)).mean(), losses


INTERVENTION = Intervention(
    name="diffusion",
    changes="Instead of the next token, a model that looks both ways predicts tokens that are hidden at random.",
    source="Nie et al. 2024, Scaling up Masked Diffusion Models on Text, eqs. 3-5; Nie et al. 2025, LLaDA, eq. 6",
    settings={"draws": 4},
    limits={"draws": (1, 4096)},
    shape=masked_shape,
    leaves=masked_leaves,
    parts=_parts,
    objective=_objective,
)
