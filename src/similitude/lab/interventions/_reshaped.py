"""The counts of a shape that an intervention has given more passes, more keys or more weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from similitude._counted import Counted, Flop

__all__ = ["Reshaped", "passes_of"]


@dataclass(frozen=True, slots=True)
class Reshaped(Counted):
    """A shape whose blocks are passed several times, with weights and products of its own.

    Parameters
    ----------
    base
        The shape that is changed: a Transformer, or another of these.
    passes
        How often each token goes through all blocks; the head is passed once.
    keys
        Keys beside those of the text that each query of each layer sees.
    body, embeddings
        Weights there are besides, in or around the blocks, and among the embeddings.
    within, around
        FLOP of further products of a token, forward: in each pass of the blocks, and once.
    """

    base: Any
    passes: int = 1
    keys: int = 0
    body: int = 0
    embeddings: int = 0
    within: float = 0.0
    around: float = 0.0

    def _parts(self) -> tuple[int, int, int, int]:
        body, embeddings, head, idle = self.base._parts()
        return body + self.body, embeddings + self.embeddings, head, idle

    @property
    def once(self) -> float:
        """FLOP of a token outside the blocks, forward: the head, and what stands around the blocks."""
        return _once(self.base) + self.around

    @property
    def context(self) -> int:
        """Tokens of a sequence."""
        return self.base.context

    def flop(self, sequence: int | None = None) -> Flop:
        """FLOP of the matrix products of one token in a sequence of so many tokens, by default of `context`.

        `attention` are all products without weights, those with further keys among them.
        """
        seen = self.base.flop((sequence or self.context) + self.keys)
        blocks = seen.forward - _once(self.base) + self.within
        return Flop(self.passes * blocks + self.once, self.passes * seen.attention, "token")


def _once(shape: Any) -> float:
    return shape.once if isinstance(shape, Reshaped) else 2.0 * shape.vocabulary * shape.width


def passes_of(shape: Any) -> int:
    """How often a token goes through the blocks of a shape."""
    return shape.passes * passes_of(shape.base) if isinstance(shape, Reshaped) else 1
