"""Masked-input regularisation: the next token is also predicted from inputs some of which are hidden.

The loss gains `weight` times the cross-entropy of the same next tokens, all of them, given inputs of which each,
after the first `kept`, is hidden with a chance drawn for its sequence from `least` to `most`. One vector among the
embeddings, counted, stands for hidden tokens. Training FLOP are twice the decoder's for the same tokens; validation
is as ever.

The paper's text was not at hand: this is its abstract, with weight, ratios, the tokens kept and the loss on all
targets as in the authors' code. Unsure: there the hidden token is one more row of the vocabulary, which the head can
predict too; here it cannot. Their dropout of .1 is not there; their weight decay of .8 is the run's own setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from similitude._errors import ArgumentError

from ._intervention import Intervention
from ._mask_token import masked_leaves, masked_parts, masked_shape

__all__ = ["INTERVENTION", "masked"]


def _check(config: Any, settings: Mapping[str, Any]) -> None:
    if settings["least"] > settings["most"]:
        raise ArgumentError(f"interventions.mir.most = {settings['most']}; expected {settings['least']} or more, "
                            "the least ratio")  # fmt: skip


def masked(tokens: Any, key: Any, mask: int, settings: Mapping[str, Any]) -> Any:
    """Tokens (sequences, length) of which each, after the first `kept`, is hidden with its sequence's chance."""
    import jax
    import jax.numpy as jnp

    low, high = settings["least"], settings["most"]
    ratio = low + (high - low) * jax.random.uniform(key, (tokens.shape[0], 1))
    hidden = jax.random.uniform(jax.random.fold_in(key, 1), tokens.shape) < ratio
    return jnp.where(hidden & (jnp.arange(tokens.shape[1]) >= settings["kept"]), mask, tokens)


def _objective(decoder: Any, params: Mapping[str, Any], windows: Any, key: Any, config: Any, settings: Any) -> Any:
    """NTP(x) + weight NTP(masked x), both in one pass."""
    import jax.numpy as jnp

    from similitude.lab._step import cross_entropy

    tokens, targets = windows[:, :-1], windows[:, 1:].reshape(-1)
    if key is None:
        return cross_entropy(decoder.logits(params, tokens)[0], targets)[0], {}
    both = jnp.concatenate([tokens, masked(tokens, key, config.vocabulary, settings)])
    logits, losses = decoder.logits(params, both)
    plain, squared = cross_entropy(logits[: targets.size], targets)
    hidden, _ = cross_entropy(logits[targets.size :], targets)
    if config.train.z_loss:
        losses = {**losses, "z": config.train.z_loss * squared}
    return plain, {**losses, "mir": settings["weight"] * hidden}


def _flop(flop: float, config: Any, settings: Any) -> float:
    return 2 * flop


INTERVENTION = Intervention(
    name="mir",
    changes="The loss gains `weight` times that of the same targets from inputs of which a random share is hidden.",
    source="Xu et al. 2026, Data-Constrained Language Model Pretraining, abstract and released code",
    settings={"weight": 0.4, "least": 0.0, "most": 0.5, "kept": 8},
    limits={"weight": (0.0, 100.0), "least": (0.0, 1.0), "most": (0.0, 1.0), "kept": (0, 1_000_000)},
    check=_check,
    shape=masked_shape,
    leaves=masked_leaves,
    parts=masked_parts,
    objective=_objective,
    flop=_flop,
)
