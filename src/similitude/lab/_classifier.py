"""What all models of images share: pixels about zero, a linear head, what a batch is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ._images import Size
from ._leaf import Leaf
from ._norms import root_mean_square
from ._settings import Config

__all__ = ["Classifier", "layer_norm"]

Array = jax.Array
Params = Mapping[str, Any]
Seen = Callable[[Array], None]


@dataclass(frozen=True)
class Classifier:
    """A model of images; each kind says the arrays of its `body` and what `features` they make, (images, channels)."""

    config: Config

    def body(self) -> dict[str, Leaf]:
        """The arrays before the head."""
        raise NotImplementedError

    def features(self, params: Params, pixels: Array, seen: Seen) -> Array:
        """What the head reads, (images, `channels`), of pixels (images, height, width, channels) from -1 to 1.

        `seen` is told what each layer, convolution or block gives.
        """
        raise NotImplementedError

    @property
    def channels(self) -> int:
        """How many features there are."""
        return self.config.model.width

    @property
    def size(self) -> Size:
        """Pixels, channels and classes of the images."""
        return self.config.image_size

    def leaves(self) -> dict[str, Leaf]:
        """The arrays of the model by name."""
        classes = self.size.classes
        return {
            **self.body(),
            "head": Leaf((self.channels, classes), "output", self.channels, classes, 0.02),
            "head/bias": Leaf((classes,), "logit", 1, classes, fill=0.0),
        }

    def split(self, batch: tuple[Array, Array]) -> tuple[Array, Array]:
        """Images (images, height, width, channels) from 0 to 1, and their classes."""
        return batch

    def logits(self, params: Params, inputs: Array, seen: Seen = lambda x: None) -> tuple[Array, dict[str, Array]]:
        """Logits (images, classes); no auxiliary losses."""
        pixels = (2 * inputs - 1).astype(params["head"].dtype)
        return self.features(params, pixels, seen) @ params["head"] * (1 / self.config.width_ratio) + params[
            "head/bias"
        ], {}

    def norms(self, params: Params, inputs: Array) -> dict[str, Array]:
        """Root mean squares of what each layer gives, from 0, and of the logits."""
        outputs: list[Array] = []
        logits, _ = self.logits(params, inputs, outputs.append)
        found = {f"output/{i}": root_mean_square(x) for i, x in enumerate(outputs)}
        return {**found, "logits": root_mean_square(logits)}


def layer_norm(x: Array, scale: Array, offset: Array) -> Array:
    """Layer norm over the last axis (Ba et al. 2016)."""
    wide = x.astype(jnp.float32)
    centred = wide - wide.mean(-1, keepdims=True)
    normed = centred * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-6)
    return normed.astype(x.dtype) * scale + offset
