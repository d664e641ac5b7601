"""The decoder transformer: rotary positions, RMS norm, SwiGLU or GELU, written as functions of a flat dictionary.

Activations are (sequences x length, width) between layers: on a CPU products of three dimensions have gradients that
are several times slower than those of two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp

from ._attention import attend, rotary, rotate
from ._leaf import Leaf, gain, hidden, of_block
from ._norms import root_mean_square
from ._settings import Config

__all__ = ["Decoder", "Parts"]

Array = jax.Array
Params = Mapping[str, Any]


@dataclass(frozen=True)
class Parts:
    """What interventions may put in the place of a part of the decoder; None is the decoder's own.

    `feed_forward(decoder, block params, x (rows, width)) -> (y, {name: auxiliary loss})`; `order` lists, for each layer
    that is passed, the block whose weights it uses; `causal` False lets each position see all others;
    `around(decoder, params, tokens, forward) -> (logits, losses)` wraps the whole pass; `embed(decoder, params,
    tokens)` gives rows (sequences x length, width), `linear(x, weights, name, params)` a product, with the other arrays
    of its block at hand, and `prefix(decoder, block params, sequences)` keys and values (sequences, kv heads, extra,
    head width) that every query sees besides those of the text.
    """

    feed_forward: Callable[..., tuple[Array, dict[str, Array]]] | None = None
    order: tuple[int, ...] | None = None
    causal: bool = True
    around: Callable[..., tuple[Array, dict[str, Array]]] | None = None
    embed: Callable[..., Array] | None = None
    linear: Callable[[Array, Array, str, Params], Array] | None = None
    prefix: Callable[..., tuple[Array, Array]] | None = None


@dataclass(frozen=True)
class Decoder:
    """A decoder with its settings; hashable by identity, made once a shape."""

    config: Config
    parts: Parts = field(default_factory=Parts)

    @property
    def order(self) -> tuple[int, ...]:
        """The block each layer uses."""
        return self.parts.order or tuple(range(self.config.model.layers))

    def leaves(self) -> dict[str, Leaf]:
        """The arrays of the model by name."""
        m = self.config.model
        head = m.width // m.heads
        kv = (m.kv_heads or m.heads) * head
        deep = sqrt(2 * len(self.order))
        found = {"embed": Leaf((self.config.vocabulary, m.width), "input", 1, m.width, 0.02)}
        for i in sorted(set(self.order)):
            found |= {
                f"block{i}/norm1": gain(m.width),
                f"block{i}/qkv": hidden(m.width, m.width + 2 * kv),
                f"block{i}/out": hidden(m.width, m.width, shrink=deep),
                f"block{i}/norm2": gain(m.width),
                f"block{i}/up": hidden(m.width, m.inner() * (2 if m.activation == "swiglu" else 1)),
                f"block{i}/down": hidden(m.inner(), m.width, shrink=deep),
            }
        found["norm"] = gain(m.width)
        if not m.tied:
            found["head"] = Leaf((m.width, self.config.vocabulary), "output", m.width, self.config.vocabulary, 0.02)
        return found

    def split(self, batch: Array) -> tuple[Array, Array]:
        """Of windows (sequences, length + 1) the tokens that are read, and those that follow them, in one row."""
        return batch[:, :-1], batch[:, 1:].reshape(-1)

    def logits(self, params: Params, inputs: Array) -> tuple[Array, dict[str, Array]]:
        """Logits (sequences x length, vocabulary) for tokens (sequences, length), and auxiliary losses by name."""
        if self.parts.around is not None:
            return self.parts.around(self, params, inputs, self.forward)
        return self.forward(params, inputs)

    def forward(self, params: Params, tokens: Array) -> tuple[Array, dict[str, Array]]:
        """The plain pass."""
        h, losses = self.body(params, self.embed(params, tokens), tokens.shape[1])
        return self.head(params, h), losses

    def embed(self, params: Params, tokens: Array) -> Array:
        """Rows (sequences x length, width) of the embedding table."""
        if self.parts.embed is not None:
            return self.parts.embed(self, params, tokens)
        return params["embed"][tokens].reshape(-1, self.config.model.width)

    def body(self, params: Params, h: Array, length: int, seen: Callable[..., Any] | None = None) -> tuple[Array, Any]:
        """All blocks on embedded rows (sequences x length, width)."""
        losses: dict[str, Any] = {}
        for i in self.order:
            block = of_block(params, f"block{i}")
            h = h + self.attention(block, rms(h, block["norm1"]), length)
            y, more = self.feed_forward(block, rms(h, block["norm2"]))
            h = h + y
            losses = {k: losses.get(k, 0.0) + more.get(k, 0.0) for k in {**losses, **more}}
            if seen is not None:
                seen(h)
        return rms(h, params["norm"]), losses

    def norms(self, params: Params, inputs: Array) -> dict[str, Array]:
        """Root mean squares of the stream after each block and of the logits, and each block's largest attention logit.

        Blocks are counted as they are passed, from 0; attention logits are those that go into the softmax, masked ones
        left out.
        """
        length = inputs.shape[1]
        states, found = [self.embed(params, inputs)], {}
        h, _ = self.body(params, states[0], length, states.append)
        for place, (i, before, after) in enumerate(zip(self.order, states, states[1:], strict=False)):
            block = of_block(params, f"block{i}")
            q, k, _ = self.projected(block, rms(before, block["norm1"]), length)
            scores = jnp.einsum("nqd,nkd->nqk", q, k).astype(jnp.float32) / sqrt(q.shape[-1])
            visible = jnp.tril(jnp.ones(scores.shape[1:], bool))
            found[f"residual/{place}"] = root_mean_square(after)
            found[f"attention_max/{place}"] = jnp.where(visible, scores, -jnp.inf).max()
        return {**found, "logits": root_mean_square(self.head(params, h))}

    def head(self, params: Params, h: Array) -> Array:
        """Logits of normed rows."""
        table = params["embed"].T if self.config.model.tied else params["head"]
        return self.linear(h, table, "head", params) * (1 / self.config.width_ratio)

    def linear(self, x: Array, weights: Array, name: str, params: Params) -> Array:
        """A matrix product, or what an intervention makes of it; `params` are the arrays beside the matrix."""
        return x @ weights if self.parts.linear is None else self.parts.linear(x, weights, name, params)

    def attention(self, block: Params, x: Array, length: int) -> Array:
        """Causal self-attention of normed rows (sequences x length, width)."""
        m = self.config.model
        width = m.width // m.heads
        q, k, v = self.projected(block, x, length)
        y: Array = attend(q, k, v, 1 / sqrt(width), self.parts.causal)
        y = jnp.reshape(y, (-1, m.heads, length, width)).transpose(0, 2, 1, 3).reshape(-1, m.width)
        return self.linear(y, block["out"], "out", block)

    def projected(self, block: Params, x: Array, length: int) -> tuple[Array, Array, Array]:
        """Queries, keys and values (sequences x heads, length, head width) of normed rows, as attention sees them."""
        m = self.config.model
        width = m.width // m.heads
        kv = m.kv_heads or m.heads
        rows = jnp.reshape(self.linear(x, block["qkv"], "qkv", block), (-1, length, m.heads + 2 * kv, width))
        rows = rows.transpose(0, 2, 1, 3)
        q, k, v = rows[:, : m.heads], rows[:, m.heads : m.heads + kv], rows[:, m.heads + kv :]
        if kv != m.heads:
            k, v = (jnp.repeat(a, m.heads // kv, axis=1) for a in (k, v))
        q, k, v = (jnp.reshape(a, (-1, length, width)) for a in (q, k, v))
        turns = rotary(length, width)
        q, k = (rotate(a, *(jnp.asarray(t, a.dtype) for t in turns)) for a in (q, k))
        if self.parts.prefix is not None:
            more = self.parts.prefix(self, block, q.shape[0] // m.heads)
            k, v = (self._before(p, a) for p, a in zip(more, (k, v), strict=True))
        if m.qk_norm:
            q, k = unit_rms(q), unit_rms(k)
        return q, k, v

    def _before(self, first: Array, rows: Array) -> Array:
        """Keys or values (sequences, kv heads, extra, width) before those of the text, (sequences x heads, ...)."""
        wide = jnp.repeat(first, self.config.model.heads // first.shape[1], axis=1)
        return jnp.concatenate([wide.reshape(-1, *wide.shape[2:]), rows], 1)

    def feed_forward(self, block: Params, x: Array) -> tuple[Array, dict[str, Array]]:
        """The feed-forward layer of normed rows."""
        if self.parts.feed_forward is not None:
            return self.parts.feed_forward(self, block, x)
        inner = self.activate(self.linear(x, block["up"], "up", block))
        return self.linear(inner, block["down"], "down", block), {}

    def activate(self, x: Array) -> Array:
        """SwiGLU of two halves, or GELU."""
        if self.config.model.activation == "gelu":
            return jax.nn.gelu(x)
        gate, value = jnp.split(x, 2, -1)
        return jax.nn.silu(gate) * value


def unit_rms(x: Array) -> Array:
    """Rows divided by their root mean square."""
    wide = x.astype(jnp.float32)
    return (x * jax.lax.rsqrt(jnp.mean(wide * wide, -1, keepdims=True) + 1e-6)).astype(x.dtype)


def rms(x: Array, weights: Array) -> Array:
    """RMS norm (Zhang & Sennrich 2019)."""
    return unit_rms(x) * weights
