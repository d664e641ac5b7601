"""A vision transformer (Dosovitskiy et al. 2021): patches, positions, pre-norm blocks with biases, a linear head.

The head reads the mean over patches instead of a token of its own, and positions may be sines of both coordinates
(Beyer et al. 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._attention import attend
from ._classifier import Classifier, Seen, layer_norm
from ._leaf import Leaf, gain, hidden, of_block, offset
from ._settings import Config

__all__ = ["VisionTransformer", "model", "sine_positions"]

Array = jax.Array
Params = Mapping[str, Any]


@dataclass(frozen=True)
class VisionTransformer(Classifier):
    """`layers` blocks of attention over all patches and a GELU layer, each behind a layer norm."""

    @property
    def side(self) -> int:
        """Patches along a side."""
        return self.size.height // self.config.model.patch

    def body(self) -> dict[str, Leaf]:
        """Projection of patches, positions where they are learned, blocks, and the last norm."""
        m = self.config.model
        pixels, deep = m.patch**2 * self.size.channels, sqrt(2 * m.layers)
        found = {
            "patch": Leaf((pixels, m.width), "input", pixels, m.width, 1 / sqrt(pixels)),
            "patch/bias": offset(m.width),
        }
        if m.positions == "learned":
            found["positions"] = Leaf((self.side**2, m.width), "input", 1, m.width, 0.02)
        for i in range(m.layers):
            maps = {
                f"block{i}/qkv": hidden(m.width, 3 * m.width),
                f"block{i}/out": hidden(m.width, m.width, shrink=deep),
                f"block{i}/up": hidden(m.width, m.inner()),
                f"block{i}/down": hidden(m.inner(), m.width, shrink=deep),
            }
            found |= maps | {f"{name}/bias": offset(leaf.fan_out) for name, leaf in maps.items()}
            found |= _norm(f"block{i}/norm1", m.width) | _norm(f"block{i}/norm2", m.width)
        return found | _norm("norm", m.width)

    def features(self, params: Params, pixels: Array, seen: Seen) -> Array:
        """The mean over patches behind the last norm, (images, width)."""
        m, tokens = self.config.model, self.side**2
        x = patches_of(pixels, m.patch) @ params["patch"] + params["patch/bias"]
        if m.positions == "learned":
            where = params["positions"]
        else:
            where = jnp.asarray(sine_positions(self.side, m.width), x.dtype)
        x = (x.reshape(-1, tokens, m.width) + where).reshape(-1, m.width)
        for i in range(m.layers):
            block = of_block(params, f"block{i}")
            x = x + self._attention(block, _normed(x, block, "norm1"))
            inner = jax.nn.gelu(_linear(_normed(x, block, "norm2"), block, "up"))
            x = x + _linear(inner, block, "down")
            seen(x)
        return _normed(x, params, "norm").reshape(-1, tokens, m.width).mean(1)

    def _attention(self, block: Params, x: Array) -> Array:
        """Self-attention of rows (images x patches, width), every patch seeing all of its image."""
        m, tokens = self.config.model, self.side**2
        width = m.width // m.heads
        rows = _linear(x, block, "qkv").reshape(-1, tokens, 3, m.heads, width).transpose(2, 0, 3, 1, 4)
        q, k, v = (a.reshape(-1, tokens, width) for a in rows)
        y: Array = attend(q, k, v, 1 / sqrt(width), False)
        y = jnp.reshape(y, (-1, m.heads, tokens, width)).transpose(0, 2, 1, 3).reshape(-1, m.width)
        return _linear(y, block, "out")


def _norm(name: str, width: int) -> dict[str, Leaf]:
    return {f"{name}/scale": gain(width), f"{name}/offset": offset(width)}


def _normed(x: Array, params: Params, name: str) -> Array:
    return layer_norm(x, params[f"{name}/scale"], params[f"{name}/offset"])


def _linear(x: Array, params: Params, name: str) -> Array:
    return x @ params[name] + params[f"{name}/bias"]


def patches_of(pixels: Array, patch: int) -> Array:
    """Patches row by row, each its pixels row by row, (images x patches, patch x patch x channels)."""
    _, height, width, channels = pixels.shape
    cut = pixels.reshape(-1, height // patch, patch, width // patch, patch, channels)
    return cut.transpose(0, 1, 3, 2, 4, 5).reshape(-1, patch * patch * channels)


def sine_positions(side: int, width: int) -> np.ndarray:
    """Sines and cosines of column and row at width / 4 frequencies from 1 to 1/10,000, (side x side, width).

    The two-dimensional form of Vaswani et al. (2017) that Chen, Xie & He (2021) use.
    """
    frequency = 10_000.0 ** (-np.arange(width // 4) / (width // 4))
    row, column = np.divmod(np.arange(side * side), side)
    angles = [place[:, None] * frequency for place in (column, row)]
    return np.concatenate([f(angle) for angle in angles for f in (np.sin, np.cos)], 1)


def model(config: Config) -> VisionTransformer:
    """The model of a run."""
    return VisionTransformer(config)
