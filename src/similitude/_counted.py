"""What every shape of a model says of itself: parameters by convention, FLOP of a pass, memory of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ._errors import ArgumentError, did_you_mean

__all__ = ["CONVENTIONS", "OPTIMIZERS", "Counted", "Flop", "State", "chosen", "positive"]

CONVENTIONS = ("total", "without embeddings", "without embeddings and head", "active")


@dataclass(frozen=True, slots=True)
class Flop:
    """FLOP of the matrix products of one pass over one `unit`: a token, an example, an image.

    `attention` is the part of `forward` that grows with the square of the sequence. Scores a causal mask hides are
    counted too, as is the field's custom. `given` is the part that multiplies what the model is given, such as pixels.
    """

    forward: float
    attention: float
    unit: str
    given: float = 0.0

    @property
    def backward(self) -> float:
        """Twice the forward pass, gradients of the inputs and of the weights, but of what is given no gradient."""
        return 2.0 * self.forward - self.given

    @property
    def training(self) -> float:
        """Forward and backward."""
        return 3.0 * self.forward - self.given


@dataclass(frozen=True, slots=True)
class State:
    """Bytes that training keeps whatever the batch: weights, gradients, and the optimiser's state with its copies."""

    weights: float
    gradients: float
    optimizer: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.gradients + self.optimizer


# bytes a parameter: weights, gradients, optimiser
OPTIMIZERS: Mapping[str, State] = {
    "adam": State(2, 2, 12),  # 16-bit weights and gradients, 32-bit copy and two moments: Rajbhandari et al. 2020
    "adam, 32-bit gradients": State(2, 4, 12),
    "adam, 8-bit moments": State(2, 2, 6),
    "adam, 32 bit": State(4, 4, 8),
    "sgd with momentum, 32 bit": State(4, 4, 4),
}


class Counted:
    """The shared face of shapes; each says its `_parts`: weights of the body, of embeddings, of the head, and idle."""

    __slots__ = ()

    def _parts(self) -> tuple[int, int, int, int]:
        """(body, embeddings, head, weights a token does not meet)."""
        raise NotImplementedError

    def parameters(self, counts: str = "total") -> int:
        """Number of parameters under a convention; a dense model has all of them active.

        A shared table is embedding and head in one: without embeddings it is not counted at all.

        >>> from similitude._architecture import Transformer
        >>> shape = Transformer(layers=2, width=64, heads=4, vocabulary=1000, context=128, tied=False)
        >>> [shape.parameters(c) for c in ("total", "without embeddings", "without embeddings and head")]
        [226624, 162624, 98624]
        """
        body, embeddings, head, idle = self._parts()
        total = body + embeddings + head
        return {
            "total": total,
            "without embeddings": body + head,
            "without embeddings and head": body,
            "active": total - idle,
        }[chosen("convention", counts, CONVENTIONS)]

    def state(self, optimizer: str | State = "adam") -> State:
        """Bytes of weights, gradients and optimiser, on all accelerators together.

        `optimizer` names one of ``OPTIMIZERS``, or is a `State` of bytes a parameter.

        >>> from similitude._architecture import Transformer
        >>> Transformer(layers=2, width=64, heads=4, vocabulary=1000, context=128).state().total / 162624
        16.0
        """
        each = optimizer if isinstance(optimizer, State) else OPTIMIZERS[chosen("optimizer", optimizer, OPTIMIZERS)]
        n = self.parameters("total")
        return State(n * each.weights, n * each.gradients, n * each.optimizer)


def chosen(what: str, name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    """The name, if it is one of those known; ArgumentError otherwise."""
    if name not in known:
        plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
        raise ArgumentError(f"no {what} '{name}'; the {plural} are: {', '.join(known)}{did_you_mean(name, known)}")
    return name


def positive(owner: object, *names: str) -> None:
    """ArgumentError unless these attributes are positive whole numbers, those that are None left out."""
    for name in names:
        value = getattr(owner, name)
        if value is not None and not (value == int(value) and value > 0):
            raise ArgumentError(f"{name} = {value}; expected a positive number")
