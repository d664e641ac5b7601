"""Li et al. 2025: best learning rate and batch, and what the released rows say of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from similitude._view import Interval
from similitude.fitting import fit
from similitude.laws import get
from similitude.runs import Runs, datasets
from similitude.studies._claim import Claim, checked, measured
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY"]

NEAR = 0.0025  # the authors keep runs within a quarter per cent of the best of their size and data
REMARK = (
    "the released rows do not give the printed law: the fit moves with the subset of near-best runs, and the grid ends "
    "near some optima"
)


def claims(seed: int) -> Iterator[Item]:
    runs = datasets.load("steplaw")
    best = runs.where(near_best(runs))
    rate = fit(get("steplaw_lr"), best.with_output("lr"), objective="squares_log", intervals="delta")
    for name, printed in (("a", "1.79"), ("alpha", "0.713"), ("beta", "0.307")):
        yield _told(f"{name} of the best learning rate", printed, "eq. 1", rate.values[name], rate.ends[name])
    batch = fit(get("steplaw_batch"), best.with_output("batch_tokens"), objective="squares_log", intervals="delta")
    yield _told("amplitude of the best batch", "0.58", "eq. 2", batch.values["a"], batch.ends["a"])
    low, high = (None if end is None else -end for end in reversed(batch.ends["c"]))
    yield _told("exponent of the best batch", "0.571", "eq. 2", -batch.values["c"], (low, high))
    yield measured("excess loss at the printed law, mean over groups, %", "0.09", "README", _excess(runs))
    law = get("steplaw_lr").published["li2025steplaw"]
    yield checked("best rate at 7e9 parameters, 1.4e12 tokens", "9.17e-4", "eq. 1", law.value(N=7e9, D=1.4e12))


def _told(sentence: str, printed: str, where: str, value: float, ends) -> Claim:
    return measured(sentence, printed, where, Interval(value, *ends), interval="90 % delta", remark=REMARK)


def near_best(runs: Runs) -> np.ndarray:
    """Whether a run's loss is within `NEAR` of the least of its size and data."""
    loss = runs.column("loss")
    least = np.empty(len(runs))
    for group in _groups(runs):
        least[group] = loss[group].min()
    return loss <= least * (1 + NEAR)


def _groups(runs: Runs) -> list[np.ndarray]:
    pairs = np.stack([runs.column("N"), runs.column("D")])
    _, codes = np.unique(pairs, axis=1, return_inverse=True)
    return [np.flatnonzero(np.ravel(codes) == k) for k in range(int(codes.max()) + 1)]


def _excess(runs: Runs) -> float:
    """Mean excess, in %, of the grid's run nearest to the printed law over the best of its group."""
    n, d, loss = (runs.column(k) for k in ("N", "D", "loss"))
    rate = get("steplaw_lr").published["li2025steplaw"].value(N=n, D=d)
    batch = get("steplaw_batch").published["li2025steplaw"].value(D=d)
    away = np.log(runs.column("lr") / rate) ** 2 + np.log(runs.column("batch_tokens") / batch) ** 2
    return 100 * float(np.mean([loss[g][np.argmin(away[g])] / loss[g].min() - 1 for g in _groups(runs)]))


STUDY = Declaration("li2025steplaw", "Step law: learning rate and batch", "li2025steplaw", ("steplaw",), claims)
