"""Attention written for the processor's caches: no 4-D products, causal blocks skipped, a backward pass of our own.

On a CPU the gradient that JAX derives runs its batched products over transposed operands, several times slower than
the forward pass. Here both passes use products of the plain layout (n, a, b) x (n, b, c) only; scores that a causal
mask hides are not computed beyond the block they lie in.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["attend", "rotary", "rotate"]

BLOCK = 64  # queries of a block under a causal mask; a sequence of several blocks skips what lies above them


def rotary(length: int, width: int, base: float = 10_000.0) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines (length, width / 2) of rotary positions (Su et al. 2021).

    Made by NumPy, so that they are constants of a program: written in JAX, they are computed again for every head.
    """
    angle = np.arange(length)[:, None] * base ** (-np.arange(0, width, 2) / width)
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def rotate(x: jax.Array, cosine: jax.Array, sine: jax.Array) -> jax.Array:
    """Rotary positions on (n, length, width), first half against second half."""
    a, b = jnp.split(x, 2, -1)
    return jnp.concatenate([a * cosine - b * sine, b * cosine + a * sine], -1)


def _product(a: jax.Array, b: jax.Array) -> jax.Array:
    return jax.lax.dot_general(a, b, (((2,), (1,)), ((0,), (0,))))


def _swapped(a: jax.Array) -> jax.Array:
    return a.transpose(0, 2, 1)


def _blocks(length: int, causal: bool) -> list[tuple[slice, int]]:
    """Queries of each block, and how many keys they see."""
    if not causal or length % BLOCK or length == BLOCK:
        return [(slice(0, length), length)]
    return [(slice(i, i + BLOCK), i + BLOCK) for i in range(0, length, BLOCK)]


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def attend(q: jax.Array, k: jax.Array, v: jax.Array, scale: float, causal: bool) -> jax.Array:
    """softmax(scale q k') v over (n, length, width) each, n being sequences times heads.

    Where there are more keys than queries, the first ones stand before the text and every query sees them.
    """
    return _forward(q, k, v, scale, causal)[0]


def _forward(q: jax.Array, k: jax.Array, v: jax.Array, scale: float, causal: bool) -> tuple[jax.Array, Any]:
    length, before = q.shape[1], k.shape[1] - q.shape[1]
    keys, out, weights = _swapped(k), [], []
    for rows, upto in _blocks(length, causal):
        seen = before + upto
        scores = _product(q[:, rows] * scale, keys[:, :, :seen])
        if causal:
            visible = jnp.arange(before + rows.start, before + rows.stop)[:, None] >= jnp.arange(seen)
            scores = jnp.where(visible, scores, -1e30)
        e = jnp.exp(scores - scores.max(-1, keepdims=True))
        p = e / e.sum(-1, keepdims=True)
        weights.append(p)
        out.append(_product(p, v[:, :seen]))
    whole = jnp.concatenate(out, 1)
    return whole, (q, k, v, whole, weights)


def _backward(scale: float, causal: bool, kept: Any, gradient: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    q, k, v, out, weights = kept
    length, before = q.shape[1], k.shape[1] - q.shape[1]
    values, queries, given = _swapped(v), _swapped(q), _swapped(gradient)
    mean = (gradient * out).sum(-1, keepdims=True)  # sum over keys of weight times its gradient
    dq, dk, dv = [], jnp.zeros_like(values), jnp.zeros_like(values)
    for (rows, upto), p in zip(_blocks(length, causal), weights, strict=True):
        seen = before + upto
        ds = p * (_product(gradient[:, rows], values[:, :, :seen]) - mean[:, rows]) * scale
        dq.append(_product(ds, k[:, :seen]))
        wider = ((0, 0), (0, 0), (0, length - upto))
        dk += jnp.pad(_product(queries[:, :, rows], ds), wider)
        dv += jnp.pad(_product(given[:, :, rows], p), wider)
    return jnp.concatenate(dq, 1), _swapped(dk), _swapped(dv)


attend.defvjp(_forward, _backward)
