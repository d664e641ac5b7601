"""From the shape of a decoder-only transformer, dense or of experts, to parameters, FLOP, activations and cache.

>>> gpt2 = Transformer(
...     layers=12, width=768, heads=12, vocabulary=50257, context=1024, biases=True, learned_positions=True
... )
>>> gpt2.parameters("total")
124439808
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ._counted import Counted, Flop, chosen, positive
from ._errors import ArgumentError

__all__ = ["FLOP_RULES", "RECOMPUTE", "Transformer", "attention_activations", "feed_forward_activations"]

RECOMPUTE = ("none", "selective", "full")


@dataclass(frozen=True, slots=True)
class Transformer(Counted):
    """The shape of a decoder-only transformer.

    Parameters
    ----------
    layers, width, heads
        Blocks, width of the residual stream, attention heads.
    vocabulary, context
        Rows of the embedding table; tokens of a sequence.
    head_width
        Width of one head, by default ``width / heads``.
    kv_heads
        Heads of keys and values where several queries share one (grouped-query attention), by default `heads`.
    feed_forward
        Inner width of the feed-forward layer, by default ``4 * width``.
    gated
        Three matrices in the feed-forward layer instead of two (SwiGLU, GeGLU).
    tied
        The output head shares the weights of the embedding table.
    learned_positions
        An embedding for each of the `context` positions.
    biases
        Every linear map but the head and the router has a bias, and norms have an offset as well as a scale.
    norms
        Count the weights of the norms (two a block and a last one).
    experts, experts_per_token
        Feed-forward layers of a mixture of experts, and how many of them the router sends a token to.
    shared_experts
        Experts that every token meets, beside those.
    expert_width
        Inner width of one expert, by default that of the feed-forward layer.
    dense_layers
        First blocks that keep one dense feed-forward layer.

    Raises ArgumentError for sizes that are not positive or do not divide.
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
    kv_heads: int | None = None
    experts: int = 0
    experts_per_token: int = 0
    shared_experts: int = 0
    expert_width: int | None = None
    dense_layers: int = 0

    def __post_init__(self) -> None:
        positive(self, "layers", "width", "heads", "vocabulary", "context")
        positive(self, "head_width", "feed_forward", "kv_heads", "expert_width")
        if self.head_width is None and self.width % self.heads:
            raise ArgumentError(f"width {self.width} does not divide into {self.heads} heads; give head_width")
        if self.kv_heads is not None and self.heads % self.kv_heads:
            raise ArgumentError(f"{self.heads} heads do not share {self.kv_heads} heads of keys and values evenly")
        self._check_experts()

    def _check_experts(self) -> None:
        if not self.experts:
            if self.experts_per_token or self.shared_experts or self.dense_layers or self.expert_width:
                raise ArgumentError("experts_per_token, shared_experts, expert_width and dense_layers need experts")
            return
        if not 0 < self.experts_per_token <= self.experts:
            raise ArgumentError(
                f"experts_per_token = {self.experts_per_token}; expected from 1 to the {self.experts} experts"
            )
        if not (0 <= self.dense_layers < self.layers and self.shared_experts >= 0):
            raise ArgumentError(f"dense_layers = {self.dense_layers}; expected fewer than the {self.layers} layers")

    @property
    def attention_width(self) -> int:
        """Heads times the width of one."""
        return self.heads * self.one_head

    @property
    def one_head(self) -> int:
        """Width of one head."""
        return self.head_width or self.width // self.heads

    @property
    def kv_width(self) -> int:
        """Width of the keys, and of the values, of one token."""
        return (self.kv_heads or self.heads) * self.one_head

    @property
    def inner(self) -> int:
        """Inner width of the feed-forward layer."""
        return self.feed_forward or 4 * self.width

    @property
    def expert_inner(self) -> int:
        """Inner width of one expert."""
        return self.expert_width or self.inner

    @property
    def expert_layers(self) -> int:
        """Blocks with experts."""
        return self.layers - self.dense_layers if self.experts else 0

    @property
    def attention_matrices(self) -> int:
        """Weights of queries, keys, values and output in one block."""
        return 2 * self.width * (self.attention_width + self.kv_width)

    def _feed_forward(self, inner: int) -> int:
        """Weights of one feed-forward layer, without biases."""
        return (3 if self.gated else 2) * self.width * inner

    @property
    def expert_matrices(self) -> int:
        """Weights of one expert, without biases."""
        return self._feed_forward(self.expert_inner)

    def _matrices(self, experts: int) -> int:
        """Weights of the matrices in all blocks, with so many experts (beside those shared) in each that has any."""
        dense = (self.layers - self.expert_layers) * self._feed_forward(self.inner)
        routed = (experts + self.shared_experts) * self.expert_matrices + self.width * self.experts
        return self.layers * self.attention_matrices + dense + self.expert_layers * routed

    @property
    def matrices(self) -> int:
        """Weights of the matrices in all blocks: attention, feed-forward, experts and router."""
        return self._matrices(self.experts)

    @property
    def active_matrices(self) -> int:
        """Those of them that one token meets."""
        return self._matrices(self.experts_per_token)

    @property
    def body(self) -> int:
        """All weights but the embeddings and the head."""
        return self.matrices + self._biases + self._norms

    def _bias(self, inner: int) -> int:
        """Biases of one feed-forward layer."""
        return (2 if self.gated else 1) * inner + self.width

    @property
    def _biases(self) -> int:
        attention = self.layers * (self.attention_width + 2 * self.kv_width + self.width)
        dense = (self.layers - self.expert_layers) * self._bias(self.inner)
        routed = self.expert_layers * (self.experts + self.shared_experts) * self._bias(self.expert_inner)
        return (attention + dense + routed) * self.biases

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

    def _parts(self) -> tuple[int, int, int, int]:
        each = self.expert_matrices + self._bias(self.expert_inner) * self.biases
        idle = self.expert_layers * (self.experts - self.experts_per_token) * each
        return self.body, self.embeddings, self.head, idle

    def training_flop(self, tokens: float, rule: str = "6ND") -> float:
        """FLOP to train on `tokens` tokens (forward and backward) under a named rule, see ``FLOP_RULES``."""
        return FLOP_RULES[chosen("FLOP rule", rule, FLOP_RULES)](self) * tokens

    def flop(self, sequence: int | None = None) -> Flop:
        """FLOP of the matrix products of one token in a sequence of so many tokens, by default of `context`.

        Training takes three times as much: 72 layers width^2 (1 + s/6h + v/12hl) a token where the shape is GPT's
        (Korthikanti et al. 2022, appendix A). The head is counted, the look-up of embeddings is not.
        """
        attention = 4.0 * self.layers * (sequence or self.context) * self.attention_width
        matrices = self.active_matrices + self.vocabulary * self.width
        return Flop(2.0 * matrices + attention, attention, "token")

    def cache(self, tokens: float = 1, *, bytes_each: float = 2) -> float:
        """Bytes of the cached keys and values of so many tokens, over all layers.

        >>> from similitude._known_shapes import shape
        >>> shape("llama-3-70b").cache()
        327680.0
        """
        return 2.0 * self.layers * self.kv_width * bytes_each * tokens

    def layer_activations(
        self,
        *,
        recompute: str = "none",
        tensor: Any = 1,
        sequence: int | None = None,
        sequence_parallel: bool = False,
        dropout: bool = True,
    ) -> Any:
        """Bytes that one block keeps of one token for the backward pass, on each of `tensor` accelerators.

        Korthikanti et al. (2022, section 4 and table 2), with their itemised account carried over to gated layers,
        shared keys and values, and experts: s b h (34 + 5as/h) where the shape is GPT's. Activations have 16 bits,
        masks 8. "selective" does not keep attention scores, as a fused kernel does not either; "full" keeps the
        input of the block only. An average over blocks where some have experts. `tensor` may be an array.
        """
        chosen("recomputation", recompute, RECOMPUTE)
        spread = tensor if sequence_parallel else 1
        if recompute == "full":
            return 2.0 * self.width / spread + 0.0 * tensor
        context = 0 if recompute == "selective" else sequence or self.context
        whole, split = attention_activations(self, context, dropout)
        share = self.expert_layers / self.layers
        routed = self.experts_per_token + self.shared_experts
        dense = feed_forward_activations(self.width, self.inner, 1, self.gated, dropout)
        experts = feed_forward_activations(self.width, self.expert_inner, routed, self.gated, dropout)
        whole += (1 - share) * dense[0] + share * experts[0] + 4.0 * self.width  # two norms keep their inputs
        split += (1 - share) * dense[1] + share * experts[1]
        return whole / spread + split / tensor

    @property
    def head_activations(self) -> float:
        """Bytes kept of one token outside the blocks: masks, last norm, head, and logits in 32 bits."""
        return 5.0 * self.width + 4.0 * self.vocabulary

    def activations(
        self, batch: float = 1, *, recompute: str = "none", sequence: int | None = None, dropout: bool = True
    ) -> float:
        """Bytes kept for the backward pass of `batch` sequences on one accelerator, the head included.

        >>> from similitude._known_shapes import shape
        >>> gpt3 = shape("gpt-3-175b")
        >>> [round(gpt3.activations(recompute=r) / 1e9) for r in ("none", "selective", "full")]
        [276, 83, 5]
        """
        tokens = batch * (sequence or self.context)
        layer = self.layer_activations(recompute=recompute, sequence=sequence, dropout=dropout)
        return float(tokens * (self.layers * layer + self.head_activations))


def attention_activations(shape: Any, context: float, dropout: bool) -> tuple[float, float]:
    """Bytes attention keeps of one token: (on every accelerator, split among those of a tensor-parallel group).

    Input; queries, keys, values and the input of the output map; scores after the softmax, and with dropout its masks
    and what it lets through.
    """
    scores = shape.heads * context * (5.0 if dropout else 2.0)
    kept = 2.0 * (2 * shape.attention_width + 2 * shape.kv_width)
    return (2.0 + dropout) * shape.width, kept + scores


def feed_forward_activations(width: int, inner: int, copies: int, gated: bool, dropout: bool) -> tuple[float, float]:
    """Bytes a feed-forward layer, or `copies` experts, keep of one token: (on every accelerator, split).

    Input and mask; what goes into the activation (two tensors where gated) and what comes out of it.
    """
    return (2.0 * copies + dropout) * width, 2.0 * (3 if gated else 2) * inner * copies


def six_n(shape: Transformer) -> float:
    """6N a token, N those a token meets, which in a dense model are all."""
    return 6.0 * shape.parameters("active")


def kaplan(shape: Transformer) -> float:
    """FLOP a token as Kaplan et al. (2020, table 1): 3 (2N + 2 layers context attention width), N the matrices only.

    Neither embeddings nor the head are counted.
    """
    return 3.0 * (2 * shape.active_matrices + 2 * shape.layers * shape.context * shape.attention_width)


def hoffmann(shape: Transformer) -> float:
    """FLOP a token as Hoffmann et al. (2022, appendix F), of a sequence of `context` tokens divided by its length.

    Counts the embedding as a product, every attention term with its softmax, the feed-forward layer and the head;
    the backward pass is twice the forward pass.
    """
    s, a = shape.context, shape.attention_width
    scores = 4 * s * s * a + 3 * shape.heads * s * s
    table = 2 * s * shape.vocabulary * shape.width
    return 3.0 * (2 * table + shape.layers * scores + 2 * s * shape.active_matrices) / s


FLOP_RULES: Mapping[str, Callable[[Transformer], float]] = {"6ND": six_n, "kaplan": kaplan, "hoffmann": hoffmann}
