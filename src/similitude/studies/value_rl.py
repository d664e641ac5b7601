"""Fu et al. 2025: environment steps that a return needs, from update ratio and critic size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from similitude._quantity import COUNT
from similitude._view import Column, Table
from similitude.fitting import fit
from similitude.laws import formula_law
from similitude.runs import Runs, datasets, read_runs
from similitude.studies._claim import AT_MOST, checked, measured
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY"]

# mean absolute relative error of the authors' fitted values, recomputed elsewhere, %
ELSEWHERE = {"dmc_mean": "8.7", "dog_humanoid_mean": "6.7", "humanoid_bench_simbav2": "5.5"}
WHERE = "recomputed elsewhere from the released fits"
FORM = "D_min + (a/sigma)^alpha + (b/N)^beta"


def claims(seed: int) -> Iterator[Item]:
    runs = datasets.load("value-rl-scaling")
    rows = []
    for suite, printed in ELSEWHERE.items():
        mine = runs.where(suite=suite)
        theirs = _error(mine.column("published_fit_sum_powerlaw"), mine.column("env_steps_to_threshold"))
        yield checked(f"relative error of the authors' fit, {suite}, %", printed, WHERE, theirs)
        told, values = _refit(mine)
        ours = _error(told, mine.column("env_steps_to_threshold"))
        yield measured(
            f"relative error of our fit of the same form, {suite}, %",
            printed,
            WHERE,
            ours,
            AT_MOST,
        )
        rows.append((suite, str(len(mine)), f"{theirs:.1f}", f"{ours:.1f}", *(f"{v:.3g}" for v in values)))
    heads = [Column(h, align="right") for h in ("points", "theirs, %", "ours, %", "alpha", "beta")]
    yield Table(f"Steps to the last threshold: {FORM}", ("suite", *heads), rows)
    yield "The update ratio is sigma, critic parameters N. Raw learning curves are not part of the release."


def _refit(runs: Runs) -> tuple[np.ndarray, tuple[float, float]]:
    """Fitted steps at each row, and the two exponents (their means where there are several environments)."""
    starts = {"alpha": [0.3, 0.9], "beta": [0.3, 0.9]}
    law = formula_law("D_min + A * sigma^(-alpha) + B * N^(-beta)", {"sigma": COUNT, "N": COUNT}, starts=starts)
    told = np.empty(len(runs))
    exponents = []
    names = runs.labels("env_name")
    for name in dict.fromkeys(names):
        mine = names == name
        table = {
            "sigma": runs.column("utd")[mine],
            "N": runs.column("N")[mine],
            "steps": runs.column("env_steps_to_threshold")[mine],
        }
        found = fit(law, read_runs(table, loss="steps", check=False), objective="squares_log", intervals="delta")
        told[mine] = found.fitted()
        exponents.append((found.values["alpha"], found.values["beta"]))
    alpha, beta = np.mean(exponents, axis=0)
    return told, (float(alpha), float(beta))


def _error(told: np.ndarray, truth: np.ndarray) -> float:
    return float(100 * np.mean(np.abs(told / truth - 1)))


STUDY = Declaration(
    "fu2025", "Compute-optimal value-based reinforcement learning", "fu2025", ("value-rl-scaling",), claims
)
