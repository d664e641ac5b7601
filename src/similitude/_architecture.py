"""From the shape of a dense transformer to its parameters under each convention, and to its training FLOP.

>>> gpt2 = Transformer(
...     layers=12, width=768, heads=12, vocabulary=50257, context=1024, biases=True, learned_positions=True
... )
>>> gpt2.parameters("total")
124439808
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ._errors import ArgumentError, did_you_mean

__all__ = ["FLOP_RULES", "Transformer"]


@dataclass(frozen=True, slots=True)
class Transformer:
    """The shape of a dense decoder-only transformer.

    Parameters
    ----------
    layers, width, heads
        Blocks, width of the residual stream, attention heads.
    vocabulary, context
        Rows of the embedding table; tokens of a sequence.
    head_width
        Width of one head, by default ``width / heads``.
    feed_forward
        Inner width of the feed-forward layer, by default ``4 * width``.
    gated
        Three matrices in the feed-forward layer instead of two (SwiGLU, GeGLU).
    tied
        The output head shares the weights of the embedding table.
    learned_positions
        An embedding for each of the `context` positions.
    biases
        Every linear map but the head has a bias, and norms have an offset as well as a scale.
    norms
        Count the weights of the norms (two a block and a last one).

    Raises ArgumentError for sizes that are not positive.
    """

    layers: int
    width: int
    heads: int
    vocabulary: int
    context: int
    head_width: int | None = None
    feed_forward: int | None = None
    gated: bool = False
    tied: bool = True
    learned_positions: bool = False
    biases: bool = False
    norms: bool = True

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "vocabulary", "context"):
            if getattr(self, name) <= 0:
                raise ArgumentError(f"{name} = {getattr(self, name)}; expected a positive number")
        if self.head_width is None and self.width % self.heads:
            raise ArgumentError(f"width {self.width} does not divide into {self.heads} heads; give head_width")

    @property
    def attention_width(self) -> int:
        """Heads times the width of one."""
        return self.heads * (self.head_width or self.width // self.heads)

    @property
    def inner(self) -> int:
        """Inner width of the feed-forward layer."""
        return self.feed_forward or 4 * self.width

    @property
    def matrices(self) -> int:
        """Weights of the matrices in all blocks: attention and feed-forward."""
        attention = 4 * self.width * self.attention_width
        return self.layers * (attention + (3 if self.gated else 2) * self.width * self.inner)

    @property
    def body(self) -> int:
        """All weights but the embeddings and the head."""
        return self.matrices + self._biases + self._norms

    @property
    def _biases(self) -> int:
        up = 2 if self.gated else 1
        return self.layers * (3 * self.attention_width + self.width + up * self.inner + self.width) * self.biases

    @property
    def _norms(self) -> int:
        return (2 * self.layers + 1) * self.width * (2 if self.biases else 1) * self.norms

    @property
    def embeddings(self) -> int:
        """Weights of the embedding table and of learned positions."""
        return (self.vocabulary + self.context * self.learned_positions) * self.width

    @property
    def head(self) -> int:
        """Weights of the output head of its own; 0 when it shares the embedding table."""
        return 0 if self.tied else self.vocabulary * self.width

    def parameters(self, counts: str = "total") -> int:
        """Number of parameters under a convention; a dense model has all of them active.

        A shared table is embedding and head in one: without embeddings it is not counted at all.

        >>> shape = Transformer(layers=2, width=64, heads=4, vocabulary=1000, context=128, tied=False)
        >>> [shape.parameters(c) for c in ("total", "without embeddings", "without embeddings and head")]
        [226624, 162624, 98624]
        """
        counted = {
            "total": self.body + self.embeddings + self.head,
            "active": self.body + self.embeddings + self.head,
            "without embeddings": self.body + self.head,
            "without embeddings and head": self.body,
        }
        if counts not in counted:
            known = ", ".join(counted)
            raise ArgumentError(
                f"no convention '{counts}'; the conventions are: {known}{did_you_mean(counts, counted)}"
            )
        return counted[counts]

    def training_flop(self, tokens: float, rule: str = "6ND") -> float:
        """FLOP to train on `tokens` tokens (forward and backward) under a named rule, see ``FLOP_RULES``."""
        if rule not in FLOP_RULES:
            known = ", ".join(FLOP_RULES)
            raise ArgumentError(f"no FLOP rule '{rule}'; the rules are: {known}{did_you_mean(rule, FLOP_RULES)}")
        return FLOP_RULES[rule](self) * tokens


def six_n(shape: Transformer) -> float:
    """6N a token, N counted in total."""
    return 6.0 * shape.parameters("total")


def kaplan(shape: Transformer) -> float:
    """FLOP a token as Kaplan et al. (2020, table 1): 3 (2N + 2 layers context attention width), N the matrices only.

    Neither embeddings nor the head are counted.
    """
    return 3.0 * (2 * shape.matrices + 2 * shape.layers * shape.context * shape.attention_width)


def hoffmann(shape: Transformer) -> float:
    """FLOP a token as Hoffmann et al. (2022, appendix F), of a sequence of `context` tokens divided by its length.

    Counts the embedding as a product, every attention term with its softmax, the feed-forward layer and the head;
    the backward pass is twice the forward pass.
    """
    s, d, a = shape.context, shape.width, shape.attention_width
    attention = 2 * 3 * s * d * a + 2 * s * s * a + 3 * shape.heads * s * s + 2 * s * s * a + 2 * s * a * d
    feed_forward = 2 * s * (3 if shape.gated else 2) * d * shape.inner
    table = 2 * s * shape.vocabulary * d
    return 3.0 * (2 * table + shape.layers * (attention + feed_forward)) / s


FLOP_RULES: Mapping[str, Callable[[Transformer], float]] = {"6ND": six_n, "kaplan": kaplan, "hoffmann": hoffmann}
