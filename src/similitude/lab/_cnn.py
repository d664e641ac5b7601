"""A plain convolution net: stages of 3x3 convolutions, each with a layer norm over channels and a rectifier.

A convolution is a product of two matrices, of all squares of 3x3 pixels and the weights of all filters: on a CPU it
takes 0.8 to 1.6 times as long as JAX's own, and Muon, ranks and counts see the matrix that it is. The norm is over the
channels of each place (as in Liu et al. 2022), so that an image's logits depend on that image alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp

from similitude._vision import PlainConvolutionNet

from ._classifier import Classifier, Seen, layer_norm
from ._leaf import Leaf, gain, hidden, offset
from ._settings import Config

__all__ = ["ConvolutionNet", "model"]

Array = jax.Array
KERNEL = 3


@dataclass(frozen=True)
class ConvolutionNet(Classifier):
    """Stages as `PlainConvolutionNet` says; the head reads the mean over places. First values as in He et al. 2015."""

    @property
    def shape(self) -> PlainConvolutionNet:
        """The convolutions there are."""
        return self.config.shape

    @property
    def channels(self) -> int:
        """Channels of the last stage."""
        return self.shape.features

    def body(self) -> dict[str, Leaf]:
        """Of each convolution the weights, (9 x channels, filters), pixel by pixel of the square, and its norm."""
        found = {}
        for i, c in enumerate(self.shape.convolutions()):
            seen = KERNEL**2 * c.channels
            first = Leaf((seen, c.filters), "input", seen, c.filters, sqrt(2 / seen))
            found |= {
                f"conv{i}": hidden(seen, c.filters, shrink=1 / sqrt(2)) if i else first,
                f"conv{i}/scale": gain(c.filters),
                f"conv{i}/offset": offset(c.filters),
            }
        return found

    def features(self, params: Mapping[str, Any], pixels: Array, seen: Seen) -> Array:
        """The mean over places of the last convolution, (images, channels)."""
        x, m = pixels, self.config.model
        for i in range(m.layers * len(m.strides)):
            stride = 1 if i % m.layers else m.strides[i // m.layers]
            squares = squares_of(x, stride)
            rows = squares.reshape(-1, squares.shape[-1]) @ params[f"conv{i}"]
            rows = jax.nn.relu(layer_norm(rows, params[f"conv{i}/scale"], params[f"conv{i}/offset"]))
            seen(rows)
            x = rows.reshape(*squares.shape[:3], -1)
        return x.mean((1, 2))


def squares_of(x: Array, stride: int) -> Array:
    """The 3x3 pixels about every `stride`-th place, zeros beyond the border, (images, height, width, 9 x channels)."""
    count, height, width, channels = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    steps = (1, stride, stride, 1)
    return jnp.concatenate(
        [
            jax.lax.slice(padded, (0, i, j, 0), (count, i + height, j + width, channels), steps)
            for i in range(KERNEL)
            for j in range(KERNEL)
        ],
        -1,
    )


def model(config: Config) -> ConvolutionNet:
    """The model of a run."""
    return ConvolutionNet(config)
