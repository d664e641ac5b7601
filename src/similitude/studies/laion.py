"""Nezhurina et al. 2025: CLIP and MaMMUT compared by their whole scaling curves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from similitude._view import Column, Interval, Table
from similitude.comparison import compare
from similitude.fitting import Fit, fit
from similitude.laws import get
from similitude.runs import Runs, datasets, read_runs
from similitude.studies._claim import measured
from similitude.studies._rules import AT_LEAST, WITHIN
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY", "frontier"]

README = "README of the released code"
GIGA = 1e9  # the law's compute is in billions of multiply-adds
LARGE = 2.0256e11 * 12.8e9 / GIGA  # MaMMUT L-14 on 12.8 billion samples
LARGE_REACH = 10.0
BINS = 4  # budgets a decade at which the best run is taken


def frontier(runs: Runs, bins: int = BINS) -> tuple[np.ndarray, np.ndarray]:
    """Compute and error of the best run in each bin of log compute."""
    flop, error = runs.column("C") / GIGA, 1 - runs.column("acc1")
    bin_ = np.floor(np.log10(flop) * bins)
    best = [np.flatnonzero(bin_ == b)[np.argmin(error[bin_ == b])] for b in np.unique(bin_)]
    return flop[best], error[best]


def claims(seed: int) -> Iterator[Item]:
    runs = datasets.load("laion-comparison-seg")
    found = {family: _fitted(runs.where(family=family)) for family in ("clip", "mammut")}
    told = found["mammut"].predict(C=LARGE)
    accuracy = Interval(*(100 * (1 - v) for v in (told.value, told.high, told.low)))
    yield measured(
        "zero-shot ImageNet accuracy predicted for MaMMUT L-14 on 12.8e9 unique samples, %",
        "82.0",
        README,
        accuracy,
        WITHIN,
        spread=0.5,
        interval="90 % profile",
        remark="best run of each quarter decade, up to a quarter of that compute; the authors fit a larger table",
    )
    rates = {k: f.values["alpha"] for k, f in found.items()}
    yield measured(
        "exponent of MaMMUT over that of CLIP", "1.0", "figure 1: MaMMUT is steeper", rates["mammut"] / rates["clip"],
        AT_LEAST,
    )  # fmt: skip
    at = {k: float(f.predict(C=LARGE).value) for k, f in found.items()}
    yield measured(
        "error of CLIP over that of MaMMUT at that compute", "1.0", "text: MaMMUT is ahead at scale",
        at["clip"] / at["mammut"], AT_LEAST,
    )  # fmt: skip
    yield _table(found)
    yield from _compared(runs)
    yield "Compute is forward FLOP a sample times samples, as the authors count it; training costs three times that."


def _fitted(runs: Runs) -> Fit:
    flop, error = frontier(runs)
    table = read_runs({"C": flop, "error": error}, loss="error", check=False)
    return fit(get("clip_comparison"), table, inputs={"C": "C"})


def _compared(runs: Runs) -> Iterator[Item]:
    """Where the curves cross, and what CLIP needs for the error of MaMMUT, with intervals."""
    parts = {family: frontier(runs.where(family=family)) for family in ("clip", "mammut")}
    columns = {
        "GFLOP": np.concatenate([p[0] for p in parts.values()]),
        "error": np.concatenate([p[1] for p in parts.values()]),
        "family": [k for k, p in parts.items() for _ in p[0]],
    }
    table = read_runs(columns, loss="error", check=False)
    found = compare(table, "family", law="clip_comparison", x="GFLOP", score="error", at=LARGE, reach=LARGE_REACH)
    pair = found.pairs[0]
    yield f"Compared along forward GFLOP in training: {pair.verdict}."
    gap = next(g for g in pair.gaps if abs(g.at / LARGE - 1) < 1e-9)
    yield (
        f"At the compute of MaMMUT L-14 on 12.8e9 samples, {gap.reach:.2g} times the largest run here, its error less "
        f"CLIP's is {gap.difference.text()}; CLIP needs {gap.multiple.text()} times the compute for the same error; "
        f"MaMMUT is ahead with probability {gap.wins:.2f}."
    )


def _table(found: dict[str, Fit]) -> Table:
    rows = []
    for family, made in found.items():
        cells = [Interval(made.values[p], *made.ends[p]) for p in ("A", "B", "alpha", "E")]
        rows.append((family, str(len(made.observed)), *cells))
    heads = (Column("runs", align="right"), *(Column(p) for p in ("A", "B", "alpha", "E")))
    return Table("Error = A (C + B)^-alpha + E on the best runs", ("family", *heads), rows)


STUDY = Declaration(
    "nezhurina2025",
    "Robust comparison of open vision-language models",
    "nezhurina2025",
    ("laion-comparison-seg",),
    claims,
)
