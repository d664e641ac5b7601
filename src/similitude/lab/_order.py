"""Orders that can be entered anywhere: which corpus a sequence comes from, and permutations that are hashes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from similitude._errors import ArgumentError

__all__ = ["Shares", "permutation"]


class Shares:
    """Interleaves the turns of several corpora by weight, evenly: sequence j is found without the ones before it.

    Turn m (0, 1, ...) of a corpus of weight w has the time (m + 1/2) / w; the sequences are all turns in the order of
    their times, those of equal time in the order of the corpora. After j sequences a corpus with weight w has had w*j
    turns but for at most 1/2 + w (K - 2) / 2, where K corpora have weights: at most 1 for three, and never growing.

    Reason: at time t each corpus has had w*t turns but for an error e of at most 1/2, and j = t - sum(e); so the
    error against w*j is (1 - w) e less w times the sum of the others' errors.
    """

    def __init__(self, weights: Sequence[float], count: int) -> None:
        given = np.asarray(weights, float)
        if given.shape != (count,) or not count:
            raise ArgumentError(f"{given.size} weights for {count} corpora; expected at least one, and one for each")
        if not np.isfinite(given).all() or (given < 0).any() or not given.sum() > 0:
            raise ArgumentError(f"weights {given.tolist()}: none may be negative or infinite, nor all be 0")
        self.weights = given / given.sum()
        self._used = np.flatnonzero(self.weights)

    def draw(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Of sequences first to first + count - 1: the corpus of each and which of its turns that is, both (count,)."""
        reach = len(self._used) / 2 + 1  # by how much time can differ from the count of sequences
        start = max(first - reach, 0.0)
        earlier = self._turns_before(start)
        most = np.ceil(self.weights * (count + 2 * reach)).astype(int) + 2
        which = np.repeat(self._used, most[self._used])
        turns = np.concatenate([earlier[k] + np.arange(most[k]) for k in self._used])
        order = np.lexsort((which, self._times(which, turns)))
        chosen = order[first - int(earlier.sum()) :][:count]
        return which[chosen], turns[chosen]

    def counts(self, sequences: int) -> np.ndarray:
        """How many of the first so many sequences come from each corpus: int, (corpora,)."""
        which, turns = self.draw(sequences, 1)
        time = self._times(which, turns)
        earlier, used = self._turns_before(float(time[0])), self._used
        earlier[used] += (self._times(used, earlier[used]) == time) & (used < which)
        return earlier

    def _times(self, which: np.ndarray, turns: np.ndarray) -> np.ndarray:
        return (turns + 0.5) / self.weights[which]

    def _turns_before(self, time: float) -> np.ndarray:
        """Turns of each corpus strictly before a time, (corpora,), by the very times that are compared elsewhere."""
        turns = np.maximum(np.floor(self.weights * time + 0.5).astype(int) - 1, 0)
        used = self._used
        while (behind := self._times(used, turns[used]) < time).any():
            turns[used[behind]] += 1
        return turns


def permutation(count: int, key: Sequence[int]) -> np.ndarray:
    """0 to count - 1 in an order that the integers of `key` decide, (count,); the same with every version of NumPy.

    The order is that of hashes of the key and the number (splitmix64).
    """
    state = np.zeros(1, np.uint64)
    for part in key:
        state = _mixed(state ^ np.array([part % 2**64], np.uint64))
    return np.argsort(_mixed(np.arange(count, dtype=np.uint64) + state), kind="stable")


def _mixed(x: np.ndarray) -> np.ndarray:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
