"""The law of data pools: error after some samples of a pool, or of a union of pools, repeated as often as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from similitude._quantity import RATIO, SCORE
from similitude.laws import Law, exponent, paper, positive, real
from similitude.math import exp, log, maximum, minimum

__all__ = ["LONGEST", "falls", "pass_ends", "pool_law"]

EACH = 64  # passes told apart one by one; later ones in stretches that grow by a twentieth
STRETCH = 1.05
LONGEST = 200.0  # half-life up to which runs are asked: beyond, repeated samples are as good as fresh ones
LN2 = float(np.log(2.0))


def pass_ends(most: float) -> tuple[int, ...]:
    """The ends of the stretches of passes up to `most` epochs: 1, 2, 3 ... 64, then 5 % apart.

    >>> pass_ends(2.5), pass_ends(1e4)[-2:]
    ((1, 2, 3), (9598, 10077))
    """
    ends = list(range(1, int(min(np.ceil(max(most, 1.0)), EACH)) + 1))
    while ends[-1] < most:
        ends.append(max(ends[-1] + 1, int(ends[-1] * STRETCH)))
    return tuple(ends)


def _indices(ends: Sequence[int]) -> list[float]:
    """k - 1 of each stretch: of its only pass, or the mean over its passes, weighted by what they add to log n."""
    found = [0.0]
    for before, after in pairwise(ends):
        k = np.arange(before + 1, after + 1)
        found.append(float(np.average(k - 1, weights=np.log(k / (k - 1)))))
    return found


def _gains(n: Any, unique: Any, ends: Sequence[int]) -> list[Any]:
    """How much log n grows in each stretch, the first from n = 1: a fraction of a pass counts as far as it went."""
    later = pairwise(ends)
    return [
        log(minimum(n, unique)),
        *(log(minimum(maximum(n, j * unique), k * unique) / (j * unique)) for j, k in later),
    ]


def pool_law(labels: Sequence[str], most: float) -> Law:
    """The law of pools with these labels, for up to `most` epochs: inputs n, U and a share w_label of each pool.

    n and U count samples in the unit in which the pools share `a`. A run on one pool has the share 1 of it and 0 of the
    others, and the law is y = a n_1^-b_1 (n_2/n_1)^-b_2 ... + d with b_k = b 2^(-(k-1)/tau) in the k-th pass (Goyal et
    al. 2024, eqs. 2 and 3; there b is negative). Of a union, exponents are averaged by share, and the half-lives grow
    to tau / share (Theorem 1, with p tau for p equal pools).

    >>> law = pool_law(("a",), 3)
    >>> round(float(law(n=8.0, U=4.0, w_a=1.0, a=1.0, d=0.0, b_a=1.0, tau_a=1.0)), 4) == round(2**-2.5, 4)
    True
    """
    ends = pass_ends(most)
    indices = _indices(ends)

    def function(n: Any, U: Any, **values: Any) -> Any:
        first, *later = _gains(n, U, ends)
        fall: Any = 0.0
        for label in labels:
            share, rate = values[f"w_{label}"], LN2 / values[f"tau_{label}"]
            learnt = first
            for index, gain in zip(indices[1:], later, strict=True):
                learnt = learnt + gain * exp(-index * share * rate)
            fall = fall + share * values[f"b_{label}"] * learnt
        return values["a"] * exp(-fall) + values["d"]

    # on its logarithm a floor near zero moves nothing, and profiles of what hangs on it would not be found
    floor = replace(real(0.3, 0.8, low=0.0), relative="output")
    params = {"a": positive(0.1, 0.5, 1.0), "d": floor}
    for label in labels:
        params[f"b_{label}"] = exponent(0.05, 0.2, 0.5)
        params[f"tau_{label}"] = positive(1.0, 3.0, 10.0, low=0.05, high=LONGEST)
    return Law(
        "pools",
        function,
        MappingProxyType({"n": RATIO, "U": RATIO, **{f"w_{label}": RATIO for label in labels}}),
        SCORE,
        MappingProxyType(params),
        source=paper("goyal2024", where="eq. 2 and 3, theorem 1"),
        doc="Error of a union of repeated data pools.",
        title="utility of data pools and their unions",
        positive_inputs=False,
    )


def falls(n: np.ndarray, sizes: np.ndarray, b: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """How far log(y - d) falls on a union, (draws, budgets): the law's exponent, for many of both at once.

    `n` (budgets,) samples and `sizes` (pools,) in the law's unit, `b` and `tau` (pools, draws).

    >>> tau = np.array([[1.0]])
    >>> np.round(falls(np.array([8.0]), np.array([4.0]), np.array([[1.0]]), tau) / np.log(2), 4)
    array([[2.5]])
    """
    whole = float(sizes.sum())
    ends = pass_ends(float(n.max()) / whole)
    gains = np.stack(_gains(n, whole, ends))
    later = np.array(_indices(ends))
    total = np.zeros((b.shape[1], len(n)))
    for share, utility, life in zip(sizes / whole, b, tau, strict=True):
        total += share * utility[:, None] * (np.exp(-LN2 * share * later / life[:, None]) @ gains)
    return total
