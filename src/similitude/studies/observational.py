"""Ruan et al. 2024: a few dimensions of benchmark scores, log-linear in compute within a family."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from similitude._view import Column, Table
from similitude.runs import Runs, datasets
from similitude.studies._claim import ABOUT, measured
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY", "components"]

SCORES = ("MMLU", "ARC-C", "HellaSwag", "Winograd", "TruthfulQA", "GSM8K", "XWinograd", "HumanEval")
CUMULATIVE = ("0.843", "0.943", "0.974", "0.984", "0.992")  # of the 124 complete rows, computed elsewhere
FAMILIES = {
    "BLOOM": ".983",
    "Cerebras-GPT": ".863",
    "CodeLlama": ".961",
    "Llama": ".979",
    "OPT": ".985",
    "Pythia": ".985",
    "Qwen1.5": ".970",
    "StarCoder": ".971",
    "XGLM": ".988",
    "StableLM": ".072",
}
FLAT = "four models without a trend: the last digits of the component, which depend on the rows kept, decide"
WHERE = "computed elsewhere on the same rows"


def components(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores of models on principal components (models, components), and shares of variance; centred, not scaled."""
    centred = scores - scores.mean(axis=0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    return left * size, size**2 / np.sum(size**2)


def claims(seed: int) -> Iterator[Item]:
    runs = datasets.load("obs-scaling")
    table = np.stack([runs.column(s) for s in SCORES], axis=1)
    complete = np.asarray(np.isfinite(table).all(axis=1))
    dimensions, shares = components(table[complete])
    total = np.cumsum(shares)
    yield measured("share of variance of the first component", "0.80", "section 4", float(shares[0]), ABOUT,
                   remark="the released table has grown from 77 to 124 complete rows since")  # fmt: skip
    yield measured("share of the first three", "0.97", "section 4", float(total[2]), ABOUT)
    for i, digits in enumerate(CUMULATIVE):
        yield measured(f"share of the first {i + 1}", digits, WHERE, float(total[i]))
    rows = []
    for family, digits in FAMILIES.items():
        r2, models = _within(runs, complete, dimensions[:, 0], family)
        claim = measured(f"R2 of the first component on log compute within {family}", digits, WHERE, r2)
        yield claim if claim.verdict != "differs" else replace(claim, remark=FLAT)
        rows.append((family, str(models), f"{r2:.3f}"))
    yield Table("The first component against log compute, by family", ("family", Column("models", align="right"),
                                                                       Column("R2", align="right")), rows)  # fmt: skip
    yield "124 complete rows of eight benchmarks, centred and not scaled. StableLM mixes recipes, and does not line up."


def _within(runs: Runs, complete: np.ndarray, first: np.ndarray, family: str) -> tuple[float, int]:
    """R2 of a straight line of the component on log10 FLOP, and models."""
    flop = runs.column("flops_1e21")[complete]
    mine = (runs.labels("family")[complete] == family) & np.isfinite(flop)
    x, y = np.log10(flop[mine]), first[mine]
    return float(np.corrcoef(x, y)[0, 1] ** 2), int(mine.sum())


STUDY = Declaration("ruan2024", "Observational scaling laws", "ruan2024", ("obs-scaling",), claims)
