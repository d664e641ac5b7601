"""Batches of training sequences: which tokens step t sees is a function of t alone, so that runs resume anywhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from similitude._errors import ArgumentError, DataError

from ._order import Shares, permutation
from ._text import Corpus

__all__ = ["Batches", "held_windows"]

KEPT_ORDERS = 4  # permutations kept at hand


class Batches:
    """The batches of a run by step: ``batches[t]`` is (batch, sequence + 1) int32, the inputs and the next tokens.

    Parameters
    ----------
    corpora, weights
        The texts and the share of sequences from each, in any unit; a text of weight 0 is never read.
    sequence, batch
        Predicted tokens of a sequence, sequences of a batch.
    seed
        Of the order of the windows.
    unique
        So many different tokens in all, repeated epoch by epoch; None for all there are. Each corpus has its
        weight's share of them, rounded down to whole windows, from the beginning of its training part, so that the
        tokens of a smaller limit are among those of a larger one.

    A corpus is cut into windows: window i holds tokens i*s to i*s + s, its last being the first of the next window, so
    that an epoch predicts every token once (but the first, and the few that fill no window). Each epoch goes through
    the windows in another order. The sequences of corpora are interleaved evenly (see `Shares`). A batch depends on
    what is given here and its step, never on how long the run is or which batches were asked for before.

    Raises ArgumentError for arguments out of range, a limit above what there is or below a window a corpus.

    >>> import numpy as np
    >>> text = Corpus("mine", "bytes", 256, np.arange(9, dtype=np.uint8), np.zeros(1), 1.0, (1, 1), "0" * 64, "", "")
    >>> Batches([text], [1], sequence=4, batch=2, seed=0)[0]
    array([[0, 1, 2, 3, 4],
           [4, 5, 6, 7, 8]], dtype=int32)
    """

    def __init__(
        self,
        corpora: Sequence[Corpus],
        weights: Sequence[float],
        *,
        sequence: int,
        batch: int,
        seed: int,
        unique: int | None = None,
    ) -> None:
        _check(corpora, sequence, batch)
        self.corpora, self.sequence, self.batch, self.seed = tuple(corpora), sequence, batch, seed
        self.shares = Shares(weights, len(corpora))
        self.windows = tuple(_limit(c, w, sequence, unique) for c, w in zip(corpora, self.shares.weights))
        self._orders: dict[tuple[int, int], np.ndarray] = {}

    def __getitem__(self, step: int) -> np.ndarray:
        """The batch of a step, counted from 0: (batch, sequence + 1) int32. Raises IndexError for a negative step."""
        if step < 0:
            raise IndexError(f"step {step}: steps are counted from 0")
        which, turns = self.shares.draw(step * self.batch, self.batch)
        rows = np.empty((self.batch, self.sequence + 1), np.int32)
        within = np.arange(self.sequence + 1)
        for k in np.unique(which):
            mine = which == k
            starts = self._windows_of(int(k), turns[mine]) * self.sequence
            rows[mine] = self.corpora[k].train[starts[:, None] + within]
        return rows

    @property
    def unique_tokens(self) -> dict[str, int]:
        """The different tokens to be predicted, by corpus: whole windows."""
        return {c.name: n * self.sequence for c, n in zip(self.corpora, self.windows)}

    def tokens(self, steps: int) -> dict[str, int]:
        """Tokens predicted in the first `steps` steps, by corpus."""
        counts = self.shares.counts(steps * self.batch)
        return {c.name: int(n) * self.sequence for c, n in zip(self.corpora, counts)}

    def epochs(self, steps: int) -> dict[str, float]:
        """Passes over the (limited) tokens of each corpus in the first `steps` steps."""
        seen, unique = self.tokens(steps), self.unique_tokens
        return {name: seen[name] / unique[name] if unique[name] else 0.0 for name in seen}

    def _windows_of(self, k: int, turns: np.ndarray) -> np.ndarray:
        """Which window the corpus gives at each of its turns, 0, 1, 2 ...: (turns,)."""
        epochs, places = np.divmod(turns, self.windows[k])
        out = np.empty_like(turns)
        for epoch in np.unique(epochs):
            mine = epochs == epoch
            out[mine] = self._order(k, int(epoch))[places[mine]]
        return out

    def _order(self, k: int, epoch: int) -> np.ndarray:
        if (k, epoch) not in self._orders:
            while len(self._orders) >= KEPT_ORDERS * len(self.corpora):
                del self._orders[next(iter(self._orders))]  # the oldest; made again should it be asked for
            key = (self.seed, int(self.corpora[k].sha256[:16], 16), epoch)
            self._orders[k, epoch] = permutation(self.windows[k], key)
        return self._orders[k, epoch]


def held_windows(corpus: Corpus, sequence: int, count: int) -> np.ndarray:
    """Windows of validation text, evenly spread, no token predicted twice: (count, sequence + 1) int32.

    Raises ArgumentError when there are fewer than `count` windows of that length.
    """
    there = (len(corpus.held) - 1) // sequence if sequence > 0 else 0
    if not 0 < count <= there:
        raise ArgumentError(
            f"{corpus.name} has {there} validation windows of {sequence} tokens; expected a count from 1 to that, "
            f"not {count}"
        )
    starts = np.arange(count) * there // count * sequence
    return corpus.held[starts[:, None] + np.arange(sequence + 1)].astype(np.int32)


def _check(corpora: Sequence[Corpus], sequence: int, batch: int) -> None:
    if sequence < 1 or batch < 1:
        raise ArgumentError(f"sequence = {sequence}, batch = {batch}: both must be at least 1")
    names = [c.name for c in corpora]
    if len(set(names)) < len(names):
        raise ArgumentError(f"corpora {', '.join(names)}: give each once, with its weight in all")
    if len(kinds := {c.tokenizer for c in corpora}) > 1:
        raise ArgumentError(f"the corpora have different tokenizers, {' and '.join(sorted(kinds))}; read all with one")


def _limit(corpus: Corpus, weight: float, sequence: int, unique: int | None) -> int:
    """How many windows of a corpus are used."""
    there = (len(corpus.train) - 1) // sequence
    wanted = there if unique is None else int(weight * unique) // sequence
    if weight == 0:
        return 0
    if wanted > there:
        raise ArgumentError(
            f"unique = {unique} asks for {wanted * sequence} tokens of {corpus.name}, which has {there * sequence}; "
            "lower it, or give that text less weight"
        )
    if wanted < 1:
        raise DataError(
            f"{corpus.name} gives {wanted} windows of {sequence} tokens; it needs one: shorten the sequence"
            + ("" if unique is None else " or raise unique")
        )
    return wanted
