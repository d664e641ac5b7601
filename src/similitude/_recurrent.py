"""From the shape of an LSTM language model to parameters, FLOP, activations and state."""

from __future__ import annotations

from dataclasses import dataclass

from ._counted import Counted, Flop, positive

__all__ = ["Recurrent"]


@dataclass(frozen=True, slots=True)
class Recurrent(Counted):
    """The shape of a stack of LSTM layers (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    Every layer has `width` cells and reads `width` numbers: four gates of a matrix for what it reads, one for its own
    last output, and a bias. `vocabulary` rows of the embedding table, sequences of `context` tokens; `tied` shares the
    table with the output head.

    Raises ArgumentError for sizes that are not positive.

    >>> Recurrent(layers=2, width=650, vocabulary=10_000, context=35, tied=False).parameters()
    19765200
    """

    layers: int
    width: int
    vocabulary: int
    context: int
    tied: bool = True

    def __post_init__(self) -> None:
        positive(self, "layers", "width", "vocabulary", "context")

    @property
    def matrices(self) -> int:
        """Weights of the matrices of all layers."""
        return self.layers * 8 * self.width**2

    @property
    def body(self) -> int:
        """All weights but the embeddings and the head."""
        return self.matrices + self.layers * 4 * self.width

    @property
    def embeddings(self) -> int:
        """Weights of the embedding table."""
        return self.vocabulary * self.width

    @property
    def head(self) -> int:
        """Weights of the output head of its own; 0 when it shares the embedding table."""
        return 0 if self.tied else self.vocabulary * self.width

    def _parts(self) -> tuple[int, int, int, int]:
        return self.body, self.embeddings, self.head, 0

    def flop(self, sequence: int | None = None) -> Flop:
        """FLOP of the matrix products of one token, the head's among them; they do not depend on the sequence."""
        return Flop(2.0 * (self.matrices + self.vocabulary * self.width), 0.0, "token")

    def state_bytes(self, *, bytes_each: float = 2) -> float:
        """Bytes of the state that a sequence is generated from, outputs and cells, however long it is."""
        return 2.0 * self.layers * self.width * bytes_each

    def activations(self, batch: float = 1, *, sequence: int | None = None, bytes_each: float = 2) -> float:
        """Bytes kept for the backward pass of `batch` sequences: what layers read, gates, cells; logits in 32 bits.

        Of a token and a layer that is one width of input, four of gates, one of cells, one of their tangents.
        """
        tokens = batch * (sequence or self.context)
        kept = bytes_each * (7 * self.layers + 1) * self.width + 4.0 * self.vocabulary
        return float(tokens * kept)
