"""From the shape of an encoder-decoder transformer to parameters, FLOP, activations and cache, as T5's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ._architecture import RECOMPUTE, attention_activations, feed_forward_activations
from ._counted import Counted, Flop, chosen, positive

__all__ = ["EncoderDecoder"]


@dataclass(frozen=True, slots=True)
class EncoderDecoder(Counted):
    """The shape of an encoder-decoder transformer without biases, its norms with a scale only.

    Parameters
    ----------
    encoder_layers, decoder_layers, width, heads
        Blocks of either side, width of the residual stream, attention heads; a decoder block attends twice.
    vocabulary, context, target
        Rows of the embedding table, which both sides share; tokens the encoder reads, tokens the decoder writes.
    head_width, feed_forward, gated, tied
        As in `Transformer`.
    position_buckets
        Rows of a table of relative positions, one column a head, one table in the encoder and one in the decoder.

    Raises ArgumentError for sizes that are not positive.
    """

    encoder_layers: int
    decoder_layers: int
    width: int
    heads: int
    vocabulary: int
    context: int
    target: int
    head_width: int
    feed_forward: int
    gated: bool = False
    tied: bool = True
    position_buckets: int = 0

    def __post_init__(self) -> None:
        positive(self, "encoder_layers", "decoder_layers", "width", "heads", "vocabulary", "context", "target")
        positive(self, "head_width", "feed_forward")

    @property
    def layers(self) -> int:
        """Blocks of both sides."""
        return self.encoder_layers + self.decoder_layers

    @property
    def attention_width(self) -> int:
        """Heads times the width of one."""
        return self.heads * self.head_width

    @property
    def kv_width(self) -> int:
        """Width of the keys, and of the values, of one token."""
        return self.attention_width

    @property
    def _attention(self) -> int:
        return 4 * self.width * self.attention_width

    @property
    def _feed_forward(self) -> int:
        return (3 if self.gated else 2) * self.width * self.feed_forward

    @property
    def encoder(self) -> int:
        """Weights of the encoder's blocks and its last norm."""
        return self.encoder_layers * (self._attention + self._feed_forward + 2 * self.width) + self.width

    @property
    def decoder(self) -> int:
        """Weights of the decoder's blocks, each with a second attention and a third norm, and its last norm."""
        return self.decoder_layers * (2 * self._attention + self._feed_forward + 3 * self.width) + self.width

    @property
    def embeddings(self) -> int:
        """Weights of the shared table and of both tables of relative positions."""
        return self.vocabulary * self.width + 2 * self.position_buckets * self.heads

    @property
    def head(self) -> int:
        """Weights of the output head of its own; 0 when it shares the embedding table."""
        return 0 if self.tied else self.vocabulary * self.width

    def _parts(self) -> tuple[int, int, int, int]:
        return self.encoder + self.decoder, self.embeddings, self.head, 0

    def training_flop(self, tokens: float, rule: str = "3ND") -> float:
        """FLOP to train on `tokens` tokens, read and written together, under a rule of ``FLOP_RULES``.

        "3ND" is the custom of Brown et al. (2020, table D.1): a token meets about half the parameters. "products"
        divides the matrix products of a training example by its tokens.
        """
        return FLOP_RULES[chosen("FLOP rule", rule, FLOP_RULES)](self) * tokens

    def flop(self, context: int | None = None, target: int | None = None) -> Flop:
        """FLOP of the matrix products of one example: `context` tokens read, `target` tokens written."""
        s, t = context or self.context, target or self.target
        a, half = self.attention_width, 2 * self.width * self.attention_width
        attention = 4.0 * a * (self.encoder_layers * s * s + self.decoder_layers * (t * t + t * s))
        reading = s * self.encoder_layers * (self._attention + self._feed_forward)
        # of the second attention, keys and values are made of what was read, queries and outputs of what is written
        writing = self.decoder_layers * (t * (self._attention + self._feed_forward + half) + s * half)
        products = 2.0 * (reading + writing + t * self.vocabulary * self.width)
        return Flop(products + attention, attention, "example")

    def cache(self, tokens: float = 1, *, context: float | None = None, bytes_each: float = 2) -> float:
        """Bytes of cached keys and values: of so many tokens written, and of the `context` tokens read."""
        read = self.context if context is None else context
        return 2.0 * self.decoder_layers * self.attention_width * bytes_each * (tokens + read)

    def activations(self, batch: float = 1, *, recompute: str = "none", dropout: bool = True) -> float:
        """Bytes kept for the backward pass of `batch` examples on one accelerator, itemised as for `Transformer`."""
        chosen("recomputation", recompute, RECOMPUTE)
        s, t = self.context, self.target
        blocks = s * self.encoder_layers, t * self.decoder_layers
        if recompute == "full":
            kept = 2.0 * self.width * sum(blocks)
        else:
            scores = 0 if recompute == "selective" else 1
            inner = sum(feed_forward_activations(self.width, self.feed_forward, 1, self.gated, dropout))
            own = [sum(attention_activations(self, scores * n, dropout)) for n in (s, t)]
            # across: queries and outputs of what is written; keys and values of what was read
            across = sum(attention_activations(self, scores * s, dropout)) - 4.0 * self.kv_width + 2.0 * self.width
            kept = blocks[0] * (own[0] + inner + 4.0 * self.width)
            kept += blocks[1] * (own[1] + across + inner + 4.0 * self.width)
            kept += s * self.decoder_layers * 4.0 * self.kv_width
        head = t * (4.0 * self.width + 4.0 * self.vocabulary) + s * 2.0 * self.width + (s + t) * dropout * self.width
        return float(batch * (kept + head))


def three_n(shape: EncoderDecoder) -> float:
    """3N a token."""
    return 3.0 * shape.parameters("total")


def products(shape: EncoderDecoder) -> float:
    """Matrix products of an example, shared among its tokens."""
    return shape.flop().training / (shape.context + shape.target)


FLOP_RULES: Mapping[str, Callable[[EncoderDecoder], float]] = {"3ND": three_n, "products": products}
