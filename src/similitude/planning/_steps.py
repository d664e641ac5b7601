"""Batches of whole sequences, and steps, that make up a number of tokens."""

from __future__ import annotations

from dataclasses import dataclass

from similitude._errors import ArgumentError
from similitude.planning._budget import amount

__all__ = ["Steps", "steps_for"]


@dataclass(frozen=True)
class Steps:
    """`batch` sequences of `context` tokens, so many `steps`: the tokens trained on, and how far off what was asked."""

    batch: int
    context: int
    steps: int
    difference: float

    @property
    def batch_tokens(self) -> int:
        """Tokens of a batch."""
        return self.batch * self.context

    @property
    def tokens(self) -> int:
        """Tokens of all steps."""
        return self.batch_tokens * self.steps


def steps_for(
    tokens: float | str, *, context: int, batch: float | str, share: int = 1, limit: int = 4
) -> tuple[Steps, ...]:
    """Batches near `batch` tokens with the steps that come closest to `tokens`, powers of two first.

    First the power of two of sequences nearest to the batch, then those batches within a factor of two of it, nearest
    first, that divide the tokens exactly, as far as there are any. Every batch is a multiple of `share` sequences.
    Raises ArgumentError where a batch is longer than all the tokens.

    >>> [(s.batch, s.steps, s.tokens) for s in steps_for(1.4e12, context=4096, batch=4e6, limit=2)]
    [(1024, 333786, 1399999954944), (875, 390625, 1400000000000)]
    """
    d, b = amount("tokens", tokens, "tokens"), amount("batch", batch, "tokens")
    assert d is not None
    assert b is not None
    if b > d or context > d:
        raise ArgumentError(f"a batch of {max(b, context):g} tokens is longer than the {d:g} tokens of training")
    aim = max(1.0, b / context / share)
    power = 2 ** max(0, round(_log2(aim)))
    whole = round(d) % (context * share) == 0
    exact = [
        k for k in range(max(1, int(aim / 2)), int(2 * aim) + 1) if whole and _divides(round(d), context * share * k)
    ]
    exact.sort(key=lambda k: abs(_log2(k / aim)))
    batches = list(dict.fromkeys([power, *exact]))[:limit]
    return tuple(_steps(d, context, share * k) for k in batches)


def _steps(tokens: float, context: int, batch: int) -> Steps:
    steps = max(1, round(tokens / (batch * context)))
    return Steps(batch, context, steps, (steps * batch * context - tokens) / tokens)


def _divides(tokens: int, size: int) -> bool:
    return tokens % size == 0


def _log2(value: float) -> float:
    from math import log2

    return log2(value)
