"""Unit scaling (Blake, Orr & Luschi 2023): weights, activations and gradients that all begin with a variance near one.

Weights begin as standard normal numbers, and every operation y = f(x) has static factors: alpha on what it gives, beta
on each gradient that it passes back, each one over the deviation that independent standard normal inputs would give
(section 5.2). Factors are a change of the gradient's scale alone, leaf by leaf, as long as operations that read an edge
which is no cut edge have one factor for both passes (theorem 5.2): there it is the geometric mean. Cut edges, whose
removal parts the graph, are the weights and the stem after the last block; all edges of the blocks have a shortcut
beside them. A constrained operation is then a plain product with its factor; only cut edges and the two ends of a
branch need a backward pass of their own.

The factors, of matrices (m, n) and b rows:

- product: alpha m^-1/2, beta n^-1/2, in blocks (m n)^-1/4; of the weights b^-1/2; of gains b^-1/2
- table of V rows: of its gradient (V / b)^1/2
- GELU: alpha 1/.588, beta 1/.675 (their table A.2); SwiGLU, of two inputs, by the same rule
- attention: the softmax of standard normal scores over t keys has squares that sum to e/t for many keys and 1 for
  one, here 1/(1 + (t-1)/e); alpha is one over the root of its mean over positions, and so are the betas
- keys and values that r heads share: alpha 1, beta r^-1/2, thus r^-1/4
- addition: the l-th branch is weighed (1/(l+1))^1/2 and what it is added to (l/(l+1))^1/2, the paper's running mean, in
  which the table and all branches have one weight; the branch's factor acts in the backward pass where it begins
- cross-entropy, the mean over b rows of V logits: beta b V / (V-1)^1/2
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import e, sqrt
from typing import Any

import jax
import numpy as np

from ._decoder import Array, Decoder, Params, rms
from ._leaf import Leaf, of_block

__all__ = ["UnitDecoder", "scaled"]

GELU, GELU_SLOPE = 0.588, 0.675  # deviations of gelu(z) and of its slope, z standard normal
SILU, SILU_SLOPE = 0.5965, 0.6160  # roots of the mean squares of silu(z) and of its slope


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _scaled(x: Array, forward: float, backward: float) -> Array:
    return x * forward


_scaled.defvjp(lambda x, forward, backward: (x * forward, None), lambda forward, backward, _, g: (g * backward,))


def scaled(x: Array, forward: float, backward: float) -> Array:
    """forward x, whose gradient is that of the result times `backward`."""
    y: Array = _scaled(x, forward, backward)
    return y


@dataclass(frozen=True)
class UnitDecoder(Decoder):
    """The decoder with unit scaling."""

    def leaves(self) -> dict[str, Leaf]:
        """The arrays of the model by name, matrices and tables with a deviation of one."""
        return {k: leaf if leaf.fill is not None else replace(leaf, std=1.0) for k, leaf in super().leaves().items()}

    def embed(self, params: Params, tokens: Array) -> Array:
        """Rows (sequences x length, width) of the embedding table."""
        table = scaled(params["embed"], 1.0, sqrt(self.config.vocabulary / tokens.size))
        return table[tokens].reshape(-1, self.config.model.width)

    def body(self, params: Params, h: Array, length: int, seen: Any = None) -> tuple[Array, Any]:
        """All blocks on embedded rows (sequences x length, width)."""
        for place, i in enumerate(self.order):
            block = of_block(params, f"block{i}")
            h = added(h, 2 * place + 1, lambda x, b=block: self.attention(b, normed(x, b["norm1"]), length))
            h = added(h, 2 * place + 2, lambda x, b=block: self.feed_forward(b, normed(x, b["norm2"]))[0])
            if seen is not None:
                seen(h)
        return normed(h, params["norm"]), {}

    def head(self, params: Params, h: Array) -> Array:
        """Logits of normed rows, whose gradients are brought to a variance of one."""
        rows, width, vocabulary = *h.shape, self.config.vocabulary
        table = scaled(params["head"], 1.0, rows**-0.5)
        loss = rows * vocabulary / sqrt(vocabulary - 1)
        return scaled(scaled(h, 1.0, vocabulary**-0.5) @ table, width**-0.5, loss)

    def linear(self, x: Array, weights: Array, name: str, params: Params) -> Array:
        """A matrix product within a block, with what attention is scaled by before and after it."""
        if name == "out":
            x = x * self.attention_scale
        y = x @ scaled(weights, (weights.shape[0] * weights.shape[1]) ** -0.25, x.shape[0] ** -0.5)
        m = self.config.model
        if name == "qkv" and m.kv_heads not in (None, m.heads):
            q, kv = y[:, : m.width], y[:, m.width :]
            y = jax.numpy.concatenate([q, kv * (m.heads / m.kv_heads) ** -0.25], 1)
        return y

    @property
    def attention_scale(self) -> float:
        """One over the deviation of what attention gives, over the positions of a sequence."""
        keys = np.arange(self.config.data.sequence)
        return float(np.mean(1 / (1 + keys / e)) ** -0.5)

    def activate(self, x: Array) -> Array:
        """SwiGLU of two halves, or GELU."""
        if self.config.model.activation == "gelu":
            return super().activate(x) * (GELU * GELU_SLOPE) ** -0.5
        return super().activate(x) * (SILU * SILU * SILU_SLOPE) ** (-1 / 3)


def added(h: Array, number: int, branch: Any) -> Array:
    """The mean of rows and of the branch that is the `number`-th to be added to them, of a variance of one."""
    share = sqrt(1 / (number + 1))
    return h * sqrt(number / (number + 1)) + scaled(branch(scaled(h, 1.0, share)), share, 1.0)


def normed(x: Array, weights: Array) -> Array:
    """RMS norm."""
    return rms(x, scaled(weights, 1.0, x.shape[0] ** -0.5))
