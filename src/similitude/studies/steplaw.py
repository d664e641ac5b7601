"""Li et al. 2025: best learning rate and batch, and what the released rows say of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from similitude._view import Interval
from similitude.fitting import fit
from similitude.laws import get
from similitude.runs import Runs, datasets
from similitude.studies._claim import ABOUT, Claim, checked, measured
from similitude.studies._held_out import held_out, held_out_table
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY"]

NEAR = 0.0025  # the authors keep runs within a quarter per cent of the best of their size and data
REMARK = (
    "the released rows do not give the printed law: the fit moves with the subset of near-best runs, and the grid ends "
    "near some optima"
)

# excess loss, %, of other rules as the paper compares them, at test points of its own that are not in the files
OTHERS = {"Porian et al.": "0.371", "Bjorck et al.": "0.925", "DeepSeek": "0.926", "Kaplan et al.": "0.951"}
ELSEWHERE = "read at the 17 groups released, where the paper reads it at test points that are not among the files"
AIMS = {
    "Porian et al.": f"{ELSEWHERE}; its N counts the head, these runs leave embeddings out",
    "Bjorck et al.": f"{ELSEWHERE}; at its own batch of half a million tokens",
    "DeepSeek": f"{ELSEWHERE}; with compute as 6ND",
    "Kaplan et al.": (
        f"{ELSEWHERE}; here with its critical batch at the loss reached, several million tokens, where the paper "
        "prints another amplitude for it"
    ),
}


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
    rows, (rates, batches, groups) = held_out(runs, seed=seed)
    scores = {r.name: float(r.nearest.mean()) for r in rows}
    for rule, printed in OTHERS.items():
        yield measured(
            f"excess loss at the rule of {rule}, mean over groups, %", printed, "table of rules", scores[rule], ABOUT,
            remark=AIMS[rule],
        )  # fmt: skip
    yield held_out_table(rows)
    yield (
        f"Laws fitted without a size hold {rates} of {groups} best rates and {batches} of {groups} best batches of "
        "that size (bottoms of its own bowls) in their 90 % intervals."
    )
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
