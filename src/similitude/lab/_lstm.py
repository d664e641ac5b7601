"""The LSTM language model, Kaplan et al.'s (2020, section 3.2.1) other architecture, by the decoder's interface.

A stack of layers of one width between an embedding table and a head, without norms, dropout and shortcuts. With the
input x and the last output h, the gates (i, f, g, o) = x U + h W + b, the cell c <- sigmoid(f + 1) c + sigmoid(i)
tanh(g), and the output h <- sigmoid(o) tanh(c) (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

First values have the deviations of Merity et al. (2018, section 5): 1/sqrt(3 width) for all matrices, .1/sqrt(3) for
the table, of normal numbers where theirs are uniform. Biases are 0, that of the forget gate 1 (Jozefowicz et al. 2015),
which is the 1 beside f above.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp

from ._leaf import Leaf, of_block
from ._norms import root_mean_square
from ._settings import Config

__all__ = ["Lstm", "model"]

Array = jax.Array
FORGET = 1.0  # bias of the forget gate


@dataclass(frozen=True)
class Lstm:
    """A stack of LSTM layers with its settings."""

    config: Config

    def leaves(self) -> dict[str, Leaf]:
        """The arrays of the model by name."""
        m, vocabulary = self.config.model, self.config.vocabulary
        w = m.width
        matrix = Leaf((w, 4 * w), "hidden", w, 4 * w, 1 / sqrt(3 * w))
        found = {"embed": Leaf((vocabulary, w), "input", 1, w, 0.1 / sqrt(3))}
        for i in range(m.layers):
            found |= {
                f"block{i}/input": matrix,
                f"block{i}/recurrent": matrix,
                f"block{i}/bias": Leaf((4 * w,), "vector", 1, 4 * w, fill=0.0),
            }
        if not m.tied:
            found["head"] = Leaf((w, vocabulary), "output", w, vocabulary, 1 / sqrt(3 * w))
        return found

    def split(self, batch: Array) -> tuple[Array, Array]:
        """Of windows (sequences, length + 1) the tokens that are read, and those that follow them, in one row."""
        return batch[:, :-1], batch[:, 1:].reshape(-1)

    def logits(self, params: Mapping[str, Any], inputs: Array) -> tuple[Array, dict[str, Array]]:
        """Logits (sequences x length, vocabulary) for tokens (sequences, length), and no other losses."""
        rows = self.body(params, inputs)[-1]
        h = rows.reshape(inputs.shape[1], inputs.shape[0], -1).transpose(1, 0, 2).reshape(rows.shape)
        return self.head(params, h), {}

    def body(self, params: Mapping[str, Any], tokens: Array) -> list[Array]:
        """What each layer gives, in the order of time: (length x sequences, width)."""
        rows = params["embed"][tokens.T].reshape(-1, self.config.model.width)
        found = []
        for i in range(self.config.model.layers):
            rows = layer(of_block(params, f"block{i}"), rows, tokens.shape[0])
            found.append(rows)
        return found

    def norms(self, params: Mapping[str, Any], inputs: Array) -> dict[str, Array]:
        """Root mean squares of what each layer gives, from 0, and of the logits."""
        rows = self.body(params, inputs)
        found = {f"output/{i}": root_mean_square(h) for i, h in enumerate(rows)}
        return {**found, "logits": root_mean_square(self.head(params, rows[-1]))}

    def head(self, params: Mapping[str, Any], h: Array) -> Array:
        """Logits of rows."""
        table = params["embed"].T if self.config.model.tied else params["head"]
        return h @ table * (1 / self.config.width_ratio)


def layer(block: Mapping[str, Any], rows: Array, sequences: int) -> Array:
    """One layer on rows (length x sequences, width): its outputs, of the same shape."""
    read = rows @ block["input"] + block["bias"]
    width = rows.shape[1]
    begin = jnp.zeros((sequences, width), rows.dtype)

    def step(state: tuple[Array, Array], x: Array) -> Any:
        h, c = state
        i, f, g, o = jnp.split(x + h @ block["recurrent"], 4, -1)
        c = jax.nn.sigmoid(f + FORGET) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    return jax.lax.scan(step, (begin, begin), read.reshape(-1, sequences, 4 * width))[1].reshape(rows.shape)


def model(config: Config) -> Lstm:
    """The model of a run."""
    return Lstm(config)
