"""A multilayer perceptron on all pixels at once: linear maps with biases and rectifiers between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import jax

from ._classifier import Classifier, Seen
from ._leaf import Leaf, hidden, offset
from ._settings import Config

__all__ = ["Perceptron", "model"]

Array = jax.Array


@dataclass(frozen=True)
class Perceptron(Classifier):
    """`layers` hidden layers of `width`; deviations of first values sqrt(2 / fan-in) (He et al. 2015)."""

    def body(self) -> dict[str, Leaf]:
        """Weights and biases of the hidden layers."""
        width, pixels = self.config.model.width, self.size.height * self.size.width * self.size.channels
        found = {"layer0": Leaf((pixels, width), "input", pixels, width, sqrt(2 / pixels))}
        found |= {f"layer{i}": hidden(width, width, shrink=1 / sqrt(2)) for i in range(1, self.config.model.layers)}
        return found | {f"{name}/bias": offset(width) for name in list(found)}

    def features(self, params: Mapping[str, Any], pixels: Array, seen: Seen) -> Array:
        """The last hidden layer, (images, width)."""
        x = pixels.reshape(len(pixels), -1)
        for i in range(self.config.model.layers):
            x = jax.nn.relu(x @ params[f"layer{i}"] + params[f"layer{i}/bias"])
            seen(x)
        return x


def model(config: Config) -> Perceptron:
    """The model of a run."""
    return Perceptron(config)
