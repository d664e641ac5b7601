"""What the lab asks of a model, whatever it is trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import jax

from ._leaf import Leaf
from ._settings import Config

__all__ = ["Model"]

Array = jax.Array


class Model(Protocol):
    """A model as functions of a flat dictionary of arrays, made from the settings of a run.

    A batch is what the family's data gives at a step: windows of tokens, or images and their classes. Its first axis
    counts sequences or images.
    """

    @property
    def config(self) -> Config:
        """The settings."""
        ...

    def leaves(self) -> dict[str, Leaf]:
        """The arrays of the model by name; they hold the parameters that the shape of its settings counts."""
        ...

    def split(self, batch: Any) -> tuple[Array, Array]:
        """What the model is given, and the class of each row of its logits, (rows,)."""
        ...

    def logits(self, params: Mapping[str, Any], inputs: Any) -> tuple[Array, dict[str, Array]]:
        """Logits (rows, classes), and auxiliary losses by name."""
        ...

    def norms(self, params: Mapping[str, Any], inputs: Any) -> dict[str, Array]:
        """Root mean squares of what layers give, and of the logits, by name."""
        ...
