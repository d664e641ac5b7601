"""Optimal designs over a pool of candidate runs: information, greedy choice, exchange, and a bound on what is possible.

The criterion is the mean over draws of log tr(A M^-1), M the information matrix of all runs and A what the decision
makes of errors in the parameters. As 1 / tr(A M^-1) is concave in M (Pukelsheim 1993, Optimal Design of Experiments,
chapter 6), the criterion is convex, so a slope at any design bounds what every other design could do: the equivalence
theorem of Kiefer and Wolfowitz (1960), for one limit on cost and one on the number of runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Choice", "Pool"]

PRICES = (0.0, 0.3, 1.0, 3.0, 30.0)  # of a run against a share of the cost, tried in turn where both are limited
PASSES = 12
POLISH = 120  # steps of the relaxed optimum
ENOUGH = 5e-3  # gap to the bound, in log variance, at which polishing stops
BETTER = 1e-9


@dataclass(frozen=True)
class Choice:
    """How many runs of each candidate (candidates,), the criterion, and the least that any design could reach."""

    counts: np.ndarray
    criterion: float
    bound: float

    @property
    def efficiency(self) -> float:
        """The least share of the best possible precision, 1 / variance, that this design has."""
        return float(np.exp(min(self.bound - self.criterion, 0.0)))


@dataclass(frozen=True)
class Pool:
    """Candidates for runs, seen from draws of the parameters.

    `slopes` (draws, candidates, p): of the law's log by the coordinates, divided by a run's noise. `costs`
    (candidates,). `prior` (draws, p, p): the information there is. `aims`: a list of (draws, r, p); the squared length
    of an aim's rows times the parameters' error is what is to be small.
    """

    slopes: np.ndarray
    costs: np.ndarray
    prior: np.ndarray
    aims: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, slopes: np.ndarray, costs: np.ndarray, prior: np.ndarray, aims: tuple[np.ndarray, ...]) -> Pool:
        """The pool in coordinates in which typical information is the identity, so that no inverse loses digits."""
        typical = prior + np.einsum("kmi,kmj->kij", slopes, slopes) / slopes.shape[1]
        size = np.sqrt(np.maximum(np.einsum("kii->ki", typical), 1e-300))
        bends, turns = np.linalg.eigh(typical / (size[:, :, None] * size[:, None, :]))
        whiten = turns / np.sqrt(np.maximum(bends, 1e-13 * bends[:, -1:]))[:, None, :] / size[:, :, None]
        return cls(
            slopes @ whiten,
            costs,
            np.swapaxes(whiten, 1, 2) @ prior @ whiten,
            tuple(a @ whiten for a in aims),
        )

    @property
    def size(self) -> int:
        """Number of candidates."""
        return len(self.costs)

    def inverse(self, counts: np.ndarray) -> np.ndarray:
        """(draws, p, p): the covariance after the runs of a design, counts (candidates,) that need not be whole."""
        used = np.flatnonzero(counts)
        some = self.slopes[:, used]
        return np.linalg.inv(self.prior + np.swapaxes(some * counts[used, None], 1, 2) @ some)

    def variances(self, counts: np.ndarray) -> np.ndarray:
        """(aims, draws): tr(A M^-1) after a design."""
        return _variances(self.aims, self.inverse(counts))

    def criterion(self, counts: np.ndarray) -> float:
        """The mean of the logarithms of the variances."""
        return _score(self.variances(counts))

    def reductions(self, cover: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What one more run of each candidate takes off every variance, (aims, draws, candidates), and f M^-1 f."""
        moved = self.slopes @ cover
        spread = np.einsum("kmi,kmi->km", moved, self.slopes)
        squares = np.stack([np.sum((moved @ np.swapaxes(a, 1, 2)) ** 2, axis=-1) for a in self.aims])
        return squares, spread

    def gains(self, cover: np.ndarray) -> np.ndarray:
        """(candidates,): how far the criterion falls with one more run."""
        squares, spread = self.reductions(cover)
        share = squares / (1 + spread) / _variances(self.aims, cover)[:, :, None]
        return -np.mean(np.log1p(-np.minimum(share, 1 - 1e-12)), axis=(0, 1))

    def slope(self, cover: np.ndarray) -> np.ndarray:
        """(candidates,): minus the derivative of the criterion by the number of runs of each candidate."""
        squares, _ = self.reductions(cover)
        return np.mean(squares / _variances(self.aims, cover)[:, :, None], axis=(0, 1))

    # -- choosing --------------------------------------------------------------------------------------------------

    def choose(self, budget: float, most: int, repeats: int | None = None, *, bound: bool = True) -> Choice:
        """The best design found of at most `most` runs that cost at most `budget`, at most `repeats` of each.

        Without `bound` fewer beginnings are tried, and the least possible criterion is not looked for: efficiency is 0.
        """
        repeats = most if repeats is None else repeats
        found: list[tuple[float, np.ndarray]] = []
        for price in PRICES if bound else PRICES[1::2]:
            counts = self._exchanged(self._greedy(budget, most, repeats, price), budget, most, repeats)
            found.append((self.criterion(counts), counts))
        score, counts = min(found, key=lambda pair: pair[0])
        if not bound:
            return Choice(counts, score, -np.inf)
        least, relaxed = self._relaxed(counts, budget, most)
        whole = np.minimum(np.floor(relaxed + 0.02), repeats)
        if whole @ self.costs <= budget * (1 + 1e-9) and whole.sum() <= most:
            whole = self._exchanged(self._greedy(budget, most, repeats, 1.0, whole), budget, most, repeats)
            score, counts = min((score, counts), (self.criterion(whole), whole), key=lambda pair: pair[0])
        return Choice(counts, score, least)

    def _greedy(
        self, budget: float, most: int, repeats: int, price: float, begin: np.ndarray | None = None
    ) -> np.ndarray:
        counts = np.zeros(self.size) if begin is None else begin.copy()
        weight = self.costs / budget + price / most
        while counts.sum() < most:
            fits = (self.costs <= budget - counts @ self.costs + 1e-9 * budget) & (counts < repeats)
            if not fits.any():
                break
            gains = np.where(fits, self.gains(self.inverse(counts)) / weight, -np.inf)
            counts[int(np.argmax(gains))] += 1
        return counts

    def _exchanged(self, counts: np.ndarray, budget: float, most: int, repeats: int) -> np.ndarray:
        """The design after swapping a run for another, or adding one, as long as that helps."""
        score = self.criterion(counts)
        for _ in range(PASSES):
            before = score
            for i in np.flatnonzero(counts):
                counts, score = self._replaced(counts, int(i), score, budget, repeats)
            if counts.sum() < most:
                counts, score = self._added(counts, score, budget, repeats)
            if score > before - BETTER:
                forced = self._forced(counts, budget, most, repeats)
                if (new := self.criterion(forced)) >= score - BETTER:
                    break
                counts, score = forced, new
        return counts

    def _forced(self, counts: np.ndarray, budget: float, most: int, repeats: int) -> np.ndarray:
        """One more run of the candidate with the largest gain, paid for by those that are missed least."""
        gains = np.where((counts < repeats) & (self.costs <= budget), self.gains(self.inverse(counts)), -np.inf)
        more = counts.copy()
        more[int(np.argmax(gains))] += 1
        least = counts.copy()
        least[int(np.argmax(gains))] = 0
        while more @ self.costs > budget * (1 + 1e-9) or more.sum() > most:
            used = np.flatnonzero(least * (more > 0))
            if not used.size:
                return counts
            missed = []
            for i in used:
                fewer = more.copy()
                fewer[i] -= 1
                missed.append(self.criterion(fewer))
            now = self.criterion(more)
            over = more @ self.costs > budget * (1 + 1e-9)
            weight = self.costs[used] if over else np.ones(used.size)
            more[used[int(np.argmin((np.array(missed) - now) / weight))]] -= 1
        for _ in range(int(most - more.sum())):
            fuller, _ = self._added(more, np.inf, budget, repeats)
            if fuller.sum() == more.sum():
                break
            more = fuller
        return more

    def _replaced(
        self, counts: np.ndarray, i: int, score: float, budget: float, repeats: int
    ) -> tuple[np.ndarray, float]:
        if counts[i] < 1:
            return counts, score
        fewer = counts.copy()
        fewer[i] -= 1
        better, new = self._added(fewer, self.criterion(fewer), budget, repeats)
        return (better, new) if new < score - BETTER else (counts, score)

    def _added(self, counts: np.ndarray, score: float, budget: float, repeats: int) -> tuple[np.ndarray, float]:
        fits = (self.costs <= budget - counts @ self.costs + 1e-9 * budget) & (counts < repeats)
        if not fits.any():
            return counts, score
        gains = np.where(fits, self.gains(self.inverse(counts)), -np.inf)
        more = counts.copy()
        more[int(np.argmax(gains))] += 1
        return more, self.criterion(more)

    # -- the bound -------------------------------------------------------------------------------------------------

    def _relaxed(self, counts: np.ndarray, budget: float, most: int) -> tuple[float, np.ndarray]:
        """The least that the criterion could be, and a design in fractions of runs near it: Frank and Wolfe's steps."""
        here, best = counts.astype(float), -np.inf
        for _ in range(POLISH):
            cover = self.inverse(here)
            score, slope = _score(_variances(self.aims, cover)), self.slope(cover)
            corner, top = _corner(slope, self.costs, budget, most)
            best = max(best, score - (top - slope @ here))
            if score - best < ENOUGH:
                break
            here = self._between(here, corner)
        return float(best), here

    def _between(self, here: np.ndarray, corner: np.ndarray) -> np.ndarray:
        """The best point between two designs."""
        low, high = 0.0, 1.0
        used = np.flatnonzero(here + corner)
        some = self.slopes[:, used]
        ends = [self.prior + np.einsum("kmi,m,kmj->kij", some, w[used], some) for w in (here, corner)]

        def rising(t: float) -> bool:
            cover = np.linalg.inv(ends[0] + t * (ends[1] - ends[0]))
            step = ends[1] - ends[0]
            turned = [a @ cover for a in self.aims]
            fall = [-np.sum((b @ step) * b, axis=(1, 2)) for b in turned]
            return bool(np.mean(np.stack(fall) / _variances(self.aims, cover)) < 0)

        for _ in range(14):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if rising(middle) else (middle, high)
        t = 0.5 * (low + high)
        return here + t * (corner - here)


def _variances(aims: tuple[np.ndarray, ...], cover: np.ndarray) -> np.ndarray:
    return np.maximum(np.stack([np.sum((a @ cover) * a, axis=(1, 2)) for a in aims]), 1e-300)


def _score(variances: np.ndarray) -> float:
    return float(np.mean(np.log(variances)))


def _corner(slope: np.ndarray, costs: np.ndarray, budget: float, most: int) -> tuple[np.ndarray, float]:
    """The design in fractions of runs with the largest slope @ counts, and that value: a linear programme's answer.

    Its dual is least over a price l of cost: l * budget + most * max(0, max(slope - l costs)), convex in l; two
    candidates at most carry the answer.
    """
    low, high = 0.0, float(np.max(slope / costs))
    for _ in range(80):
        middle = 0.5 * (low + high)
        left = slope - middle * costs
        i = int(np.argmax(left))
        falls = left[i] > 0 and costs[i] * most > budget
        low, high = (middle, high) if falls else (low, middle)
    value = min(x * budget + most * max(0.0, float(np.max(slope - x * costs))) for x in (low, high))
    counts = np.zeros(len(costs))
    dear, cheap = (int(np.argmax(slope - x * costs)) for x in (low, high))
    if dear == cheap or costs[cheap] * most >= budget or costs[dear] * most <= budget:
        pick = max((dear, cheap), key=lambda i: slope[i] * min(most, budget / costs[i]))
        counts[pick] = min(most, budget / costs[pick])
        return counts, value
    share = (budget / most - costs[cheap]) / (costs[dear] - costs[cheap])
    counts[dear], counts[cheap] = most * share, most * (1 - share)
    return counts, value
