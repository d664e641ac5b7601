"""Liu et al. 2024, RegMix: ranks of mixtures at larger models from a regression on small ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from similitude._view import Column, Table
from similitude.runs import Runs, datasets
from similitude.studies._claim import measured
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY", "rank_correlation"]

# Spearman correlation of predicted and true loss on Pile-CC, linear regression on 512 models of the smallest size
PRINTED = {"1M": "90.08", "60M": "89.26", "1B": "88.01"}
ELSEWHERE = {"1M": "90.21", "60M": "89.33", "1B": "87.66"}
WHERE = "table of rank correlations, linear regression"
RECOMPUTED = "least squares made elsewhere on the same rows"


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's correlation, ties at their mean rank."""
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(a: np.ndarray) -> np.ndarray:
    _, place, count = np.unique(a, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def claims(seed: int) -> Iterator[Item]:
    runs = datasets.load("regmix")
    names = [n for n in runs.names if n.startswith("w_")]
    train = runs.where(split="train")
    weights = _fitted(_mixtures(train, names), train.column("loss"))
    rows = []
    for model, printed in PRINTED.items():
        test = runs.where(split="test", model=model)
        told = _mixtures(test, names) @ weights
        ours = 100 * rank_correlation(told, test.column("loss"))
        remark = "the authors' rows of training and testing are the same; their regression may be regularised otherwise"
        yield measured(f"rank correlation, linear, {model} models, %", printed, WHERE, ours, remark=remark)
        yield measured(f"the same, least squares, {model} models, %", ELSEWHERE[model], RECOMPUTED, ours)
        bowl = 100 * rank_correlation(_quadratic(train, test, names), test.column("loss"))
        rows.append((model, str(len(test)), f"{ours:.2f}", f"{bowl:.2f}"))
    heads = [Column(h, align="right") for h in ("mixtures", "linear", "with log weights")]
    note = "The paper's boosted trees reach 97 to 99; no tree library is among our dependencies."
    yield Table("Rank correlation of predicted and true loss, %", ("models", *heads), rows, note=note)
    yield "Fitted on 512 models of the smallest size and 1B tokens; the largest were trained on 25B tokens."


def _mixtures(runs: Runs, names: list[str]) -> np.ndarray:
    shares = np.stack([runs.column(n) for n in names], axis=1)
    return np.concatenate([shares, np.ones((len(shares), 1))], axis=1)


def _fitted(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.linalg.lstsq(x, y, rcond=None)[0]


def _quadratic(train: Runs, test: Runs, names: list[str]) -> np.ndarray:
    """Predictions of a regression on the weights and their logarithms, shifted by a hundredth, lightly ridged."""

    def features(runs: Runs) -> np.ndarray:
        shares = _mixtures(runs, names)
        return np.concatenate([shares, np.log(shares[:, :-1] + 0.01)], axis=1)

    x = features(train)
    size = x.std(axis=0)
    size[size == 0] = 1.0
    ridge = 1e-3 * len(x) * np.eye(x.shape[1])
    scaled = x / size
    weights = np.linalg.solve(scaled.T @ scaled + ridge, scaled.T @ train.column("loss"))
    return features(test) / size @ weights


STUDY = Declaration("liu2024regmix", "RegMix: data mixture as regression", "liu2024regmix", ("regmix",), claims)
