"""The arrays of a model by name: their shapes, first values, and what a change of width does to their learning rate."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

import numpy as np

__all__ = ["Leaf", "first_values", "is_matrix", "rate_of"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One array: `role` is "input" (embedding), "hidden", "output", "vector" (gains, biases) or "logit" (its bias).

    `fan_in` is what a matrix product sums over, `fan_out` what it gives. `std` of the first values; a constant `fill`
    where it is given.
    """

    shape: tuple[int, ...]
    role: str
    fan_in: int = 1
    fan_out: int = 1
    std: float = 0.0
    fill: float | None = None

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)

    @property
    def decays(self) -> bool:
        """Whether weight decay acts on it: on matrices, not on gains and biases."""
        return self.role not in ("vector", "logit")


def rate_of(leaf: Leaf, parameterisation: str, ratio: float, optimizer: str) -> float:
    """The factor on a leaf's learning rate at a width of `ratio` times the base width.

    Maximal update (Yang et al. 2022, tables 3 and 8, in the form where the output layer has a multiplier of 1/ratio in
    the forward pass): with Adam, hidden matrices learn at 1/ratio, all else as at the base; with SGD, input and vectors
    at ratio, output at ratio (its multiplier halves the gradient's growth), hidden as at the base. Deviations of hidden
    matrices are 1/sqrt(fan_in) in both, so only the output's first values, which do not shrink with width, differ.
    Muon's hidden updates are orthogonal matrices scaled to Adam's size, and learn as hidden matrices under Adam do.
    Offsets of logits, whose number and gradient do not depend on the width, learn as at the base in all of them.
    """
    if parameterisation != "mup":
        return 1.0
    if optimizer == "sgd":
        return 1.0 if leaf.role in ("hidden", "logit") else ratio
    return 1.0 / ratio if leaf.role == "hidden" else 1.0


def first_values(leaves: Mapping[str, Leaf], seed: int) -> dict[str, np.ndarray]:
    """First values of all leaves, float32: normal, each leaf from a stream of its own by seed and name.

    A leaf's values do not depend on which other leaves there are.
    """
    found = {}
    for name, leaf in leaves.items():
        if leaf.fill is not None:
            found[name] = np.full(leaf.shape, leaf.fill, np.float32)
            continue
        word = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
        draw = np.random.Generator(np.random.Philox(key=[seed, word]))
        found[name] = (leaf.std * draw.standard_normal(leaf.shape)).astype(np.float32)
    return found


def hidden(fan_in: int, fan_out: int, *, shrink: float = 1.0, shape: tuple[int, ...] | None = None) -> Leaf:
    """A hidden matrix (fan_in, fan_out), its deviation 1/sqrt(fan_in) divided by `shrink`."""
    return Leaf(shape or (fan_in, fan_out), "hidden", fan_in, fan_out, 1 / sqrt(fan_in) / shrink)


def gain(width: int) -> Leaf:
    """The weights of a norm, ones at first."""
    return Leaf((width,), "vector", 1, width, fill=1.0)


def offset(width: int) -> Leaf:
    """What a norm or a linear map adds, zeros at first."""
    return Leaf((width,), "vector", 1, width, fill=0.0)


def count(leaves: Mapping[str, Leaf]) -> int:
    """Number of parameters."""
    return sum(leaf.size for leaf in leaves.values())


def is_matrix(name: str) -> bool:
    """Whether a leaf is a matrix, or the experts' matrices, of an attention or feed-forward layer."""
    block, _, part = name.partition("/")
    return block.startswith("block") and part in ("qkv", "out", "up", "down")


def of_block(params: Mapping[str, Any], block: str) -> dict[str, Any]:
    """The leaves of one block under their own names."""
    start = f"{block}/"
    return {k[len(start) :]: v for k, v in params.items() if k.startswith(start)}
