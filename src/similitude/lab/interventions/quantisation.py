"""Weights rounded to few bits, in training or after it: integers, and the 8 and 4 bit floating-point formats.

The matrices of attention and feed-forward layers are rounded to `format`, with a scale for each output channel or
each matrix (`per`), symmetric about 0. With `during`, the forward pass of training sees the rounded weights and the
gradient passes straight through; `val/loss` is then that of rounded weights. Without, training is the plain one.
Either way the validation losses after training with weights in `format`, and in the formats of `after`, are measured
(`quantised/int4/loss`), and the bytes of all weights (`quantised/int4/weight_bytes`).

Rounding is simulated: products are those of the run's own type, activations and gradients are not rounded, and time
and FLOP are those of the plain model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from similitude.lab._leaf import Leaf, is_matrix

from ._intervention import Intervention, without

__all__ = ["FORMATS", "INTERVENTION", "Format", "rounded"]


@dataclass(frozen=True, slots=True)
class Format:
    """A grid of numbers that is symmetric about 0, and saturates at `largest`.

    `mantissa` bits after the point and the exponent `lowest` of the least normal number make it floating-point; without
    `mantissa` it is that of the whole numbers.
    """

    bits: int
    largest: float
    mantissa: int | None = None
    lowest: int = 0

    @property
    def smallest(self) -> float:
        """The least positive number."""
        return 1.0 if self.mantissa is None else 2.0 ** (self.lowest - self.mantissa)


FORMATS: Mapping[str, Format] = {
    "int8": Format(8, 127),
    "int4": Format(4, 7),
    "int3": Format(3, 3),
    "int2": Format(2, 1),  # -1, 0 and 1
    "e4m3": Format(8, 448, 3, -6),  # Micikevicius et al. 2022, table 1: no infinities, one pattern is no number
    "e5m2": Format(8, 57344, 2, -14),
    "e2m1": Format(4, 6, 1, 0),  # Rouhani et al. 2023 (OCP microscaling formats): 0, .5, 1, 1.5, 2, 3, 4, 6
}


def rounded(x: Any, name: str) -> Any:
    """The nearest numbers of a format, ties to the even one; what is beyond the largest becomes the largest."""
    import jax.numpy as jnp

    form = FORMATS[name]
    if form.mantissa is None:
        return jnp.clip(jnp.round(x), -form.largest, form.largest)
    exponent = jnp.maximum(jnp.frexp(x)[1] - 1, form.lowest)  # of the leading bit
    step = jnp.ldexp(jnp.ones_like(x), exponent - form.mantissa)
    return jnp.clip(jnp.round(x / step) * step, -form.largest, form.largest)


def quantised(w: Any, name: str, per: str) -> Any:
    """What a matrix (..., fan in, fan out) is in a format, with one scale, or one for each output channel.

    A scale takes the largest magnitude to the format's largest number.
    """
    import jax.numpy as jnp

    most = jnp.max(jnp.abs(w), axis=-2 if per == "channel" else (-2, -1), keepdims=True)
    scale = jnp.where(most > 0, most / FORMATS[name].largest, 1.0)
    return rounded(w / scale, name) * scale


def _weights(params: Mapping[str, Any], extra: Any, step: Any, config: Any, settings: Mapping[str, Any]) -> Any:
    """Forward the rounded matrices, backward as if they had not been rounded."""
    from jax.lax import stop_gradient

    if not settings["during"]:
        return params

    def through(w: Any) -> Any:
        q = quantised(stop_gradient(w), settings["format"], settings["per"])
        return q + (w - stop_gradient(w))  # exactly q, with the gradient of w

    return {k: through(w) if is_matrix(k) else w for k, w in params.items()}


def bytes_of(leaves: Mapping[str, Leaf], name: str, per: str) -> float:
    """Bytes of all weights: matrices in the format, a scale of 32 bits a matrix or channel, the rest in 32 bits."""
    found = 0.0
    for key, leaf in leaves.items():
        if is_matrix(key):
            matrices = leaf.size // (leaf.shape[-1] * leaf.shape[-2])
            found += leaf.size * FORMATS[name].bits / 8 + 4 * matrices * (leaf.shape[-1] if per == "channel" else 1)
        else:
            found += 4 * leaf.size
    return found


def _measure(training: Any, config: Any, settings: Mapping[str, Any]) -> dict[str, float]:
    """Validation losses and bytes with the trained weights rounded to the format and to those of `after`."""
    from similitude.lab._step import compiled

    leaves, params, per = training.functions.leaves, training.state["params"], settings["per"]
    plain = compiled(without(training.now, "quantisation"))  # which does not round what is rounded once more
    found = {"weight_bytes": float(4 * sum(leaf.size for leaf in leaves.values()))}
    for name in dict.fromkeys([settings["format"], *settings["after"]]):
        rounds = {k: quantised(w, name, per) if is_matrix(k) else w for k, w in params.items()}
        found |= training.losses(rounds, f"quantised/{name}", plain)
        found[f"quantised/{name}/weight_bytes"] = bytes_of(leaves, name, per)
    return found


INTERVENTION = Intervention(
    name="quantisation",
    changes="The matrices of attention and feed-forward layers are rounded to `format`, in training or after it.",
    source=(
        "Perez et al. 2023, Training and inference of large language models using 8-bit floating point (scales); Wu et "
        "al. 2023, ZeroQuant-FP (FP4 weights); straight-through gradient: Bengio et al. 2013"
    ),
    settings={"format": "int8", "per": "channel", "during": True, "after": []},
    limits={"format": tuple(FORMATS), "per": ("channel", "tensor"), "after": tuple(FORMATS)},
    weights=_weights,
    measure=_measure,
)
